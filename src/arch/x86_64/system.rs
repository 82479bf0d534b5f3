//! Nothing: processors in long mode have paging on, and check no alignment in ring 0.

/// See [`crate::arch::memory_unsuited`].
#[cfg(target_os = "none")]
pub const fn memory_unsuited() -> Option<&'static str> {
    None
}
