//! The guest `json`: exports `run`; the work is `guest_logic::json`'s.

/// Runs the program on what it generates from `seed`; returns the checksum.
// SAFETY: no other item of the module is called `run`.
#[unsafe(no_mangle)]
pub extern "C" fn run(seed: i32) -> i64 {
    guest_logic::json::run(seed)
}
