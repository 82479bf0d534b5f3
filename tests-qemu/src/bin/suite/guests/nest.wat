(module
    (import "h" "look" (func $look (param externref) (result i32)))
    (func $nest (export "nest") (param $depth i32) (param $object externref) (result i32)
        (local $below i32)
        (if (result i32) (i32.eqz (local.get $depth))
            (then (call $look (local.get $object)))
            (else
                (local.set $below
                    (call $nest (i32.sub (local.get $depth) (i32.const 1)) (local.get $object)))
                (i32.and (local.get $below) (i32.eqz (ref.is_null (local.get $object))))))))
