;; A memory with 64-bit addresses: the sum may carry.
(module (memory i64 1)
  (func (param i64) (result i32) (i32.load8_u (local.get 0)))
  (func (param i64) (result i64) (i64.load offset=16 (local.get 0))))
