//! Failed checks: how generated code gets from one to the runtime.
//!
//! A check is a conditional trap of the code generator: `jcc` to a `ud2` behind
//! the function. The compiler directs the `jcc` to a call of the module's raise
//! thunk instead, so that the `ud2` is never reached. The call's return address
//! names the check.
//!
//! A call takes five bytes, so checks of a function share it: before it stands
//! a row of `push`, and each check enters the row at another place. How many
//! words were pushed is the distance between the stack pointer and the bottom of
//! the frame, whose size is behind the call. The thunk takes as many bytes off
//! the return address, which then names the check.

use crate::abi::VmStoreContext;
use core::arch::naked_asm;
use core::mem::offset_of;

/// See [`crate::arch::raise`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn raise() -> ! {
    // On entry: `rbp` the frame of the code that failed, `rax` what finds the
    // store of a frame, and on the stack where the thunk was called.
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "and rsp, -16",
        "mov rdi, rbp",
        "call rax",
        "mov rcx, [rbp + 8]",
        "mov [rax + {exit_pc}], rcx",
        "mov [rax + {exit_fp}], rbp",
        "push rax",
        "push rax",
        "mov rdi, rax",
        "call qword ptr [rax + {check_failed}]",
        "pop rdi",
        "mov rsi, rax",
        "jmp {unwind}",
        exit_pc = const offset_of!(VmStoreContext, exit_pc),
        exit_fp = const offset_of!(VmStoreContext, exit_fp),
        check_failed = const offset_of!(VmStoreContext, check_failed),
        unwind = sym super::unwind,
    )
}

/// See [`crate::arch::RAISE_THUNK`]. Shared calls arrive at its first byte, others
/// at [`RAISE_ENTRY`].
#[cfg(feature = "compile")]
#[rustfmt::skip]
pub const RAISE_THUNK: [u8; RAISE_WORDS_AT + 16] = [
    0x58,                               // pop rax
    0x0f, 0xb6, 0x08,                   // movzx ecx, byte ptr [rax]
    0xc1, 0xe1, FRAME_SHIFT,            // shl ecx, 4
    0x48, 0x89, 0xea,                   // mov rdx, rbp
    0x48, 0x29, 0xca,                   // sub rdx, rcx
    0x48, 0x89, 0xd1,                   // mov rcx, rdx
    0x48, 0x29, 0xe1,                   // sub rcx, rsp
    0xc1, 0xe9, 3,                      // shr ecx, 3
    0x48, 0x29, 0xc8,                   // sub rax, rcx
    0x48, 0x89, 0xd4,                   // mov rsp, rdx
    0x50,                               // push rax
    0x48, 0x8b, 0x05, 20, 0, 0, 0,      // mov rax, [rip + 20]: the second word
    0xff, 0x25, 6, 0, 0, 0,             // jmp [rip + 6]: the first word
    0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, // int3
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
];

/// See [`crate::arch::TAIL_JUMP`].
#[cfg(feature = "compile")]
pub const TAIL_JUMP: Option<crate::arch::tail_jump::TailJump> = None;

/// See [`crate::arch::RAISE_WORDS_AT`].
pub const RAISE_WORDS_AT: usize = 48;

/// See [`crate::arch::RAISE_ENTRY`].
#[cfg(feature = "compile")]
pub const RAISE_ENTRY: u32 = 29;

/// See [`crate::arch::RAISE_STEP`]: `push rax`.
#[cfg(feature = "compile")]
pub const RAISE_STEP: u8 = 0x50;

/// See [`crate::arch::CHECKS_PER_CALL`]. The words that are pushed lie below the
/// frame, where there is room for [`crate::abi::STACK_MARGIN_BYTES`].
#[cfg(feature = "compile")]
pub const CHECKS_PER_CALL: usize = 16;

/// Frames are multiples of 16 bytes.
#[cfg(feature = "compile")]
const FRAME_SHIFT: u8 = 4;

