(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (table $kept 16 externref)
    (func (export "churn") (param $n i32) (result i32)
        (local $object externref) (local $wrong i32)
        (loop $again
            (local.set $object (call $make (local.get $n)))
            (table.set $kept (i32.and (local.get $n) (i32.const 15)) (local.get $object))
            (local.set $wrong
                (i32.or (local.get $wrong)
                    (i32.ne (local.get $n)
                        (call $number (table.get $kept (i32.and (local.get $n) (i32.const 15)))))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $wrong)))
