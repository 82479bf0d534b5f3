//! The control word of vector instructions: whatever rounding mode, treatment of
//! denormals and mask of exceptions the caller has, Wasm computes as it should,
//! and the caller finds its word as it was.

use crate::support::{Setup, assemble, instance, linked};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use kernref::{Caller, Engine, Extern, Instance, Linker, Module, Store, Trap, TypedFunc};

#[cfg(target_arch = "x86_64")]
mod word {
    /// MXCSR after a reset.
    pub const DEFAULT: u64 = 0x1f80;
    /// What says which exceptions occurred.
    pub const STATUS: u64 = 0x3f;
    /// Rounding down, up, toward zero; denormal results, then operands, taken as
    /// zero; each exception unmasked; all of it; occurred exceptions.
    pub const OTHERS: &[u64] = &[
        0x3f80, 0x5f80, 0x7f80, 0x9f80, 0x1fc0, 0x1f00, 0x1e80, 0x1d80, 0x1b80, 0x1780, 0x0f80,
        0x0000, 0xe040, 0xffff, 0x1fbf,
    ];

    pub fn read() -> u64 {
        let mut word = 0_u32;
        // SAFETY: stores the word.
        unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack)) };
        word.into()
    }

    pub fn write(word: u64) {
        let word = word as u32;
        // SAFETY: no bit is reserved; nothing here computes before the default is back.
        unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod word {
    /// FPCR (S3_3_C4_C4_0 for assemblers that take it that there is none) after
    /// a reset.
    pub const DEFAULT: u64 = 0;
    /// There are none: they are in another register.
    pub const STATUS: u64 = 0;
    /// Rounding up, down, toward zero; flushing to zero; default NaNs; each
    /// exception trapped, where the processor can; all of it.
    pub const OTHERS: &[u64] = &[
        1 << 22,
        2 << 22,
        3 << 22,
        1 << 24,
        1 << 25,
        1 << 8,
        1 << 9,
        1 << 10,
        1 << 11,
        1 << 12,
        1 << 15,
        0x07c0_9f00,
    ];

    pub fn read() -> u64 {
        let word;
        // SAFETY: reads the word.
        unsafe { core::arch::asm!("mrs {}, s3_3_c4_c4_0", out(reg) word, options(nostack)) };
        word
    }

    pub fn write(word: u64) {
        // SAFETY: bits that the processor lacks are ignored; nothing here computes
        // before the default is back.
        unsafe { core::arch::asm!("msr s3_3_c4_c4_0, {}", in(reg) word, options(nostack)) };
    }
}

/// Runs `body` under a control word, and says whether it is still there. The body
/// computes nothing with floating point but in Wasm.
fn under<R>(control: u64, body: impl FnOnce() -> R) -> R {
    word::write(control);
    // What of it the processor has.
    let there = word::read();
    let result = body();
    let after = word::read();
    word::write(word::DEFAULT);
    assert_eq!(after & !word::STATUS, there & !word::STATUS, "under {control:#x}");
    result
}

const TEXT: &str = r#"(module
    (memory (export "m") 1)
    (func $put (param i64) (local $at i32)
        (local.set $at (i32.load (i32.const 0)))
        (i64.store offset=8 (local.get $at) (local.get 0))
        (i32.store (i32.const 0) (i32.add (local.get $at) (i32.const 8))))
    (func (export "compute") (param $one f64) (param $tiny f64) (param $single f32)
        (i32.store (i32.const 0) (i32.const 0))
        ;; Inexact: rounded up by the default mode, and down.
        (call $put (i64.reinterpret_f64 (f64.div (local.get $one) (f64.const 10))))
        (call $put (i64.reinterpret_f64 (f64.div (local.get $one) (f64.const 3))))
        (call $put (i64.reinterpret_f64 (f64.div (f64.neg (local.get $one)) (f64.const 10))))
        ;; Constants, which the compiler may compute.
        (call $put (i64.reinterpret_f64 (f64.div (f64.const 1) (f64.const 10))))
        (call $put (i64.reinterpret_f64 (f64.div (f64.const 0x1p-1022) (f64.const 4))))
        ;; Denormals.
        (call $put (i64.reinterpret_f64 (f64.mul (local.get $tiny) (local.get $one))))
        (call $put (i64.reinterpret_f64 (f64.div (f64.const 0x1p-1022) (f64.add (local.get $one)
            (local.get $one)))))
        ;; Invalid operations, division by zero, overflow.
        (call $put (i64.extend_i32_u (f64.ne (f64.sqrt (f64.neg (local.get $one)))
            (f64.const 0))))
        (call $put (i64.reinterpret_f64 (f64.div (local.get $one) (f64.const 0))))
        (call $put (i64.reinterpret_f64 (f64.mul (f64.add (local.get $one) (f64.const 0x1p1023))
            (f64.const 4))))
        ;; Conversions.
        (call $put (i64.reinterpret_f64 (f64.convert_i64_s (i64.const 9007199254740995))))
        (call $put (i64.extend_i32_u (i32.reinterpret_f32 (f32.demote_f64 (f64.div
            (local.get $one) (f64.const 10))))))
        (call $put (i64.extend_i32_u (i32.trunc_sat_f64_s (f64.const nan))))
        (call $put (i64.extend_i32_u (i32.trunc_f64_s (f64.add (local.get $one)
            (f64.const 0.75)))))
        ;; The same in single precision and in vectors.
        (call $put (i64.extend_i32_u (i32.reinterpret_f32 (f32.div (local.get $single)
            (f32.const 10)))))
        (call $put (i64.extend_i32_u (i32.reinterpret_f32 (f32.sqrt (f32.add (local.get $single)
            (local.get $single))))))
        (call $put (i64.extend_i32_u (i32.reinterpret_f32 (f32.nearest (f32.add (local.get $single)
            (f32.const 0.5))))))
        (call $put (i64x2.extract_lane 1 (f64x2.div (f64x2.splat (local.get $one))
            (f64x2.splat (f64.const 10)))))
        (call $put (i64x2.extract_lane 0 (f32x4.mul (f32x4.splat (f32.const 0x1p-140))
            (f32x4.splat (local.get $single))))))
    (func (export "trap") (param $one f64) (result i32)
        (i32.trunc_f64_s (f64.div (f64.neg (local.get $one)) (f64.const 0))))
    (func (export "stray") (param f64) (result i32) (i32.load (i32.const 0x10000))))"#;

