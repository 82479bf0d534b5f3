;; Through a table: bounds, null and type are checked; then as a tail call.
(module (table $t 4 funcref) (type $f (func (param i32) (result i32)))
  (func (param i32) (result i32) (call_indirect $t (type $f) (i32.const 7) (local.get 0)))
  (func (param i32) (result i32) (return_call_indirect $t (type $f) (i32.const 7) (local.get 0))))
