;;! machine code of x86_64
;;! show: function 1
;; What the IR does not show: the frame, where a reference is stored during a
;; call, and that traps are placed behind the code that runs.
(module (memory 1)
  (func $f (param i32) (result i32) (local.get 0))
  (func (param externref i32) (result i32 externref)
    (i32.load (call $f (local.get 1))) (local.get 0)))
