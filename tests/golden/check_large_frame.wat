;;! only on x86_64
;;! show: wrapper
;; The wrapper around a function whose frame exceeds the margin below the stack
;; limit.
(module
  (func $many (result {700 i64}) unreachable)
  (func (call $many) {700 drop}))
