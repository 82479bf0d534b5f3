;;! under: zero-count, hardware-traps
;;! show: function, stub of memory
;; Ranges of a memory: inline if they are short and of constant length, else by
;; a stub.
(module (memory 1)
  (func (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 12)))
  (func (param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const 16)))
  (func (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))
