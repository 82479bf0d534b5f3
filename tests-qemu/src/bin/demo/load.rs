//! Gets the module: compiles it, or loads it from an artifact that is signed with a
//! key that the request names. (A kernel of its own has the keys in its image.)

use crate::request::Request;
use kernref::signing::TrustedKeys;
use kernref::{Engine, Module};

/// How artifacts begin.
#[cfg(feature = "compile")]
const MAGIC: &[u8] = b"KERNREF\0";

/// The module, and what was done to get it.
pub fn module(request: &Request, engine: &Engine) -> kernref::Result<(&'static str, Module)> {
    let (_, bytes) = request.module;
    #[cfg(feature = "compile")]
    if !bytes.starts_with(MAGIC) {
        return Ok(("compiled", compile(request, engine)?));
    }
    // SAFETY: a demonstration, which trusts whoever starts it.
    let trusted = unsafe { TrustedKeys::new(&request.keys) };
    // What the host passed stays in its place.
    Ok(("loaded", Module::deserialize_in_place_with(engine, bytes, &trusted)?))
}

/// Compiles until the epoch advances, and says each second how far it has got.
#[cfg(feature = "compile")]
fn compile(request: &Request, engine: &Engine) -> kernref::Result<Module> {
    use kernref::{CompilePhase, CompileProgress};
    use kernref_qemu::{println, timer};
    let (name, bytes) = request.module;
    let mut reported = timer::now_ns();
    let mut progress = |at: CompileProgress| {
        let now = timer::now_ns();
        if now - reported >= 1_000_000_000 {
            reported = now;
            let percent = at.at_bytes * 100 / at.of_bytes.max(1);
            let doing = match at.phase {
                CompilePhase::Validating => "validating",
                _ => "compiling",
            };
            println!("[kernel] {doing} {name}: {percent} %");
        }
    };
    engine.compilation(bytes)?.epoch_deadline(1).on_progress(&mut progress).run()
}
