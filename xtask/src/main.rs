//! Kernref's chores.
fn main() {}
