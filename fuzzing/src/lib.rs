//! Random modules in Kernref and in a second engine: same results, traps,
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
    /// It was compared, and both engines agree.
    Same,
    /// The second engine does not accept it.
    NotTaken,
}

/// Runs a module in both engines; in Kernref under both policies, with and
/// without a collection at every safepoint, and with hardware bounds checks
/// where available.
///
/// # Errors
/// Text that describes the difference.
pub fn compare(wasm: &[u8], seed: u64) -> Result<Verdict, String> {
    match in_wasmi::run(wasm, seed)? {
        Some(expected) => compare_with("wasmi", &expected, wasm, seed),
        None => Ok(Verdict::NotTaken),
    }
}

/// Compares with what another engine, called `peer`, observed.
///
/// # Errors
/// Text that describes the difference.
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
