//! Publishing code.

/// See [`crate::arch::synchronize_code`]. Instruction fetch is coherent with
/// stores on x86 (Intel SDM vol. 3, 12.1.3 and 12.6); code at an address that
/// was never executed from needs nothing.
///
/// # Safety
/// None beyond the contract's.
pub unsafe fn synchronize_code(_base: *const u8, _len: usize) {
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

/// See [`crate::arch::synchronize_fetch`]: code at an address that this processor
/// has not executed from since it was mapped needs nothing.
pub fn synchronize_fetch() {}
