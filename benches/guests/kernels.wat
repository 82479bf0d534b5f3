;; Compute kernels, each an (i32) -> i64 from repetitions to a checksum. Memory:
;; sieve at 0; matrices at 0x10000, 0x18000 and 0x20000; copies from 0x30000 to
;; 0x40000; a list at 0x50000.
(module
    (memory 8)
    (start $init)

    (func $init (local $i i32) (local $at i32)
        (loop $fill
            ;; a[i] = i & 7; b[i] = i % 5
            (local.set $at (i32.shl (local.get $i) (i32.const 3)))
            (f64.store offset=0x10000 (local.get $at)
                (f64.convert_i32_u (i32.and (local.get $i) (i32.const 7))))
            (f64.store offset=0x18000 (local.get $at)
                (f64.convert_i32_u (i32.rem_u (local.get $i) (i32.const 5))))
            (local.set $at (i32.shl (local.get $i) (i32.const 2)))
            (i32.store offset=0x30000 (local.get $at) (local.get $i))
            ;; node(i) -> node(i + 1), in scattered order
            (i32.store (call $node (local.get $i))
                (select (i32.const 0) (call $node (i32.add (local.get $i) (i32.const 1)))
                    (i32.eq (local.get $i) (i32.const 4095))))
            (i32.store offset=4 (call $node (local.get $i)) (local.get $i))
            (br_if $fill (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4096)))))

    (func $node (param i32) (result i32)
        (i32.add (i32.const 0x50000) (i32.shl
            (i32.and (i32.mul (local.get 0) (i32.const 1237)) (i32.const 4095)) (i32.const 4))))

    (func $fib (param $n i32) (result i32)
        (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
            (then (local.get $n))
            (else (i32.add
                (call $fib (i32.sub (local.get $n) (i32.const 1)))
                (call $fib (i32.sub (local.get $n) (i32.const 2)))))))

    ;; fib(20)
    (func (export "recursion") (param $ops i32) (result i64) (local $sum i64)
        (loop $again
            (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $fib (i32.const 20)))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (local.get $sum))

    ;; primes below 65 536, one byte each
    (func (export "sieve") (param $ops i32) (result i64)
        (local $sum i64) (local $i i32) (local $j i32)
        (loop $again
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 0x10000))
            (local.set $i (i32.const 2))
            (loop $number
                (if (i32.eqz (i32.load8_u (local.get $i)))
                    (then
                        (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                        (if (i32.lt_u (local.get $i) (i32.const 256))
                            (then
                                (local.set $j (i32.mul (local.get $i) (local.get $i)))
                                (loop $multiple
                                    (i32.store8 (local.get $j) (i32.const 1))
                                    (br_if $multiple (i32.lt_u
                                        (local.tee $j (i32.add (local.get $j) (local.get $i)))
                                        (i32.const 0x10000))))))))
                (br_if $number (i32.lt_u
                    (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0x10000))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (local.get $sum))

    ;; 64 by 64, f64
    (func (export "matrix") (param $ops i32) (result i64)
        (local $row i32) (local $column i32) (local $a i32) (local $b i32) (local $k i32)
        (local $sum f64)
        (loop $again
            (local.set $row (i32.const 0))
            (loop $rows
                (local.set $column (i32.const 0))
                (loop $columns
                    (local.set $sum (f64.const 0))
                    (local.set $a (i32.add (i32.const 0x10000) (local.get $row)))
                    (local.set $b (i32.add (i32.const 0x18000) (local.get $column)))
                    (local.set $k (i32.const 32))
                    (loop $products
                        (local.set $sum (f64.add (local.get $sum) (f64.mul
                            (f64.load (local.get $a)) (f64.load (local.get $b)))))
                        (local.set $sum (f64.add (local.get $sum) (f64.mul
                            (f64.load offset=8 (local.get $a)) (f64.load offset=512 (local.get $b)))))
                        (local.set $a (i32.add (local.get $a) (i32.const 16)))
                        (local.set $b (i32.add (local.get $b) (i32.const 1024)))
                        (br_if $products (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
                    (f64.store offset=0x20000
                        (i32.add (local.get $row) (local.get $column)) (local.get $sum))
                    (br_if $columns (i32.lt_u
                        (local.tee $column (i32.add (local.get $column) (i32.const 8)))
                        (i32.const 512))))
                (br_if $rows (i32.lt_u
                    (local.tee $row (i32.add (local.get $row) (i32.const 512)))
                    (i32.const 0x8000))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (i64.trunc_f64_s (f64.add
            (f64.load offset=0x20000 (i32.const 0)) (f64.load offset=0x20000 (i32.const 0x7ff8)))))

    ;; 16 KiB with one instruction
    (func (export "memory.copy") (param $ops i32) (result i64)
        (loop $again
            (memory.copy (i32.const 0x40000) (i32.const 0x30000) (i32.const 0x4000))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (i64.load offset=0x43ff8 (i32.const 0)))

    ;; 16 bytes with one instruction, 256 times
    (func (export "memory.copy, small") (param $ops i32) (result i64) (local $at i32)
        (loop $again
            (local.set $at (i32.const 0))
            (loop $piece
                (memory.copy (i32.add (i32.const 0x40000) (local.get $at))
                    (i32.add (i32.const 0x30000) (local.get $at)) (i32.const 16))
                (br_if $piece (i32.lt_u
                    (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const 0x1000))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (i64.load offset=0x40ff8 (i32.const 0)))

    ;; 16 KiB, eight bytes at a time
    (func (export "copy loop") (param $ops i32) (result i64) (local $at i32)
        (loop $again
            (local.set $at (i32.const 0))
            (loop $word
                (i64.store offset=0x40000 (local.get $at)
                    (i64.load offset=0x30000 (local.get $at)))
                (br_if $word (i32.lt_u
                    (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 0x4000))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (i64.load offset=0x43ff8 (i32.const 0)))

    ;; a list of 4096 nodes
    (func (export "pointer walk") (param $ops i32) (result i64) (local $sum i64) (local $at i32)
        (loop $again
            (local.set $at (i32.const 0x50000))
            (loop $next
                (local.set $sum (i64.add (local.get $sum)
                    (i64.load32_u offset=4 (local.get $at))))
                (br_if $next (local.tee $at (i32.load (local.get $at)))))
            (br_if $again (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
        (local.get $sum)))