type Compute = TypedFunc<(f64, f64, f32), ()>;

/// What [`TEXT`] leaves in memory.
fn results(store: &mut Store<()>, instance: &Instance) -> Vec<u64> {
    let memory = instance.get_memory(&mut *store, "m").unwrap();
    let data = memory.data(&*store).unwrap();
    let word = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
    (0..word(0) as u32 as usize / 8).map(|n| word(8 + 8 * n)).collect()
}

/// The smallest number there is.
const TINY: u64 = 1;
const ARGUMENTS: (f64, f64, f32) = (1.0, f64::from_bits(TINY), 1.0);

/// What it must leave, where that does not depend on the processor.
fn expected() -> Vec<(usize, u64)> {
    [
        (0, 0x3fb9_9999_9999_999a),
        (1, 0x3fd5_5555_5555_5555),
        (2, 0xbfb9_9999_9999_999a),
        (3, 0x3fb9_9999_9999_999a),
        (4, 1 << 50),
        (5, TINY),
        (6, 1 << 51),
        (7, 1),
        (8, 0x7ff0_0000_0000_0000),
        (9, 0x7ff0_0000_0000_0000),
        (10, 0x4340_0000_0000_0002),
        (11, 0x3dcc_cccd),
        (12, 0),
        (13, 1),
        (14, 0x3dcc_cccd),
        (15, 0x3fb5_04f3),
        (16, 0x4000_0000),
        (17, 0x3fb9_9999_9999_999a),
        (18, 0x0000_0200_0000_0200),
    ]
    .into()
}

