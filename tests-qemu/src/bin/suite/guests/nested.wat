(module
    (import "h" "below" (func $below (param i32) (result i32)))
    (import "h" "number" (func $number (param externref) (result i32)))
    (memory 1)
    (func (export "nest") (param $depth i32) (param $object externref) (result i32)
        (local $told i32)
        (if (local.get $depth)
            (then (local.set $told
                (call $below (i32.sub (local.get $depth) (i32.const 1))))))
        (if (i32.ne (call $number (local.get $object)) (local.get $depth))
            (then unreachable))
        (if (i32.eqz (local.get $told))
            (then (drop (i32.load offset=65536 (local.get $depth)))))
        (i32.const 7)))
