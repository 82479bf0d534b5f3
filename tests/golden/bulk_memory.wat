;;! show: function, stub of memory.
;; Ranges of a memory: inline if they are short and of constant length, else by
;; a stub of the module; segments and growth by the runtime.
(module (memory 1) (data $d "abc")
  (func (param i32 i32)
    (memory.copy (local.get 0) (local.get 1) (i32.const 12))
    (memory.fill (local.get 0) (local.get 1) (i32.const 16)))
  (func (param i32 i32 i32) (result i32)
    (memory.copy (local.get 0) (local.get 1) (local.get 2))
    (memory.fill (local.get 0) (local.get 1) (local.get 2))
    (memory.init $d (local.get 0) (local.get 1) (local.get 2)) (data.drop $d)
    (memory.grow (local.get 0)) (memory.size) i32.add))
