//! The work of validating a module, counted before it is done.
//!
//! Most operators cost the validator a few steps. Some cost one for each value
//! that they take and give, and that number is not in the operator's bytes: a
//! call of two bytes may take a thousand parameters, and `br_table` checks
//! the operands of every target. So a module can make the validator do a
//! multiple of what it takes to read it. [`Work`] bounds the multiple.

use crate::artifact::limits::{VALIDATION_STEPS, VALIDATION_STEPS_PER_BYTE};
use crate::error::Result;
use wasmparser::{
    BlockType, FrameKind, FuncValidator, Handle, ModuleArity, Operator, WasmModuleResources,
};

/// Steps that validating one module took, and how many it may take.
pub(super) struct Work {
    steps: u64,
    /// Steps that its size alone allows.
    proportional: u64,
}

impl Work {
    /// For a module of this size.
    pub(super) fn new(module_bytes: usize) -> Self {
        let proportional = VALIDATION_STEPS_PER_BYTE.saturating_mul(module_bytes as u64);
        Self { steps: 0, proportional }
    }

    /// Counts steps that are about to be done.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::error::Error::Limit) if that is too much work.
    pub(super) fn add(&mut self, steps: u64) -> Result<()> {
        self.steps = self.steps.saturating_add(steps);
        VALIDATION_STEPS.check(self.steps.saturating_sub(self.proportional))
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}

macro_rules! takes_any_number {
    ($op:expr; $(@$proposal:ident $name:ident $({ $($arg:ident: $ty:ty),* })?
        => $visit:ident (arity $($arity:tt)*))*) => {
        match $op {
            $(Operator::$name { .. } => takes_any_number!(@ $($arity)*),)*
            _ => true,
        }
    };
    (@ custom) => { true };
    (@ $($fixed:tt)*) => { false };
}

/// Whether the values that an operator takes and gives depend on types.
fn takes_any_number(op: &Operator<'_>) -> bool {
    macro_rules! ask {
        ($($all:tt)*) => { takes_any_number!(op; $($all)*) };
    }
    wasmparser::for_each_operator!(ask)
}

/// An upper bound of what `op` costs the validator in its present state: one
/// step for the operator, and one for each value popped, pushed or compared.
/// Operators with a fixed number of values count as one step.
pub(super) fn steps<R: WasmModuleResources>(op: &Operator<'_>, at: &FuncValidator<R>) -> u64 {
    if !takes_any_number(op) {
        return 1;
    }
    // An operator whose indices are wrong has no arity; the validator refuses it
    // before it looks at any value.
    let values = |op: &Operator<'_>| {
        op.operator_arity(at).map_or(0, |(taken, given)| u64::from(taken) + u64::from(given))
    };
    let block = |ty: BlockType| {
        at.block_type_arity(ty).map_or(0, |(taken, given)| u64::from(taken) + u64::from(given))
    };
    let label = |depth: u32| values(&Operator::Br { relative_depth: depth });
    1 + match op {
        // Every target takes the operands off and puts them back.
        Operator::BrTable { targets } => {
            values(op) + u64::from(targets.len()) * (1 + 2 * label(targets.default()))
        }
        // Without an `else`, the parameters pass as results.
        Operator::End => match at.get_control_frame(0) {
            Some(frame) if frame.kind == FrameKind::If => values(op) + block(frame.block_type),
            _ => values(op),
        },
        // The results are compared, and then returned.
        Operator::ReturnCall { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::ReturnCallRef { .. } => values(op) + 3 * values(&Operator::Return),
        Operator::TryTable { try_table } => {
            let clause = |catch: &wasmparser::Catch| match *catch {
                wasmparser::Catch::One { label: depth, .. }
                | wasmparser::Catch::OneRef { label: depth, .. } => 1 + 2 * label(depth),
                _ => 1,
            };
            values(op) + try_table.catches.iter().map(clause).sum::<u64>()
        }
        Operator::Resume { cont_type_index, resume_table }
        | Operator::ResumeThrow { cont_type_index, resume_table, .. }
        | Operator::ResumeThrowRef { cont_type_index, resume_table } => {
            let results = block(BlockType::FuncType(*cont_type_index));
            let handler = |handle: &Handle| {
                let (Handle::OnLabel { tag, .. } | Handle::OnSwitch { tag }) = *handle;
                let tag = at
                    .tag_type_arity(tag)
                    .map_or(0, |(taken, given)| u64::from(taken) + u64::from(given));
                1 + 2 * (tag + results)
            };
            values(op) + resume_table.handlers.iter().map(handler).sum::<u64>()
        }
        // In unreachable code the operands need not be there.
        Operator::ArrayNewFixed { array_size, .. } => {
            u64::from((*array_size).min(at.operand_stack_height())) + 1
        }
        _ => values(op),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_with_types_are_told_apart() {
        for op in [
            Operator::End,
            Operator::Return,
            Operator::Call { function_index: 0 },
            Operator::BrIf { relative_depth: 0 },
            Operator::ReturnCall { function_index: 0 },
        ] {
            assert!(takes_any_number(&op), "{op:?}");
        }
        for op in [Operator::Nop, Operator::I32Add, Operator::LocalGet { local_index: 0 }] {
            assert!(!takes_any_number(&op), "{op:?}");
        }
    }

    #[test]
    fn work_is_limited_by_size_and_a_constant() {
        let most = VALIDATION_STEPS.most + 100 * VALIDATION_STEPS_PER_BYTE;
        let mut work = Work::new(100);
        work.add(most - 1).unwrap();
        work.add(1).unwrap();
        assert!(work.add(1).is_err());
        assert!(work.add(u64::MAX).is_err());
    }
}
