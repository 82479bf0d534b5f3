//! Writes the binary of every module text the cases use, for kernels, which
//! cannot assemble text: runs the cases and records what they ask for.
//!
//! `assemble FILE`; the format is `KREFTEXT`, then per module the text's
//! length and bytes and the module's length and bytes, all lengths u32 little
//! endian.

use kernref_testsuite::{CASES, Hooks, Setup, install};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;

static SEEN: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());

fn assemble(text: &str) -> Option<Vec<u8>> {
    let bytes = wat::parse_str(text).ok()?;
    SEEN.lock().ok()?.insert(text.to_string(), bytes.clone());
    Some(bytes)
}

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: assemble FILE");
        return ExitCode::from(2);
    };
    install(Hooks { config: kernref::Config::new, engine: kernref::Engine::new, assemble });
    for case in CASES {
        // What a case would ask for after it fails is missing; the kernel,
        // where it fails too, does not need it.
        if std::panic::catch_unwind(|| (case.run)(Setup::ALL[0])).is_err() {
            eprintln!("{} fails on the host", case.name);
        }
    }
    let mut out = b"KREFTEXT".to_vec();
    let Ok(seen) = SEEN.lock() else { return ExitCode::FAILURE };
    for (text, bytes) in seen.iter() {
        for part in [text.as_bytes(), bytes] {
            out.extend((part.len() as u32).to_le_bytes());
            out.extend(part);
        }
    }
    match std::fs::write(&path, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
