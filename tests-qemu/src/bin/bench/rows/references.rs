//! Reading and writing references in Wasm, net of the loop.

use crate::guest::Guest;
use crate::measure::{self, Rows};
use kernref::Result;

/// # Errors
/// Any error of the runtime.
pub fn run(rows: Rows) -> Result<()> {
    let mut guest = Guest::new(rows.0, "references")?;
    guest.func::<(), ()>("setup")?(())?;
    for (name, without) in [("table.get", "index"), ("table.set", "index"), ("global.get", "loop")]
    {
        let mut looping = |name: &str| {
            let mut func = guest.func::<u32, i32>(name)?;
            measure::turns(|turns| func(turns).map(drop))
        };
        let (bare, _) = looping(without)?;
        let (count, turns) = looping(name)?;
        rows.put(name, count - bare, turns);
    }
    Ok(())
}