fn check(found: &[u64], control: u64) {
    let expected = expected();
    assert_eq!(found.len(), expected.len());
    for (at, value) in expected {
        assert_eq!(found[at], value, "result {at} under {control:#x}");
    }
}

/// The module compiled and run under a word.
fn run(engine: &Engine, bytes: &[u8], control: u64) -> Vec<u64> {
    let mut store = Store::new(engine, ()).unwrap();
    let module = under(control, || Module::new(engine, bytes)).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let compute: Compute = instance.get_typed_func(&mut store, "compute").unwrap();
    under(control, || compute.call(&mut store, ARGUMENTS)).unwrap();
    results(&mut store, &instance)
}

pub fn wasm_computes_with_the_default_one(setup: Setup) {
    let bytes = assemble(TEXT);
    setup.each_engine(|engine| {
        check(&run(engine, &bytes, word::DEFAULT), word::DEFAULT);
        for control in word::OTHERS {
            check(&run(engine, &bytes, *control), *control);
        }
    });
}

pub fn a_trap_restores_the_callers(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        for (name, trap) in [("trap", Trap::IntegerOverflow), ("stray", Trap::MemoryOutOfBounds)] {
            let run: TypedFunc<f64, u32> = instance.get_typed_func(&mut store, name).unwrap();
            for control in word::OTHERS {
                let error = under(*control, || run.call(&mut store, 1.0)).unwrap_err();
                assert_eq!(error.as_trap(), Some(trap));
            }
        }
    });
}

static SEEN: AtomicU64 = AtomicU64::new(0);

pub fn nested_calls_have_their_own(setup: Setup) {
    /// Calls back in under another word, or ends with an error if `fail`.
    fn nest(mut caller: Caller<'_, ()>, fail: u32) -> kernref::Result<()> {
        SEEN.store(word::read(), Ordering::Relaxed);
        if fail == 1 {
            return Err(Trap::UnreachableCodeReached.into());
        }
        let tenth = caller.get_export("tenth").and_then(Extern::into_func).unwrap();
        let tenth: TypedFunc<f64, f64> = tenth.typed(&caller)?;
        for control in word::OTHERS {
            let found = under(*control, || tenth.call(&mut caller, 1.0))?;
            assert_eq!(found.to_bits(), 0x3fb9_9999_9999_999a);
            let inner = under(*control, || tenth.call(&mut caller, 0.0));
            assert_eq!(inner.unwrap_err().as_trap(), Some(Trap::UnreachableCodeReached));
        }
        Ok(())
    }
    setup.each_engine(|engine| {
        let mut linker = Linker::new(engine);
        linker.func_wrap("h", "nest", nest).unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "nest" (func $nest (param i32)))
                (func (export "tenth") (param f64) (result f64)
                    (if (f64.eq (local.get 0) (f64.const 0)) (then unreachable))
                    (f64.div (local.get 0) (f64.const 10)))
                (func (export "run") (param i32) (param f64) (result f64)
                    (call $nest (local.get 0))
                    (f64.div (local.get 1) (f64.const 10))))"#,
        );
        let run: TypedFunc<(u32, f64), f64> = instance.get_typed_func(&mut store, "run").unwrap();
        for control in word::OTHERS {
            let found = under(*control, || run.call(&mut store, (0, 1.0))).unwrap();
            assert_eq!(found.to_bits(), 0x3fb9_9999_9999_999a, "under {control:#x}");
            let seen = SEEN.load(Ordering::Relaxed);
            assert_eq!(seen & !word::STATUS, word::DEFAULT, "what the host function saw");
            let failed = under(*control, || run.call(&mut store, (1, 1.0)));
            assert_eq!(failed.unwrap_err().as_trap(), Some(Trap::UnreachableCodeReached));
        }
    });
}
