//! Publishing code.

/// See [`crate::arch::synchronize_code`]. Instruction fetch is coherent with
/// stores on x86 (Intel SDM vol. 3, 12.1.3 and 12.6). Where code was written at
/// another address than it runs at, what was fetched from there before must go:
/// `cpuid` serializes.
///
/// # Safety
/// None beyond the contract's.
pub unsafe fn synchronize_code(_base: *const u8, _len: usize) {
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    #[cfg(not(miri))]
    core::hint::black_box(core::arch::x86_64::__cpuid(0));
}
