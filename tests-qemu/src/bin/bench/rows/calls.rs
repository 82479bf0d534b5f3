//! Calls between host and Wasm.

use crate::guest::Guest;
use crate::measure::{self, Rows};
use kernref::{ExternRef, Result, Rooted};

/// Host to Wasm: including the host's own loop (two instructions). Wasm to
/// host: net of the guest's loop.
///
/// # Errors
/// Any error of the runtime.
pub fn run(rows: Rows) -> Result<()> {
    let mut guest = Guest::new(rows.0, "calls")?;
    let mut empty = guest.func::<(), ()>("empty")?;
    let (count, turns) = measure::turns(|turns| (0..turns).try_for_each(|_| empty(())))?;
    drop(empty);
    rows.put("host to wasm, empty", count, turns);

    let root = guest.root();
    let mut one = guest.func::<Option<Rooted>, ()>("one")?;
    let (count, turns) = measure::turns(|turns| (0..turns).try_for_each(|_| one(root)))?;
    drop(one);
    rows.put("host to wasm, one rooted externref", count, turns);

    let object = ExternRef::new(1_u32)?;
    let mut one = guest.func::<ExternRef, ()>("one")?;
    let (count, turns) = measure::turns(|turns| (0..turns).try_for_each(|_| one(object.clone())))?;
    rows.put("host to wasm, one externref", count, turns);
    let (count, turns) =
        measure::turns(|turns| (0..turns).try_for_each(|turn| one(ExternRef::new(turn)?)))?;
    drop(one);
    rows.put("create, pass and release one externref", count, turns);

    let mut looping = |name: &str| {
        let mut func = guest.func::<u32, ()>(name)?;
        measure::turns(&mut func)
    };
    let (bare, _) = looping("loop")?;
    for (export, name) in [
        ("nop", "wasm to host, empty"),
        ("take", "wasm to host, taking one externref"),
        ("give", "wasm to host, giving one externref"),
        ("lend", "wasm to host, giving one rooted externref"),
    ] {
        let (count, turns) = looping(export)?;
        rows.put(name, count - bare, turns);
    }
    Ok(())
}
