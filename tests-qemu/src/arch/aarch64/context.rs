//! What a thread owns of a processor: all that the exception stub saves, and
//! vector registers with their status and control. Where Rust code does not use
//! those, the stub leaves them alone, and they are saved and restored here.

use super::exceptions::Frame;
use core::arch::asm;

/// EL1 on `SP_EL0`, with interrupts enabled and all else masked.
const STATE: u64 = 0x344;

/// A thread's registers while it is on no processor.
#[derive(Clone, Copy)]
pub struct Context {
    frame: Frame,
}

impl Context {
    /// Of no thread.
    pub const EMPTY: Self = Self {
        frame: Frame {
            general: [0; 31],
            elr: 0,
            spsr: 0,
            sp: 0,
            fpsr: 0,
            fpcr: 0,
            vectors: [0; 32],
        },
    };

    /// Of a thread about to call `entry` with `argument` on an empty stack.
    pub fn new(entry: extern "C" fn(usize) -> !, stack_top: usize, argument: usize) -> Self {
        let mut context = Self::EMPTY;
        context.frame.general[0] = argument as u64;
        context.frame.elr = entry as usize as u64;
        context.frame.spsr = STATE;
        context.frame.sp = stack_top as u64;
        context
    }

    /// Takes the registers of the thread that `frame` is of.
    pub fn save(&mut self, frame: &Frame) {
        self.frame = *frame;
        #[cfg(not(target_feature = "neon"))]
        // SAFETY: Rust code has no use for these registers.
        unsafe {
            save_vectors(&raw mut self.frame.fpsr);
        }
    }

    /// Gives the registers to the thread that is resumed by `frame`.
    pub fn restore(&self, frame: &mut Frame) {
        *frame = self.frame;
        #[cfg(not(target_feature = "neon"))]
        // SAFETY: as for `save`.
        unsafe {
            restore_vectors(&raw const self.frame.fpsr);
        }
    }
}

/// Tells the scheduler what this thread wishes.
pub fn wish(number: u64, argument: u64) {
    // SAFETY: the exception's handler resumes this thread here, with its registers.
    unsafe { asm!("svc #0", in("x0") number, in("x1") argument) };
}

/// `area` is where the status is kept, followed by control and vectors.
#[cfg(not(target_feature = "neon"))]
#[unsafe(naked)]
unsafe extern "C" fn save_vectors(area: *mut u64) {
    core::arch::naked_asm!(
        r#"
        .arch_extension fp
        mrs x1, fpsr
        mrs x2, fpcr
        stp x1, x2, [x0]
        .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        str q\at, [x0, #16 + 16 * \at]
        .endr
        ret
        .arch_extension nofp
        "#
    )
}

#[cfg(not(target_feature = "neon"))]
#[unsafe(naked)]
unsafe extern "C" fn restore_vectors(area: *const u64) {
    core::arch::naked_asm!(
        r#"
        .arch_extension fp
        ldp x1, x2, [x0]
        msr fpsr, x1
        msr fpcr, x2
        .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ldr q\at, [x0, #16 + 16 * \at]
        .endr
        ret
        .arch_extension nofp
        "#
    )
}
