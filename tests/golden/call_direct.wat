;;! show: function 1, function 2
;; A function of the module, with a reference live across the call; then as a
;; tail call.
(module
  (func $f (param i32 externref) (result externref) (local.get 1))
  (func (param externref) (result externref externref)
    (call $f (i32.const 1) (local.get 0)) (local.get 0))
  (func (param externref) (result externref) (return_call $f (i32.const 1) (local.get 0))))
