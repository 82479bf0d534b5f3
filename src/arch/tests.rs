//! Entry, return and unwinding through hand-written shims.

use super::{enter, unwind};
use crate::abi::{ActivationRecord, Trap, ValRaw, VmContext, VmStoreContext};
use core::ptr;

fn store() -> VmStoreContext {
    VmStoreContext { exit_fp: 0x1111, exit_pc: 0x2222, ..super::detached_context() }
}

/// Records what it sees in the argument cells, then changes what an exit
/// stub would change.
unsafe extern "C" fn returns(code: *const u8, _context: *mut VmContext, args: *mut ValRaw) {
    // SAFETY: the test passes its store as the code pointer and four cells.
    unsafe {
        let store: *mut VmStoreContext = code.cast_mut().cast();
        let record = (*store).activation;
        args.write(ValRaw::from_u64((*record).saved_exit_fp as u64));
        args.add(1).write(ValRaw::from_u64((*record).saved_exit_pc as u64));
        args.add(2).write(ValRaw::from_u64((*record).previous.is_null() as u64));
        args.add(3).write(ValRaw::from_u64((*record).entry_fp as u64));
        (*store).exit_fp = 1;
        (*store).exit_pc = 2;
    }
}

unsafe extern "C" fn unwinds(code: *const u8, _context: *mut VmContext, _args: *mut ValRaw) {
    // SAFETY: the test passes its store; only this frame lies in between, and
    // it has nothing to drop.
    unsafe { unwind(code.cast_mut().cast(), Trap::StackOverflow as u64) }
}

unsafe extern "C" fn nests(code: *const u8, context: *mut VmContext, args: *mut ValRaw) {
    let store: *mut VmStoreContext = code.cast_mut().cast();
    // SAFETY: the test passes its store.
    unsafe {
        let outer = (*store).activation;
        let status = enter(unwinds as *const u8, code, context, args, store);
        assert_eq!(status, Trap::StackOverflow as u64);
        assert_eq!((*store).activation, outer, "the outer activation is the newest again");
    }
}

fn run(shim: unsafe extern "C" fn(*const u8, *mut VmContext, *mut ValRaw)) -> (u64, [ValRaw; 4]) {
    let mut store = store();
    let store_ptr: *mut VmStoreContext = &mut store;
    let mut args = [ValRaw::default(); 4];
    // SAFETY: the shims above take a store as their code pointer.
    let status = unsafe {
        enter(
            shim as *const u8,
            store_ptr.cast_const().cast(),
            ptr::null_mut(),
            args.as_mut_ptr(),
            store_ptr,
        )
    };
    assert_eq!(store.activation, ptr::null_mut::<ActivationRecord>());
    assert_eq!((store.exit_fp, store.exit_pc), (0x1111, 0x2222), "exit record is restored");
    (status, args)
}

#[test]
fn returns_zero_and_restores_the_store() {
    let (status, args) = run(returns);
    assert_eq!(status, 0);
    assert_eq!((args[0].u64(), args[1].u64(), args[2].u64()), (0x1111, 0x2222, 1));
    assert_eq!(args[3].u64() as usize % super::FRAME_ALIGN, 0);
}

#[test]
fn unwinding_ends_the_newest_activation_only() {
    assert_eq!(run(unwinds).0, Trap::StackOverflow as u64);
    assert_eq!(run(nests).0, 0);
}

/// What a body on another stack finds and does.
#[cfg(feature = "compile")]
struct Elsewhere {
    stack: core::ops::Range<usize>,
    left: usize,
    leaves: bool,
    floats: f64,
    was_there: u32,
}

#[cfg(feature = "compile")]
unsafe extern "C" fn elsewhere(data: *mut ()) {
    // SAFETY: the test passes this and waits.
    let this = unsafe { &mut *data.cast::<Elsewhere>() };
    assert!(this.stack.contains(&super::stack_pointer()));
    // Something for the registers that are to be preserved.
    this.floats = core::hint::black_box((1..40).map(f64::from).sum::<f64>());
    this.was_there += 1;
    if this.leaves {
        // SAFETY: within that call; this frame owns nothing.
        unsafe { super::leave_stack(this.left) }
    }
}

#[cfg(feature = "compile")]
#[test]
#[cfg_attr(miri, ignore = "assembly")]
fn another_stack_is_returned_from_and_left() {
    let mut stack = std_alloc::vec![0_u128; 4096];
    let bounds = stack.as_mut_ptr_range();
    let top = bounds.end.cast::<u8>();
    let stack = bounds.start.addr()..bounds.end.addr();
    let mut this = Elsewhere { stack, left: 0, leaves: false, floats: 0.0, was_there: 0 };
    let kept = core::hint::black_box([1.5_f64, 2.5, 3.5, 4.5]);
    for round in 1..=6 {
        this.leaves = round % 2 == 0;
        let left = &raw mut this.left;
        let data = (&raw mut this).cast();
        // SAFETY: the vector is aligned to 16 and unused; `elsewhere` needs little.
        unsafe { super::call_on_stack(top, elsewhere, data, left) };
        assert_eq!(this.was_there, round);
        assert_eq!(this.floats, 780.0);
        assert_eq!(kept.iter().sum::<f64>(), 12.0);
    }
}
