(module
    (func (export "sum") (param $n i32) (result f64)
        (local $sum f64) (local $at i32) (local $lanes v128)
        (loop $again
            (local.set $sum (f64.add (local.get $sum) (f64.sqrt (f64.convert_i32_u (local.get $at)))))
            (local.set $lanes (i32x4.add (local.get $lanes) (i32x4.splat (i32.const 1))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $at) (local.get $n))))
        (f64.add (local.get $sum)
            (f64.convert_i32_u (i32x4.extract_lane 3 (local.get $lanes)))))
    (func (export "forever") (loop $again (br $again))))
