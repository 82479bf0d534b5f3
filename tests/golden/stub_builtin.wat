;;! show: stub of raise_trap, stub of memory_grow
;; From Wasm into the runtime: one builtin that may fail and one that may not.
(module (memory 1)
  (func (param i32) (result i32) (memory.grow (local.get 0)))
  (func unreachable))
