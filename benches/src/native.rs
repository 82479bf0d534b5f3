//! The kernels of `guests/kernels.wat` as native code: the floor. Vector width
//! and the order of additions are the same as in the guest.

use std::hint::black_box;

fn repeat(ops: i32, mut work: impl FnMut() -> i64) -> i64 {
    (0..ops).map(|_| work()).sum()
}

fn last(ops: i32, mut work: impl FnMut() -> i64) -> i64 {
    (0..ops).map(|_| work()).last().unwrap_or(0)
}

fn fib(n: u32) -> u32 {
    // Keeps the optimizer from unrolling the recursion.
    if n < 2 { n } else { black_box(fib as fn(u32) -> u32)(n - 1) + fib(n - 2) }
}

pub fn recursion(ops: i32) -> i64 {
    repeat(ops, || i64::from(fib(black_box(20))))
}

pub fn sieve(ops: i32) -> i64 {
    let mut composite = vec![0_u8; 0x10000];
    repeat(ops, || {
        let mut found = 0;
        composite.fill(0);
        for i in 2..0x10000 {
            if composite[i] != 0 {
                continue;
            }
            found += 1;
            if i < 256 {
                composite[i * i..].iter_mut().step_by(i).for_each(|byte| *byte = 1);
            }
        }
        found
    })
}

pub fn matrix(ops: i32) -> i64 {
    let a: Vec<f64> = (0..4096).map(|i| f64::from(i & 7)).collect();
    let b: Vec<f64> = (0..4096).map(|i| f64::from(i % 5)).collect();
    let mut c = vec![0.0; 4096];
    last(ops, || {
        let (a, b) = (black_box(&a[..4096]), black_box(&b[..4096]));
        for (row, out) in c.chunks_exact_mut(64).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                let row = &a[row * 64..][..64];
                *out = row.iter().zip(b[column..].iter().step_by(64)).map(|(a, b)| a * b).sum();
            }
        }
        (c[0] + c[4095]) as i64
    })
}

fn words() -> Vec<u64> {
    (0..2048).map(|i: u64| (i * 2) | ((i * 2 + 1) << 32)).collect()
}

pub fn memory_copy(ops: i32) -> i64 {
    let (from, mut to) = (words(), vec![0; 2048]);
    last(ops, || {
        black_box(&mut to[..]).copy_from_slice(black_box(&from));
        to[2047] as i64
    })
}

pub fn small_memory_copy(ops: i32) -> i64 {
    let (from, mut to) = (words(), vec![0; 2048]);
    last(ops, || {
        for (to, from) in to.chunks_exact_mut(2).zip(from.chunks_exact(2)).take(256) {
            black_box(to).copy_from_slice(black_box(from));
        }
        to[511] as i64
    })
}

pub fn copy_loop(ops: i32) -> i64 {
    let (from, mut to) = (words(), vec![0; 2048]);
    last(ops, || {
        for (to, from) in to.iter_mut().zip(&from) {
            // Eight bytes at a time, like the guest.
            *to = black_box(*from);
        }
        to[2047] as i64
    })
}

pub fn pointer_walk(ops: i32) -> i64 {
    let node = |i: u32| (i * 1237) & 4095;
    // As large as the guest's nodes; the last node links to 0, the first one.
    let mut nodes = vec![[0_u32; 4]; 4096];
    for i in 0..4096 {
        nodes[node(i) as usize] = [if i == 4095 { 0 } else { node(i + 1) }, i, 0, 0];
    }
    repeat(ops, || {
        let (mut at, mut sum) = (0, 0);
        loop {
            let [next, number, ..] = nodes[at as usize & 4095];
            (at, sum) = (next, sum + i64::from(number));
            if at == 0 {
                return sum;
            }
        }
    })
}

pub fn simd(ops: i32) -> i64 {
    let a: Vec<f32> = (0..4096_u16).map(|i| f32::from(i & 3)).collect();
    let b: Vec<f32> = (0..4096_u16).map(|i| f32::from(i % 3)).collect();
    last(ops, || {
        let mut sums = [0.0_f32; 16];
        for (a, b) in black_box(&a).chunks_exact(16).zip(black_box(&b).chunks_exact(16)) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        sums.iter().sum::<f32>() as i64
    })
}
