//! Collections: the cost of dead references and of frames, and that live
//! references in a table cost nothing.

use crate::guest::{Guest, collecting};
use crate::measure::Rows;
use kernref::Result;

/// # Errors
/// Any error of the runtime.
pub fn run(rows: Rows) -> Result<()> {
    let mut guest = Guest::new(rows.0, "collection")?;
    let mut with_dead = |count| {
        guest.func::<u32, ()>("dead")?(count)?;
        Ok::<_, kernref::Error>(collecting())
    };
    with_dead(100)?;
    let (few, many) = (with_dead(100)?, with_dead(1100)?);
    rows.put("collecting, per dead reference", many - few, 1000);
    for (export, name, frames) in [
        ("frames of 1", "collecting, 100 frames of 1 reference", 100),
        ("frames of 1", "collecting, 1000 frames of 1 reference", 1000),
        ("frames of 4", "collecting, 100 frames of 4 references", 100),
        ("frames of 4", "collecting, 1000 frames of 4 references", 1000),
    ] {
        let mut recurse = guest.func::<u32, i32>(export)?;
        recurse(frames)?;
        recurse(frames)?;
        rows.put(name, collecting(), 1);
    }
    for (name, count) in
        [("collecting, 1 live reference", 1), ("collecting, 10000 live references", 10_000)]
    {
        let mut guest = Guest::new(rows.0, "collection")?;
        guest.func::<u32, ()>("live")?(count)?;
        rows.put(name, collecting(), 1);
    }
    Ok(())
}