/// See [`crate::arch::shared_call_frame`].
#[cfg(feature = "compile")]
pub fn shared_call_frame(frame_bytes: u32) -> Option<u8> {
    let units = frame_bytes >> FRAME_SHIFT;
    u8::try_from(units).ok().filter(|_| units << FRAME_SHIFT == frame_bytes)
}

/// See [`crate::arch::CHECK_TRAP`]: `ud2`.
#[cfg(feature = "compile")]
pub const CHECK_TRAP: &[u8] = &[0x0f, 0x0b];

/// See [`crate::arch::RAISE_CALL`]: `call` with a distance that is yet to be set.
#[cfg(feature = "compile")]
pub const RAISE_CALL: &[u8] = &[0xe8, 0, 0, 0, 0];

/// See [`crate::arch::RAISE_CALL_IN_PLACE`].
#[cfg(feature = "compile")]
pub const RAISE_CALL_IN_PLACE: bool = false;

/// See [`crate::arch::redirect_check`]. Looks for `0f 8x` and a distance that
/// leads to the trap (Intel SDM vol. 2, "Jcc"). Constants that a guest chose may
/// look like that, too, but they come before the branch: what follows it within
/// a check are moves between registers and the frame.
#[cfg(feature = "compile")]
pub fn redirect_check(
    code: &mut [u8],
    check: impl Iterator<Item = core::ops::Range<u32>>,
    (from, to): (u32, u32),
    most_branches: usize,
) -> bool {
    let mut branches = [None; 2];
    for range in check {
        let end = (range.end as usize).min(code.len());
        for at in range.start as usize..end.saturating_sub(JCC_BYTES - 1) {
            let next = (at + JCC_BYTES) as i64;
            if let [0x0f, 0x80..=0x8f, a, b, c, d] = code[at..at + JCC_BYTES]
                && i64::from(i32::from_le_bytes([a, b, c, d])) + next == i64::from(from)
            {
                branches = [branches[1], Some(at)];
            }
        }
    }
    let [before, Some(last)] = branches else { return false };
    let pair = before.filter(|before| before + JCC_BYTES == last);
    if pair.is_some() && most_branches < 2 {
        return false;
    }
    for at in pair.into_iter().chain([last]) {
        let next = at + JCC_BYTES;
        let Ok(distance) = i32::try_from(i64::from(to) - next as i64) else { return false };
        code[at + 2..next].copy_from_slice(&distance.to_le_bytes());
    }
    true
}

/// See [`crate::arch::first_branch_to`]. Before the branch, the prologue has only
/// one number of more than a byte, the size of the frame: no `jcc` can begin in it
/// and lead to the trap, because its distance would end in an opcode.
#[cfg(feature = "compile")]
pub fn first_branch_to(code: &[u8], trap: u32) -> Option<core::ops::Range<u32>> {
    let leads_to_trap = |(at, bytes): &(usize, &[u8])| {
        let &[0x0f, 0x80..=0x8f, a, b, c, d] = *bytes else { return false };
        i64::from(i32::from_le_bytes([a, b, c, d])) + (at + JCC_BYTES) as i64 == i64::from(trap)
    };
    let (at, _) = code.windows(JCC_BYTES).take(PROLOGUE_BYTES).enumerate().find(leads_to_trap)?;
    Some(at as u32..(at + JCC_BYTES) as u32)
}

/// Where a prologue's checks of the stack have begun.
#[cfg(feature = "compile")]
const PROLOGUE_BYTES: usize = 64;

/// Bytes of a `jcc` with a distance of four bytes.
#[cfg(feature = "compile")]
const JCC_BYTES: usize = 6;

/// See [`crate::arch::link_call`]: a distance from the end of the instruction,
/// which the field ends (Intel SDM vol. 2, "CALL").
#[cfg(feature = "compile")]
pub fn link_call(field: &mut [u8; 4], distance: i64) -> bool {
    let Ok(distance) = i32::try_from(distance) else { return false };
    *field = distance.to_le_bytes();
    true
}

#[cfg(all(test, feature = "compile"))]
mod tests {
    use super::{first_branch_to, link_call, redirect_check, shared_call_frame};
    use std::vec::Vec;

