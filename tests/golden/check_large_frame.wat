;;! machine code of x86_64
;;! show: function 1
;;! lines with: %rsp, %r10, trap, ud2
;; A function whose frame exceeds the margin below the stack limit checks before
;; the frame is made.
(module
  (func $many (result {700 i64}) unreachable)
  (func (call $many) {700 drop}))
