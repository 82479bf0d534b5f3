//! [`Budget`]: how much the bodies of a module may make of themselves. A
//! factor of a module's cost has a limit of its own (parameters, blocks, bytes),
//! but a few bytes can ask for the product of two: thousands of blocks with a
//! thousand parameters each.
//!
//! Invariant: values made, and operands passed on, are at most a multiple of the
//! bytes read, and a constant; for each function they are also below what the
//! code generator can number. A function that exceeds this is refused after the
//! operator that did it, and no operator makes more than that once more.

use super::settings::CompileSettings;
use crate::artifact::limits::{FUNCTION_OPERANDS, FUNCTION_VALUES, Limit, REFERENCES_OVER_CALLS};
use crate::error::Result;

/// What each byte of a body may make. What compilers write makes one value for
/// each byte, or up to three, and passes hardly any operands on; with its locals
/// as values, a few times ten in the largest functions.
const PER_BYTE: Made = Made { values: 16, operands: 48, references_over_calls: 64 };
/// What a body gets for being there: its declaration is elsewhere.
const PER_BODY: Made = Made { values: 64, operands: 64, references_over_calls: 64 };
/// What a module gets, so that small ones can do anything.
const PER_MODULE: Made =
    Made { values: 1 << 14, operands: 1 << 19, references_over_calls: 1 << 16 };

/// What a function has made.
#[derive(Clone, Copy, Default)]
pub(super) struct Made {
    pub(super) values: u64,
    /// Operands of jumps and calls, and those kept for later at each.
    pub(super) operands: u64,
    /// References that may be live at calls, added up over the calls.
    pub(super) references_over_calls: u64,
}

/// What a function may make.
#[derive(Clone, Copy)]
pub(super) struct FunctionBudget {
    values: Limit,
    operands: Limit,
    references_over_calls: Limit,
    /// Values of locals that all jumps together may pass on.
    locals_passed: u64,
}

impl FunctionBudget {
    /// The same, but passing on fewer locals.
    pub(super) fn with_locals_passed(self, most: u64) -> Self {
        Self { locals_passed: self.locals_passed.min(most), ..self }
    }

    /// Refuses what is too much.
    pub(super) fn check(&self, made: Made) -> Result<()> {
        self.values.check(made.values)?;
        self.operands.check(made.operands)?;
        self.references_over_calls.check(made.references_over_calls)
    }

    /// How many locals of a body with so many `edges` may be values, so that
    /// carrying all of them over all edges stays within what may be passed on.
    pub(super) fn locals_as_values(&self, edges: u64) -> u64 {
        self.locals_passed / edges.max(1)
    }

    /// Refuses `locals` that must be values if they are too many for that.
    pub(super) fn check_locals(&self, locals: u64, edges: u64) -> Result<()> {
        self.operands.check(locals.saturating_mul(edges))
    }
}

/// What the bodies of a module may still make.
pub(super) struct Budget {
    largest: FunctionBudget,
    left: Made,
}

impl Budget {
    /// That of a module of which no body has been read.
    pub(super) fn new(settings: &CompileSettings) -> Self {
        let lowered = |limit: Limit, to: Option<u32>| Limit {
            most: to.map_or(limit.most, |most| limit.most.min(most.into())),
            ..limit
        };
        Self {
            largest: FunctionBudget {
                values: lowered(FUNCTION_VALUES, settings.max_function_values),
                operands: lowered(FUNCTION_OPERANDS, settings.max_function_operands),
                references_over_calls: REFERENCES_OVER_CALLS,
                locals_passed: u64::MAX,
            },
            left: PER_MODULE,
        }
    }

    /// Begins a body of so many bytes.
    pub(super) fn begin(&mut self, body_bytes: u64) -> FunctionBudget {
        self.left.values += PER_BODY.values + PER_BYTE.values * body_bytes;
        self.left.operands += PER_BODY.operands + PER_BYTE.operands * body_bytes;
        self.left.references_over_calls +=
            PER_BODY.references_over_calls + PER_BYTE.references_over_calls * body_bytes;
        let within = |limit: Limit, left| Limit { most: limit.most.min(left), ..limit };
        let operands = within(self.largest.operands, self.left.operands);
        FunctionBudget {
            values: within(self.largest.values, self.left.values),
            operands,
            locals_passed: operands.most,
            references_over_calls: within(
                self.largest.references_over_calls,
                self.left.references_over_calls,
            ),
        }
    }

    /// Ends it. What it did not need is left to the bodies after it.
    pub(super) fn end(&mut self, made: Made) {
        self.left.values = self.left.values.saturating_sub(made.values);
        self.left.operands = self.left.operands.saturating_sub(made.operands);
        self.left.references_over_calls =
            self.left.references_over_calls.saturating_sub(made.references_over_calls);
    }
}
