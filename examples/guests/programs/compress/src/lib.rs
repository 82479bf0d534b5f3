//! The guest `compress`: exports `run`; `guest_logic::compress` does the work.

/// Runs the program on input generated from `seed`; returns the checksum.
// SAFETY: no other item of the module is called `run`.
#[unsafe(no_mangle)]
pub extern "C" fn run(seed: i32) -> i64 {
    guest_logic::compress::run(seed)
}
