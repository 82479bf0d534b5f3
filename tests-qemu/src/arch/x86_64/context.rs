//! What a thread owns of a processor: the general registers, and the state that
//! FXSAVE or XSAVE covers: x87, XMM and, where it is enabled, YMM registers, each
//! with their control words. Kernel code is soft-float, so these still are the
//! interrupted thread's when another thread's are loaded.
//!
//! Source: Intel SDM volume 1, 10.5 and 13.

use super::exceptions::{Frame, WISH};
use core::arch::asm;
use x86_64::instructions::segmentation::{CS, SS, Segment};
use x86_64::registers::control::{Cr4, Cr4Flags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// Bytes for the legacy area, the header and the upper halves of YMM registers.
const EXTENDED_BYTES: usize = 512 + 64 + 256;
/// The control words that a new thread begins with, as after FINIT and a reset.
const X87_CONTROL: u16 = 0x37f;
const MXCSR: u32 = 0x1f80;
/// Interrupts enabled; bit 1 is always set.
const FLAGS: u64 = 0x202;

/// A thread's registers while it is on no processor.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Context {
    extended: [u8; EXTENDED_BYTES],
    frame: Frame,
}

impl Context {
    /// Of no thread.
    pub const EMPTY: Self = Self {
        extended: [0; EXTENDED_BYTES],
        frame: Frame {
            r15_to_r8: [0; 8],
            rdi: 0,
            rsi: 0,
            rbp: 0,
            rbx: 0,
            rdx: 0,
            rcx: 0,
            rax: 0,
            vector: 0,
            error: 0,
            rip: 0,
            cs: 0,
            rflags: 0,
            rsp: 0,
            ss: 0,
        },
    };

    /// Of a thread about to call `entry` with `argument` on an empty stack.
    pub fn new(entry: extern "C" fn(usize) -> !, stack_top: usize, argument: usize) -> Self {
        let mut context = Self::EMPTY;
        context.extended[0..2].copy_from_slice(&X87_CONTROL.to_le_bytes());
        context.extended[24..28].copy_from_slice(&MXCSR.to_le_bytes());
        // XSTATE_BV: only what the two words belong to is not in its first state.
        context.extended[512] = 0b11;
        context.frame.rip = entry as usize as u64;
        // As after a call: the stack is aligned below a return address.
        context.frame.rsp = (stack_top - 8) as u64;
        context.frame.rdi = argument as u64;
        context.frame.rflags = FLAGS;
        context.frame.cs = u64::from(CS::get_reg().0);
        context.frame.ss = u64::from(SS::get_reg().0);
        context
    }

    /// Takes the registers of the thread that `frame` is of.
    pub fn save(&mut self, frame: &Frame) {
        self.frame = *frame;
        let area = self.extended.as_mut_ptr();
        // SAFETY: the area is aligned and large enough for the components enabled.
        unsafe {
            match extended_is_enabled() {
                true => asm!("xsave64 [{}]", in(reg) area, in("eax") u32::MAX, in("edx") u32::MAX,
                    options(nostack)),
                false => asm!("fxsave64 [{}]", in(reg) area, options(nostack)),
            }
        }
    }

    /// Gives the registers to the thread that is resumed by `frame`.
    pub fn restore(&self, frame: &mut Frame) {
        *frame = self.frame;
        let area = self.extended.as_ptr();
        // SAFETY: the area is what `save` or `new` left there. Kernel code uses none
        // of these registers.
        unsafe {
            match extended_is_enabled() {
                true => asm!("xrstor64 [{}]", in(reg) area, in("eax") u32::MAX, in("edx") u32::MAX,
                    options(nostack, readonly)),
                false => asm!("fxrstor64 [{}]", in(reg) area, options(nostack, readonly)),
            }
        }
    }
}

fn extended_is_enabled() -> bool {
    Cr4::read().contains(Cr4Flags::OSXSAVE)
}

/// Enables YMM registers on this processor, if it has them: from now on guests
/// may be compiled to use them.
pub(super) fn enable_extended() {
    let leaf1 = core::arch::x86_64::__cpuid(1);
    let (xsave, avx) = (leaf1.ecx & 1 << 26 != 0, leaf1.ecx & 1 << 28 != 0);
    if !(xsave && avx) {
        return;
    }
    // SAFETY: the processor has them, and `save` and `restore` know of them.
    unsafe {
        Cr4::update(|flags| flags.insert(Cr4Flags::OSXSAVE));
        XCr0::write(XCr0Flags::X87 | XCr0Flags::SSE | XCr0Flags::AVX);
    }
    let needed = core::arch::x86_64::__cpuid_count(13, 0).ebx as usize;
    assert!(needed <= EXTENDED_BYTES, "{needed} bytes of extended state");
}

/// Tells the scheduler what this thread wishes.
pub fn wish(number: u64, argument: u64) {
    // SAFETY: the gate's handler resumes this thread here, with its registers.
    unsafe {
        asm!("int {vector}", vector = const WISH, in("rdi") number, in("rsi") argument);
    }
}
