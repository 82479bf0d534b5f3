;; Functions and numbers are not counted.
(module (table $t 4 funcref) (global $f (mut funcref) (ref.null func)) (global $n (mut i64) (i64.const 0))
  (func (param i32) (result funcref) (table.get $t (local.get 0)))
  (func (param i32 funcref) (table.set $t (local.get 0) (local.get 1)))
  (func (param funcref) (result funcref) (global.get $f) (global.set $f (local.get 0)))
  (func (param i64) (result i64) (global.get $n) (global.set $n (local.get 0))))
