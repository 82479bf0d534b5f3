//! Failed checks: how generated code gets from one to the runtime.
//!
//! A check is a conditional trap of the code generator: a branch to a `udf`
//! behind the function. The compiler writes a call of the module's raise thunk
//! over the `udf`. The call's return address names the check.

use crate::abi::VmStoreContext;
#[cfg(feature = "compile")]
use crate::arch::tail_jump::TailJump;
use core::arch::naked_asm;
use core::mem::offset_of;

/// See [`crate::arch::raise`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "C" fn raise() -> ! {
    // On entry: `x29` the frame of the code that failed, `x30` where the thunk
    // was called, `x9` what finds the store of a frame.
    naked_asm!(
        // `bti c`: a landing for pages that ask for one, nothing elsewhere.
        "hint #34",
        "stp x29, x30, [sp, #-32]!",
        "mov x29, sp",
        "mov x0, x29",
        "blr x9",
        "ldr x9, [x29, #8]",
        "str x9, [x0, #{exit_pc}]",
        "str x29, [x0, #{exit_fp}]",
        "str x0, [sp, #16]",
        "ldr x9, [x0, #{check_failed}]",
        "blr x9",
        "mov x1, x0",
        "ldr x0, [sp, #16]",
        "b {unwind}",
        exit_pc = const offset_of!(VmStoreContext, exit_pc),
        exit_fp = const offset_of!(VmStoreContext, exit_fp),
        check_failed = const offset_of!(VmStoreContext, check_failed),
        unwind = sym super::unwind,
    )
}

/// See [`crate::arch::RAISE_THUNK`]. `ldr x16, #16`; `ldr x9, #20`; `br x16`;
/// `udf #0`; two words.
#[cfg(feature = "compile")]
#[rustfmt::skip]
pub const RAISE_THUNK: [u8; 32] = [
    0x90, 0x00, 0x00, 0x58,
    0xa9, 0x00, 0x00, 0x58,
    0x00, 0x02, 0x1f, 0xd6,
    0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
];

/// See [`crate::arch::TAIL_JUMP`]. `br x1` may not lead to `bti c` or `paciasp`;
/// `br x16` may (Arm ARM, D8.4.4 "Branch target identification"). `b`; `mov x16, x1`
/// and `br x16`.
#[cfg(feature = "compile")]
pub const TAIL_JUMP: Option<TailJump> = Some(TailJump {
    made: [0x20, 0x00, 0x1f, 0xd6],
    direct: [0, 0, 0, 0x14],
    thunk: [0xf0, 0x03, 0x01, 0xaa, 0x00, 0x02, 0x1f, 0xd6],
});

/// See [`crate::arch::RAISE_WORDS_AT`].
pub const RAISE_WORDS_AT: usize = 16;

/// See [`crate::arch::RAISE_ENTRY`].
#[cfg(feature = "compile")]
pub const RAISE_ENTRY: u32 = 0;

/// See [`crate::arch::RAISE_STEP`]: there are none.
#[cfg(feature = "compile")]
pub const RAISE_STEP: u8 = 0;

/// See [`crate::arch::CHECKS_PER_CALL`]: a call is no longer than a trap.
#[cfg(feature = "compile")]
pub const CHECKS_PER_CALL: usize = 1;

/// See [`crate::arch::shared_call_frame`].
#[cfg(feature = "compile")]
pub fn shared_call_frame(_frame_bytes: u32) -> Option<u8> {
    None
}

/// See [`crate::arch::CHECK_TRAP`]: the code generator's `udf`.
#[cfg(feature = "compile")]
pub const CHECK_TRAP: &[u8] = &[0x1f, 0xc1, 0x00, 0x00];

/// See [`crate::arch::RAISE_CALL`]: `bl` with a distance that is yet to be set.
#[cfg(feature = "compile")]
pub const RAISE_CALL: &[u8] = &[0, 0, 0, 0x94];

/// See [`crate::arch::RAISE_CALL_IN_PLACE`].
#[cfg(feature = "compile")]
pub const RAISE_CALL_IN_PLACE: bool = true;

/// See [`crate::arch::redirect_check`]. The trap itself becomes the call.
#[cfg(feature = "compile")]
pub fn redirect_check(
    _code: &mut [u8],
    _check: impl Iterator<Item = core::ops::Range<u32>>,
    (from, to): (u32, u32),
    _most_branches: usize,
) -> bool {
    from == to
}

/// See [`crate::arch::first_branch_to`]. It stays as it is, because the trap
/// becomes the call; that the trap is there is all that matters.
#[cfg(feature = "compile")]
pub fn first_branch_to(code: &[u8], trap: u32) -> Option<core::ops::Range<u32>> {
    ((trap as usize) < code.len()).then_some(0..4)
}

/// See [`crate::arch::link_call`]: a signed 26-bit count of instructions, from
/// this one (Arm ARM, "B", "BL").
#[cfg(feature = "compile")]
pub fn link_call(field: &mut [u8; 4], distance: i64) -> bool {
    let distance = distance + field.len() as i64;
    if distance % 4 != 0 || !(-(1 << 27)..1 << 27).contains(&distance) {
        return false;
    }
    let words = (distance >> 2) as u32 & 0x03ff_ffff;
    *field = (u32::from_le_bytes(*field) & 0xfc00_0000 | words).to_le_bytes();
    true
}
