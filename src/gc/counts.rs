//! [`Counts`]: what is known of the counts of a heap's slots.

/// What is known of a heap's counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// They are the numbers of places; otherwise, upper bounds.
    pub(super) are_exact: bool,
    /// None has changed since a recount began.
    pub(super) are_unchanged: bool,
}

impl Counts {
    pub(super) const EXACT: Self = Self { are_exact: true, are_unchanged: false };
    pub(super) const UPPER_BOUNDS: Self = Self { are_exact: false, are_unchanged: false };
}
