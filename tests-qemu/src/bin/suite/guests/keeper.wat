(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (table $kept (export "kept") 64 externref)
    (global $last (mut externref) (ref.null extern))
    (func (export "keep") (param $at i32) (param $object externref)
        (table.set $kept (local.get $at) (local.get $object)))
    ;; In each round, every object changes places with another, one is kept in a
    ;; global, and one is made that nobody keeps. The sum of the numbers seen.
    (func (export "churn") (param $rounds i32) (result i32)
        (local $at i32) (local $sum i32) (local $object externref)
        (loop $round
            (local.set $at (i32.const 0))
            (loop $next
                (local.set $object (table.get $kept (local.get $at)))
                (table.set $kept (local.get $at)
                    (table.get $kept (i32.and (i32.add (local.get $at) (i32.const 7)) (i32.const 63))))
                (table.set $kept
                    (i32.and (i32.add (local.get $at) (i32.const 7)) (i32.const 63))
                    (local.get $object))
                (global.set $last (local.get $object))
                (local.set $sum (i32.add (local.get $sum) (call $number (global.get $last))))
                (drop (call $number (call $make (local.get $at))))
                (br_if $next
                    (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 64))))
            (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
        (local.get $sum)))
