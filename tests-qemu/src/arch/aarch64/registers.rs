//! Fills registers, waits, and reads them back: what a switch between threads has
//! to preserve.

use core::arch::naked_asm;

/// Values for registers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Registers {
    /// Q0 to Q31.
    vectors: [u128; 32],
    /// X19 to X28.
    general: [u64; 10],
    /// FPCR and FPSR.
    control: [u64; 2],
}

impl Registers {
    /// Different values for each seed, the rounding mode and exception flags
    /// included.
    pub fn new(seed: u64) -> Self {
        let value = |at: u64| (seed << 16) + at * 0x0101_0101;
        Self {
            vectors: core::array::from_fn(|at| {
                u128::from(value(at as u64)) * 0x1_0000_0000_0000_0001
            }),
            general: core::array::from_fn(|at| value(200 + at as u64)),
            control: [(seed & 3) << 22, seed >> 2 & 0x1f],
        }
    }

    /// Holds the values for so many turns; what they are afterwards.
    pub fn hold(&self, turns: u64) -> Self {
        let mut after = Self { vectors: [0; 32], general: [0; 10], control: [0; 2] };
        // SAFETY: the function keeps the calling convention, as to vector registers by
        // saving what it must; both structures have the layout that it expects.
        unsafe { hold(self, &mut after, turns.max(1)) };
        after
    }
}

#[unsafe(naked)]
unsafe extern "C" fn hold(before: &Registers, after: &mut Registers, turns: u64) {
    naked_asm!(
        #[cfg(not(target_feature = "neon"))]
        ".arch_extension fp",
        r#"
        sub sp, sp, #160
        stp x19, x20, [sp]
        stp x21, x22, [sp, #16]
        stp x23, x24, [sp, #32]
        stp x25, x26, [sp, #48]
        stp x27, x28, [sp, #64]
        stp x29, x30, [sp, #80]
        stp d8, d9, [sp, #96]
        stp d10, d11, [sp, #112]
        stp d12, d13, [sp, #128]
        stp d14, d15, [sp, #144]
        .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ldr q\at, [x0, #16 * \at]
        .endr
        .irp at, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        ldr x\at, [x0, #360 + 8 * \at]
        .endr
        add x9, x0, #592
        ldp x9, x10, [x9]
        msr fpcr, x9
        msr fpsr, x10
    2:  subs x2, x2, #1
        b.ne 2b
        .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        str q\at, [x1, #16 * \at]
        .endr
        .irp at, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        str x\at, [x1, #360 + 8 * \at]
        .endr
        mrs x9, fpcr
        mrs x10, fpsr
        add x1, x1, #592
        stp x9, x10, [x1]
        msr fpcr, xzr
        msr fpsr, xzr
        ldp x19, x20, [sp]
        ldp x21, x22, [sp, #16]
        ldp x23, x24, [sp, #32]
        ldp x25, x26, [sp, #48]
        ldp x27, x28, [sp, #64]
        ldp x29, x30, [sp, #80]
        ldp d8, d9, [sp, #96]
        ldp d10, d11, [sp, #112]
        ldp d12, d13, [sp, #128]
        ldp d14, d15, [sp, #144]
        add sp, sp, #160
        ret
        "#,
        #[cfg(not(target_feature = "neon"))]
        ".arch_extension nofp",
    )
}
