//! The bare minimum of what the rows measure, as native code. The only file
//! with `unsafe`: a trampoline, and a walk along raw frame pointers.

use crate::measure::{Sample, timed};
use std::hint::black_box;

/// What a trampoline calls.
extern "C" fn callee(argument: u64) -> u64 {
    argument
}

/// Calls `func(argument)` the way entering generated code requires: saving all
/// registers that generated code need not preserve.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn trampoline(func: extern "C" fn(u64) -> u64, argument: u64) -> u64 {
    core::arch::naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// The same, with `x19` to `x28` and `d8` to `d15`.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn trampoline(func: extern "C" fn(u64) -> u64, argument: u64) -> u64 {
    core::arch::naked_asm!(
        "stp x29, x30, [sp, -160]!",
        "mov x29, sp",
        "stp x19, x20, [sp, 16]",
        "stp x21, x22, [sp, 32]",
        "stp x23, x24, [sp, 48]",
        "stp x25, x26, [sp, 64]",
        "stp x27, x28, [sp, 80]",
        "stp d8, d9, [sp, 96]",
        "stp d10, d11, [sp, 112]",
        "stp d12, d13, [sp, 128]",
        "stp d14, d15, [sp, 144]",
        "mov x9, x0",
        "mov x0, x1",
        "blr x9",
        "ldp x19, x20, [sp, 16]",
        "ldp x21, x22, [sp, 32]",
        "ldp x23, x24, [sp, 48]",
        "ldp x25, x26, [sp, 64]",
        "ldp x27, x28, [sp, 80]",
        "ldp d8, d9, [sp, 96]",
        "ldp d10, d11, [sp, 112]",
        "ldp d12, d13, [sp, 128]",
        "ldp d14, d15, [sp, 144]",
        "ldp x29, x30, [sp], 160",
        "ret",
    )
}

fn enter(argument: u64) -> u64 {
    let callee: extern "C" fn(u64) -> u64 = callee;
    // SAFETY: the trampoline and the callee keep the C convention.
    unsafe { trampoline(black_box(callee), argument) }
}

/// A call through the trampoline, preceded by `around`.
pub fn call_in(mut around: impl FnMut() + 'static) -> Sample {
    Box::new(move |ops| {
        timed(ops, || {
            for op in 0..ops {
                around();
                black_box(enter(op));
            }
        })
    })
}

/// A call through a pointer.
pub fn call_out() -> Sample {
    let callee: extern "C" fn(u64) -> u64 = callee;
    Box::new(move |ops| {
        timed(ops, || {
            for op in 0..ops {
                black_box(black_box(callee)(op));
            }
        })
    })
}

/// Number of places and slots in the floors of the barriers.
const PLACES: usize = 1024;

/// A slot as a barrier sees it.
#[derive(Clone, Copy)]
struct Slot {
    count: u32,
    flags: u32,
    _payload: u64,
}

/// The operation on each place.
#[derive(Clone, Copy)]
pub enum Places {
    /// Loads.
    Get,
    /// Stores that increment the new reference and decrement the old one.
    Set,
    /// Both.
    GetAndSet,
}

/// Loads and counted stores with one bounds check each, net of the loop.
pub fn places(what: Places) -> Sample {
    let from: Vec<u32> = (0..PLACES as u32).collect();
    let mut to = from.clone();
    let mut slots = vec![Slot { count: 2, flags: 0, _payload: 0 }; PLACES];
    Box::new(move |ops| {
        let net_of = timed(ops, || {
            for op in 0..ops as usize {
                black_box(op % PLACES);
            }
        });
        let gross = timed(ops, || {
            for op in 0..ops as usize {
                let at = black_box(op % PLACES);
                let reference = match what {
                    Places::Set => at as u32,
                    Places::Get | Places::GetAndSet => from[at],
                };
                if matches!(what, Places::Get) {
                    black_box(reference);
                    continue;
                }
                slots[reference as usize].count += 1;
                let old = std::mem::replace(&mut to[at], reference);
                let old = &mut slots[old as usize];
                old.count -= 1;
                if old.count == 0 {
                    old.flags |= 1;
                }
            }
        });
        gross - net_of
    })
}

/// A frame: its caller's frame pointer, a return address, references.
#[repr(C)]
struct Frame {
    caller: *const Frame,
    return_address: usize,
    references: [u32; 4],
    _others: [u64; 2],
}

/// Walks `depth` frames by their frame pointers, recognizes their common return
/// address, and marks the slots of their first `references` references.
pub fn walk(depth: usize, references: usize) -> Sample {
    let mut frames: Vec<Frame> = Vec::with_capacity(depth);
    for at in 0..depth {
        let caller = match at {
            0 => std::ptr::null(),
            // Within the capacity, so the vector does not move.
            _ => frames.as_ptr().wrapping_add(at - 1),
        };
        let first = (at * 4) as u32;
        let references = [first, first + 1, first + 2, first + 3];
        frames.push(Frame { caller, return_address: 7, references, _others: [0; 2] });
    }
    let mut slots = vec![Slot { count: 0, flags: 1, _payload: 0 }; depth * 4];
    Box::new(move |ops| {
        timed(ops, || {
            for _ in 0..ops {
                let mut pointer: *const Frame = black_box(&raw const frames[depth - 1]);
                // SAFETY: all frames of the chain are in `frames`, which is
                // still alive.
                while let Some(frame) = unsafe { pointer.as_ref() } {
                    assert_eq!(frame.return_address, 7);
                    for reference in &frame.references[..references] {
                        slots[*reference as usize].flags ^= 2;
                    }
                    pointer = frame.caller;
                }
            }
        })
    })
}
