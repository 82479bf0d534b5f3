//! [`DeferralPolicy`]: how compiled code and the collector treat references
//! that nobody counts.

/// When references in counted places get table entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeferralPolicy {
    /// Reading a table or global enters the reference into the table.
    CloneOnRead,
    /// Reads are plain loads; the write that takes the last count away enters
    /// the old reference (Deutsch and Bobrow's zero-count table).
    #[default]
    ZeroCount,
}
