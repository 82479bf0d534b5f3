;; Accesses to a memory with 32-bit addresses: a byte, more, and beyond the
;; reach of a guard.
(module (memory 1)
  (func (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (param i32) (result i64) (i64.load offset=16 (local.get 0)))
  (func (param i32) (result i32) (i32.load offset=0xfffffff0 (local.get 0)))
  (func (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (param i32 v128) (v128.store (local.get 0) (local.get 1))))
