;; A function of the host or of another instance; then as a tail call.
(module (import "" "f" (func $f (param i32) (result i32)))
  (func (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
  (func (param i32) (result i32) (return_call $f (local.get 0))))
