//! Operators by family: one file each. A family returns `false` for operators
//! that are not its own; [`translate`] asks them in order of frequency.

mod call;
mod compare;
pub(super) mod control;
mod convert;
mod memory;
mod numeric;
mod reference;
mod simd;
mod table;
mod variable;

use super::translator::Translator;
use crate::error::{Error, Result};
use wasmparser::Operator;

/// Translates one validated operator. In unreachable code only the control
/// structure is followed.
pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Result<()> {
    if !t.reachable {
        control::translate_unreachable(t, op);
        return Ok(());
    }
    t.count_fuel(op);
    let done = variable::translate(t, op)
        || numeric::translate(t, op)
        || compare::translate(t, op)
        || memory::translate(t, op)
        || control::translate(t, op)?
        || call::translate(t, op)
        || convert::translate(t, op)
        || table::translate(t, op)
        || reference::translate(t, op)
        || simd::translate(t, op);
    if done { Ok(()) } else { Err(Error::Bug("the validator let an unsupported operator pass")) }
}
