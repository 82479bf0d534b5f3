//! What a run of one encoded script prints, both on hosts and in kernels;
//! `xtask` parses it (`wast.rs` there).
//!
//! ```text
//! file N NAME ... P passed, F failed
//!   NAME:LINE: REASON        for each of the first failures
//! ```
//! The first part of the line is printed before the script runs, so that a
//! crash can be attributed to a file.

use crate::run::{Options, Totals, run};
use crate::script::Script;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Result, Write};

/// Maximum number of failures shown per file.
const MOST_SHOWN: usize = 8;
/// Maximum number of characters shown of a failure's reason.
const LONGEST_SHOWN: usize = 400;

/// Runs the script in `bytes`, number `number` of a run, and prints to `out`.
///
/// # Errors
/// Those of `out`.
pub fn report(
    out: &mut dyn Write,
    number: usize,
    name: &str,
    bytes: &[u8],
    options: &Options,
) -> core::result::Result<Totals, core::fmt::Error> {
    write!(out, "file {number} {name} ... ")?;
    let mut failures: Vec<String> = Vec::new();
    let mut note = |line: u32, reason: &str| {
        if failures.len() < MOST_SHOWN {
            let reason: String = reason.chars().take(LONGEST_SHOWN).collect();
            failures.push(format!("  {name}:{line}: {}", reason.replace('\n', " ")));
        }
    };
    let totals = match Script::from_bytes(bytes) {
        Ok(script) => run(&script, options.clone(), &mut note),
        Err(_) => {
            note(0, "these bytes are not a script");
            Totals { passed: 0, failed: 1 }
        }
    };
    write_end(out, totals, &failures)?;
    Ok(totals)
}

fn write_end(out: &mut dyn Write, totals: Totals, failures: &[String]) -> Result {
    writeln!(out, "{} passed, {} failed", totals.passed, totals.failed)?;
    for failure in failures {
        writeln!(out, "{failure}")?;
    }
    let hidden = (totals.failed as usize).saturating_sub(failures.len());
    if hidden > 0 {
        writeln!(out, "  and {hidden} more")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernref::Config;

    #[test]
    fn bytes_that_are_not_a_script_fail() {
        let mut out = String::new();
        let totals = report(&mut out, 3, "x.wast", b"?", &Options::new(Config::new()));
        assert_eq!(totals, Ok(Totals { passed: 0, failed: 1 }));
        assert!(out.starts_with("file 3 x.wast ... 0 passed, 1 failed\n  x.wast:0: "), "{out}");
    }
}
