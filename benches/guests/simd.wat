;; Vectors, in a separate module: not every build of every runtime has them.
;; Memory: vectors at 0 and 0x4000.
(module
    (memory 1)
    (start $init)

    (func $init (local $i i32) (local $at i32)
        (loop $fill
            (local.set $at (i32.shl (local.get $i) (i32.const 2)))
            (f32.store (local.get $at)
                (f32.convert_i32_u (i32.and (local.get $i) (i32.const 3))))
            (f32.store offset=0x04000 (local.get $at)
                (f32.convert_i32_u (i32.rem_u (local.get $i) (i32.const 3))))
            (br_if $fill (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4096)))))

    ;; dot product of 4096 f32, with four accumulators of four lanes
    (func (export "simd") (param $ops i32) (result i64)
        (local $at i32) (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
        (loop $again
            (local.set $at (i32.const 0))
            (local.set $s0 (v128.const i64x2 0 0))
            (local.set $s1 (v128.const i64x2 0 0))
            (local.set $s2 (v128.const i64x2 0 0))
            (local.set $s3 (v128.const i64x2 0 0))
            (loop $lanes
                (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul
                    (v128.load (local.get $at))
                    (v128.load offset=0x04000 (local.get $at)))))
                (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul
                    (v128.load offset=0x00010 (local.get $at))
                    (v128.load offset=0x04010 (local.get $at)))))
                (local.set $s2 (f32x4.add (local.get $s2) (f32x4.mul
                    (v128.load offset=0x00020 (local.get $at))
                    (v128.load offset=0x04020 (local.get $at)))))
                (local.set $s3 (f32x4.add (local.get $s3) (f32x4.mul
                    (v128.load offset=0x00030 (local.get $at))
                    (v128.load offset=0x04030 (local.get $at)))))
                (br_if $lanes (i32.lt_u
                    (local.tee $at (i32.add (local.get $at) (i32.const 64))) (i32.const 0x4000))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (local.set $s0 (f32x4.add
            (f32x4.add (local.get $s0) (local.get $s1)) (f32x4.add (local.get $s2) (local.get $s3))))
        (i64.trunc_f32_s (f32.add
            (f32.add (f32x4.extract_lane 0 (local.get $s0)) (f32x4.extract_lane 1 (local.get $s0)))
            (f32.add (f32x4.extract_lane 2 (local.get $s0)) (f32x4.extract_lane 3 (local.get $s0)))))))
