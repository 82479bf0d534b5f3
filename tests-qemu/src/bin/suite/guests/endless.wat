;; Guests that take objects and never end.
(module
  (import "h" "make" (func $make (result externref)))
  (memory 16)
  (table $t 8 externref)
  (func $take (local $at i32)
    (loop $next
      (table.set $t (local.get $at) (call $make))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 8)))))
  (func (export "spin") (call $take) (loop $again (br $again)))
  (func $tail (return_call $other))
  (func $other (return_call $tail))
  (func (export "tail") (call $take) (return_call $tail))
  (func (export "fill")
    (call $take)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x100000))
      (br $again)))
  (func (export "churn") (local $at i32)
    (loop $again
      (table.set $t (i32.and (local.get $at) (i32.const 7)) (call $make))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $again)))
  (func (export "count") (result i32) (local $at i32) (local $held i32)
    (loop $next
      (local.set $held
        (i32.add (local.get $held)
          (i32.eqz (ref.is_null (table.get $t (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 8))))
    (local.get $held)))
