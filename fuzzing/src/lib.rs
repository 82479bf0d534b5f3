//! Random modules in Kernref and in a second engine: the same results, traps,
//! memories, globals and tables, and every object released exactly once.
#![forbid(unsafe_code)]

pub mod accesses;
pub mod generate;
mod in_kernref;
mod in_wasmi;
pub mod outcome;

use in_kernref::Setup;

/// Whether a module was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was, and both engines agree.
    Same,
    /// The second engine does not take it.
    NotTaken,
}

/// Runs a module in both engines; in Kernref under both policies, with and
/// without a collection at every safepoint, and with bounds left to the
/// hardware where that can be had.
///
/// # Errors
/// Text that says what differs.
pub fn compare(wasm: &[u8], seed: u64) -> Result<Verdict, String> {
    match in_wasmi::run(wasm, seed)? {
        Some(expected) => compare_with("wasmi", &expected, wasm, seed),
        None => Ok(Verdict::NotTaken),
    }
}

/// The same with what another engine, called `peer`, came to.
///
/// # Errors
/// Text that says what differs.
pub fn compare_with(
    peer: &str,
    expected: &[outcome::Event],
    wasm: &[u8],
    seed: u64,
) -> Result<Verdict, String> {
    for setup in Setup::all() {
        let found = in_kernref::run(wasm, seed, setup);
        let difference = match found {
            Ok(found) => outcome::difference(&found, expected, peer),
            Err(message) => Some(message),
        };
        if let Some(difference) = difference {
            return Err(format!("{setup:?}: {difference}"));
        }
    }
    Ok(Verdict::Same)
}
