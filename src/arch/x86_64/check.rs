//! Failed checks: how generated code gets from one to the runtime.
//!
//! A check is a conditional trap of the code generator: `jcc` to a `ud2` behind
//! the function. The compiler directs the `jcc` to a call of the module's raise
//! thunk instead, so that the `ud2` is never reached. The call's return address
//! names the check.

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

/// See [`crate::arch::RAISE_THUNK`]. `mov rax, [rip + 17]`; `jmp [rip + 3]`;
/// three bytes of `int3`; two words.
#[cfg(feature = "compile")]
#[rustfmt::skip]
pub const RAISE_THUNK: [u8; 32] = [
    0x48, 0x8b, 0x05, 17, 0, 0, 0,
    0xff, 0x25, 3, 0, 0, 0,
    0xcc, 0xcc, 0xcc,
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
];

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
/// leads to the trap (Intel SDM vol. 2, "Jcc"): one, or two in a row where the
/// condition is a disjunction.
#[cfg(feature = "compile")]
pub fn redirect_check(code: &mut [u8], check: core::ops::Range<u32>, from: u32, to: u32) -> usize {
    const JCC_BYTES: usize = 6;
    let mut changed = 0;
    let mut last = None;
    let (mut at, end) = (check.start as usize, check.end as usize);
    while at + JCC_BYTES <= end.min(code.len()) {
        let next = at + JCC_BYTES;
        let target = |distance: [u8; 4]| i64::from(i32::from_le_bytes(distance)) + next as i64;
        let is_branch = matches!(
            code[at..next],
            [0x0f, 0x80..=0x8f, a, b, c, d] if target([a, b, c, d]) == i64::from(from)
        );
        if !is_branch {
            at += 1;
            continue;
        }
        if last.is_some_and(|last| last != at) {
            return 0;
        }
        let Ok(distance) = i32::try_from(i64::from(to) - next as i64) else { return 0 };
        code[at + 2..next].copy_from_slice(&distance.to_le_bytes());
        changed += 1;
        last = Some(next);
        at = next;
    }
    changed
}

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
    use super::{link_call, redirect_check};
    use std::vec::Vec;

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

    #[test]
    fn branches_to_the_trap_are_redirected_and_no_others() {
        let mut code = [0x39, 0xc8].to_vec();
        jcc(&mut code, 3, 100);
        code.extend([0x48, 0x89, 0xc1]);
        jcc(&mut code, 4, 96);
        let before = code.clone();
        let end = code.len() as u32;
        assert_eq!(redirect_check(&mut code, 0..end, 100, 200), 1);
        assert_eq!((distance(&code, 2), distance(&code, 11)), (200, 96));
        assert_eq!(redirect_check(&mut code, 0..end, 100, 200), 0, "it leads there no more");
        code.clone_from(&before);
        assert_eq!(redirect_check(&mut code, 0..7, 100, 200), 0, "only a part of it");
        assert_eq!(redirect_check(&mut code, 8..end, 100, 200), 0, "it lies before");
        assert_eq!(code, before);
    }

    #[test]
    fn a_disjunction_is_two_branches_in_a_row() {
        let mut code = Vec::new();
        jcc(&mut code, 5, 64);
        jcc(&mut code, 10, 64);
        assert_eq!(redirect_check(&mut code, 0..12, 64, 80), 2);
        assert_eq!((distance(&code, 0), distance(&code, 6)), (80, 80));
        let mut code = Vec::new();
        jcc(&mut code, 5, 64);
        code.push(0x90);
        jcc(&mut code, 10, 64);
        assert_eq!(redirect_check(&mut code, 0..13, 64, 80), 0, "something lies between");
    }

    #[test]
    fn ranges_beyond_the_code_are_cut() {
        let mut code = Vec::new();
        jcc(&mut code, 5, 64);
        assert_eq!(redirect_check(&mut code, 3..u32::MAX, 64, 80), 0);
        assert_eq!(redirect_check(&mut code, 0..u32::MAX, 64, 80), 1);
    }

    #[test]
    fn calls_reach_two_gib() {
        let mut field = [0; 4];
        assert!(link_call(&mut field, -5) && i32::from_le_bytes(field) == -5);
        assert!(link_call(&mut field, i64::from(i32::MIN)));
        assert!(!link_call(&mut field, 1 << 31));
    }
}
