(module
    (memory (export "memory") 1 3)
    (func (export "load") (param $at i32) (result i32) (i32.load8_u (local.get $at)))
    (func (export "store") (param $at i32) (i64.store offset=8 (local.get $at) (i64.const -1)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "sum") (param $n i32) (result f64)
        (local $sum f64) (local $lanes v128)
        (loop $again
            (local.set $sum (f64.add (local.get $sum) (f64.convert_i32_u (local.get $n))))
            (local.set $lanes (i32x4.add (local.get $lanes) (i32x4.splat (i32.const 1))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (drop (i32.load offset=65536 (i32x4.extract_lane 3 (local.get $lanes))))
        (local.get $sum)))
