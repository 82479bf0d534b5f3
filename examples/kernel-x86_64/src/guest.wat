;; Keeps an object of the kernel's in a table, and uses it until it is told to forget it.
(module
  (import "kernel" "add" (func $add (param externref i64) (result i64)))
  (table 1 externref)
  (func (export "keep") (param externref)
    (table.set (i32.const 0) (local.get 0)))
  ;; Adds 1 to `n`, one at a time.
  (func (export "count") (param $n i64) (result i64)
    (local $at i64) (local $sum i64)
    (loop $again
      (local.set $at (i64.add (local.get $at) (i64.const 1)))
      (local.set $sum (call $add (table.get (i32.const 0)) (local.get $at)))
      (br_if $again (i64.lt_u (local.get $at) (local.get $n))))
    (local.get $sum))
  (func (export "forget")
    (table.set (i32.const 0) (ref.null extern))))
