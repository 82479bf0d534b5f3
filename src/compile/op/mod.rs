//! Operators by family: one file each. [`translate`] asks them in order of
//! frequency. A family knows its own operators, and says of each whether its
//! execution can be noticed ([`Done`]).

mod call;
mod compare;
pub(super) mod control;
mod convert;
mod dispatch;
mod done;
mod memory;
mod numeric;
mod reference;
mod scalar;
mod simd;
mod table;
mod variable;

pub(super) use convert::truncate_in_place;
pub(super) use numeric::divide_signed_in_place;

use super::translator::Translator;
use crate::error::{Error, Result};
use done::Done;
use wasmparser::Operator;

/// Translates one validated operator. In unreachable code only the control
/// structure is followed.
pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Result<()> {
    if !t.reachable {
        control::translate_unreachable(t, op);
        return Ok(());
    }
    t.count_fuel(op);
    let before = t.builder.func.dfg.num_insts();
    let done = variable::translate(t, op)
        .or_else(|| numeric::translate(t, op))
        .or_else(|| compare::translate(t, op))
        .or_else(|| memory::translate(t, op));
    let done = match done {
        Done::NotMine => control::translate(t, op)?,
        done => done,
    };
    let done = done
        .or_else(|| call::translate(t, op))
        .or_else(|| convert::translate(t, op))
        .or_else(|| table::translate(t, op))
        .or_else(|| reference::translate(t, op))
        .or_else(|| simd::translate(t, op));
    t.sites.end_access(&mut t.builder);
    match done {
        Done::NotMine => Err(Error::Bug("the validator let an unsupported operator pass")),
        Done::Silent => match t.env.settings.verifies() && !done::was_silent(t, before) {
            true => Err(Error::Bug("an operator that is called silent is not")),
            false => Ok(()),
        },
        // After the operator: its checks are made before its effects.
        Done::Seen => {
            t.facts.effects += 1;
            Ok(())
        }
    }
}
