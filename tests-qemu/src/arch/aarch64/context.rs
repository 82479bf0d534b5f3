//! What a thread owns of a processor: all that the exception stub saves, which
//! includes vector registers with their status and control.

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
    }

    /// Gives the registers to the thread that is resumed by `frame`.
    pub fn restore(&self, frame: &mut Frame) {
        *frame = self.frame;
    }
}

/// Tells the scheduler what this thread wishes.
pub fn wish(number: u64, argument: u64) {
    // SAFETY: the exception's handler resumes this thread here, with its registers.
    unsafe { asm!("svc #0", in("x0") number, in("x1") argument) };
}
