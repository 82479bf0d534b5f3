//! WebAssembly scripts in the kernel: runs the encoded scripts the host passes in,
//! each in its own store, and prints what `report` in `wast-script` describes.
//!
//! Arguments: `first=N` (the number of the first file), `policy=NAME`, `zeal=1`,
//! `hardware-traps=1`, `as-if-large=1`, `artifacts=1`, `guards-off=1`.
#![no_std]
#![no_main]

extern crate alloc;

use core::fmt;
use core::num::NonZeroU32;
use kernref::{DeferralPolicy, Engine, Module};
use kernref_qemu::{Verdict, embedder, payload, print, println};
use kernref_wast_script::{Options, report};

kernref_qemu::entry!(main);

struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print!("{text}");
        Ok(())
    }
}

/// A module that was written as an artifact and read again.
fn through_an_artifact(engine: &Engine, wasm: &[u8]) -> kernref::Result<Module> {
    let bytes = engine.precompile_module(wasm)?.serialize()?;
    // SAFETY: these bytes are what the compiler made.
    unsafe { Module::deserialize(engine, bytes) }
}

/// How to run, and the first number; `None` for an unknown argument.
fn request(args: &[&str]) -> Option<(Options, usize)> {
    let mut options = Options::new(embedder::config());
    options.engine = embedder::engine;
    let (config, mut first) = (&mut options.config, 0);
    for arg in args {
        match arg.split_once('=')? {
            ("first", number) => first = number.parse().ok()?,
            ("policy", "zero-count") => _ = config.deferral_policy(DeferralPolicy::ZeroCount),
            ("policy", "clone-on-read") => _ = config.deferral_policy(DeferralPolicy::CloneOnRead),
            ("hardware-traps", "1") => _ = config.hardware_traps(true),
            ("as-if-large", "1") => _ = config.compile_as_if_large(true),
            ("artifacts", "1") => options.module = through_an_artifact,
            ("guards-off", "1") => _ = config.speculation_guards(false),
            ("zeal", "1") => _ = config.gc_zeal(Some(NonZeroU32::MIN)),
            _ => return None,
        }
    }
    Some((options, first))
}

fn main() -> Verdict {
    let payload = payload::read();
    let Some((options, first)) = request(&payload.args) else {
        println!("unknown request {:?}", payload.args);
        return Verdict::Refused;
    };
    for (at, (name, bytes)) in payload.files.iter().enumerate() {
        if report(&mut Console, first + at, name, bytes, &options).is_err() {
            return Verdict::Failure;
        }
        embedder::forget_engines();
    }
    Verdict::Success
}
