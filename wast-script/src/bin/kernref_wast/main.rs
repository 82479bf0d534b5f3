//! The host's side of `./x wast`.
//!
//! `kernref-wast encode PACK [PATH…]` encodes scripts: the official ones if no
//! path is given. `kernref-wast run PACK FROM POLICY [zeal] [hardware-traps]
//! [as-if-large] [artifacts] [guards-off]`
//! runs the scripts of a pack, starting with number FROM.
#![deny(unsafe_code)]

mod pack;
mod sources;

use kernref::{Config, DeferralPolicy, Engine, Module};
use kernref_wast_script::{Options, Script, encode, report};
use std::fmt::Write;
use std::num::NonZeroU32;
use std::process::ExitCode;

const USAGE: &str = "usage: encode PACK [PATH…] | run PACK FROM POLICY [zeal] [hardware-traps] \
                     [as-if-large] [artifacts] [guards-off]";

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["encode", pack, paths @ ..] => encode_all(pack, paths),
        ["run", pack, from, policy, switches @ ..] => run_all(pack, from, policy, switches),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn encode_all(pack: &str, paths: &[&str]) -> Result<()> {
    let encoded = sources::collect(paths)?.into_iter().map(|source| {
        let text = source.text.as_deref();
        let script = text.map_err(Clone::clone).and_then(|text| encode(&source.name, text));
        // A file that cannot be read counts as a failing script.
        let script = script.unwrap_or_else(|reason| Script::failing(&source.name, &reason));
        (source.name, script.to_bytes())
    });
    pack::write(pack, &encoded.collect::<Vec<_>>())
}

/// Standard output, flushed after each write so that a crash loses nothing.
struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| std::fmt::Error)
    }
}

/// A module that was written as an artifact and read again.
#[expect(unsafe_code, reason = "loads what was just compiled")]
fn through_an_artifact(engine: &Engine, wasm: &[u8]) -> kernref::Result<Module> {
    let bytes = engine.precompile_module(wasm)?.serialize()?;
    // SAFETY: these bytes are what the compiler made.
    unsafe { Module::deserialize(engine, bytes) }
}

fn run_all(pack: &str, from: &str, policy: &str, switches: &[&str]) -> Result<()> {
    let from: usize = from.parse().map_err(|_| "FROM is not a number".to_string())?;
    let mut config = Config::new();
    config.deferral_policy(match policy {
        "zero-count" => DeferralPolicy::ZeroCount,
        "clone-on-read" => DeferralPolicy::CloneOnRead,
        _ => return Err(format!("no policy is called `{policy}`")),
    });
    let mut through_artifacts = false;
    for switch in switches {
        match *switch {
            "artifacts" => {
                through_artifacts = true;
                continue;
            }
            "zeal" => config.gc_zeal(Some(NonZeroU32::MIN)),
            "hardware-traps" => config.hardware_traps(true),
            "as-if-large" => config.compile_as_if_large(true),
            "guards-off" => config.speculation_guards(false),
            _ => return Err(USAGE.into()),
        };
    }
    let mut options = Options::new(config);
    if through_artifacts {
        options.module = through_an_artifact;
    }
    for (number, (name, bytes)) in pack::read(pack)?.iter().enumerate().skip(from) {
        report(&mut Console, number, name, bytes, &options).map_err(|error| error.to_string())?;
    }
    Ok(())
}
