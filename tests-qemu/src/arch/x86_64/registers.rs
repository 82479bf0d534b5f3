//! Fills registers, waits, and reads them back: what a switch between threads has
//! to preserve.

use core::arch::naked_asm;
use x86_64::registers::control::{Cr4, Cr4Flags};

/// Values for registers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Registers {
    /// YMM0 to YMM15; the upper halves only where they are enabled.
    vectors: [[u128; 2]; 16],
    /// RBX, RBP, R8 to R15.
    general: [u64; 10],
    /// MXCSR and the x87 control word.
    control: [u64; 2],
}

impl Registers {
    /// Different values for each seed, rounding modes included.
    pub fn new(seed: u64) -> Self {
        let value = |at: u64| (seed << 16) + at * 0x0101_0101;
        let wide = |at: usize| u128::from(value(at as u64)) * 0x1_0000_0000_0000_0001;
        let upper = |at| if has_upper_halves() { wide(at) } else { 0 };
        Self {
            vectors: core::array::from_fn(|at| [wide(at), upper(100 + at)]),
            general: core::array::from_fn(|at| value(200 + at as u64)),
            control: [0x1f80 | (seed & 3) << 13, 0x37f | (seed >> 2 & 3) << 10],
        }
    }

    /// Holds the values for so many turns; what they are afterwards.
    pub fn hold(&self, turns: u64) -> Self {
        let mut after = Self { vectors: [[0; 2]; 16], general: [0; 10], control: [0; 2] };
        // SAFETY: kernel code is soft-float and calls this as any other function; both
        // structures have the layout that it expects.
        unsafe { hold(self, &mut after, turns.max(1), has_upper_halves().into()) };
        after
    }
}

fn has_upper_halves() -> bool {
    Cr4::read().contains(Cr4Flags::OSXSAVE)
}

#[unsafe(naked)]
unsafe extern "C" fn hold(before: &Registers, after: &mut Registers, turns: u64, upper: u64) {
    naked_asm!(
        r#"
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        ldmxcsr [rdi + 592]
        fldcw [rdi + 600]
        test rcx, rcx
        jz 2f
        .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups ymm\at, [rdi + 32 * \at]
        .endr
        jmp 3f
    2:  .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups xmm\at, [rdi + 32 * \at]
        .endr
    3:  mov rbx, [rdi + 512]
        mov rbp, [rdi + 520]
        .irp at, 8, 9, 10, 11, 12, 13, 14, 15
        mov r\at, [rdi + 464 + 8 * \at]
        .endr
    4:  dec rdx
        jnz 4b
        mov [rsi + 512], rbx
        mov [rsi + 520], rbp
        .irp at, 8, 9, 10, 11, 12, 13, 14, 15
        mov [rsi + 464 + 8 * \at], r\at
        .endr
        test rcx, rcx
        jz 5f
        .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups [rsi + 32 * \at], ymm\at
        .endr
        jmp 6f
    5:  .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups [rsi + 32 * \at], xmm\at
        .endr
    6:  stmxcsr [rsi + 592]
        fnstcw [rsi + 600]
        push 0x1f80
        ldmxcsr [rsp]
        mov dword ptr [rsp], 0x37f
        fldcw [rsp]
        add rsp, 8
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
        "#
    )
}
