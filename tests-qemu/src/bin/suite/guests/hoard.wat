(module
    (import "h" "make" (func $make (result externref)))
    (table $kept (export "kept") 0 externref)
    (func (export "hoard") (param $n i32) (result i32)
        (loop $again
            (if (i32.lt_s (table.grow $kept (call $make) (i32.const 1)) (i32.const 0))
                (then (return (table.size $kept))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (table.size $kept)))