    #[test]
    fn frames_that_a_byte_can_tell_share_calls() {
        assert_eq!([0, 16, 4080].map(shared_call_frame), [Some(0), Some(1), Some(255)]);
        assert_eq!([8, 4096, u32::MAX].map(shared_call_frame), [None; 3]);
    }

    /// `jcc` at the current end, to `target`.
    fn jcc(code: &mut Vec<u8>, condition: u8, target: usize) {
        let next = code.len() + 6;
        code.extend([0x0f, 0x80 | condition]);
        code.extend((target as i32 - next as i32).to_le_bytes());
    }

    fn distance(code: &[u8], jcc: usize) -> usize {
        let field = code[jcc + 2..jcc + 6].try_into().unwrap();
        (jcc as i32 + 6 + i32::from_le_bytes(field)) as usize
    }

    fn redirect(code: &mut [u8], range: core::ops::Range<u32>, most: usize) -> bool {
        redirect_check(code, [range].into_iter(), (100, 200), most)
    }

    #[test]
    fn branches_to_the_trap_are_redirected_and_no_others() {
        let mut code = [0x39, 0xc8].to_vec();
        jcc(&mut code, 3, 100);
        code.extend([0x48, 0x89, 0xc1]);
        jcc(&mut code, 4, 96);
        let before = code.clone();
        let end = code.len() as u32;
        assert!(redirect(&mut code, 0..end, 1));
        assert_eq!((distance(&code, 2), distance(&code, 11)), (200, 96));
        assert!(!redirect(&mut code, 0..end, 1), "it leads there no more");
        code.clone_from(&before);
        assert!(!redirect(&mut code, 0..7, 1), "only a part of it");
        assert!(!redirect(&mut code, 8..end, 1), "it lies before");
        assert_eq!(code, before);
    }

    #[test]
    fn a_disjunction_is_two_branches_in_a_row() {
        let mut code = Vec::new();
        jcc(&mut code, 5, 100);
        jcc(&mut code, 10, 100);
        assert!(!redirect(&mut code, 0..12, 1), "only one is expected");
        assert!(redirect(&mut code, 0..12, 2));
        assert_eq!((distance(&code, 0), distance(&code, 6)), (200, 200));
    }

    #[test]
    fn a_constant_that_looks_like_a_branch_stays_as_it_is() {
        // movabs rax, imm64; cmp rax, rcx; ja
        let mut code = [0x48, 0xb8].to_vec();
        jcc(&mut code, 7, 100);
        code.extend([0, 0, 0x48, 0x39, 0xc8]);
        let at = code.len();
        jcc(&mut code, 7, 100);
        let end = code.len() as u32;
        assert!(redirect(&mut code, 0..end, 1));
        assert_eq!((distance(&code, 2), distance(&code, at)), (100, 200));
    }

    #[test]
    fn the_first_branch_is_found_near_the_start_only() {
        let mut code = [0x55, 0x48].to_vec();
        jcc(&mut code, 7, 99);
        jcc(&mut code, 7, 100);
        jcc(&mut code, 7, 100);
        assert_eq!(first_branch_to(&code, 100), Some(8..14));
        assert_eq!(first_branch_to(&code, 101), None);
        let mut late = [0x90; 80].to_vec();
        jcc(&mut late, 7, 100);
        assert_eq!(first_branch_to(&late, 100), None);
    }

    #[test]
    fn ranges_beyond_the_code_are_cut() {
        let mut code = Vec::new();
        jcc(&mut code, 5, 100);
        assert!(!redirect(&mut code, 3..u32::MAX, 1));
        assert!(redirect(&mut code, 0..u32::MAX, 1));
    }

    #[test]
    fn calls_reach_two_gib() {
        let mut field = [0; 4];
        assert!(link_call(&mut field, -5) && i32::from_le_bytes(field) == -5);
        assert!(link_call(&mut field, i64::from(i32::MIN)));
        assert!(!link_call(&mut field, 1 << 31));
    }
}
