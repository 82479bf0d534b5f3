//! [`Done`]: what a family of operators says about one of them, and a check of
//! that claim, made in debug builds and wherever Cranelift's verifier is on.

use crate::abi::Trap;
use crate::compile::sites::trap_code;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{Inst, InstructionData, Opcode, Value, ValueDef};

/// Whether an operator was the family's own, and whether anything can notice
/// that it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It belongs to another family.
    NotMine,
    /// Translated, and nobody can tell that it ran: it writes nothing that
    /// outlives the function, does not branch, and can trap only on an access
    /// outside a memory's bounds. A check before it may be made stricter on
    /// behalf of an access after it.
    Silent,
    /// Translated. Always a correct answer, even for what could be called
    /// silent.
    Seen,
}

impl Done {
    /// What the next family says, unless an earlier one has translated the
    /// operator.
    pub(super) fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        if self == Self::NotMine { next() } else { self }
    }
}

/// Whether nothing that was translated since the function had `before`
/// instructions breaks the promise of [`Done::Silent`].
pub(super) fn was_silent(t: &Translator<'_, '_>, before: usize) -> bool {
    let dfg = &t.builder.func.dfg;
    let out_of_bounds = trap_code(Trap::MemoryOutOfBounds);
    (before..dfg.num_insts()).all(|index| {
        let data = &dfg.insts[Inst::from_u32(index as u32)];
        let opcode = data.opcode();
        match data {
            InstructionData::CondTrap { code, .. } => *code == out_of_bounds,
            // The frame ends with the function.
            InstructionData::Store { args: [_, to], .. } if is_in_frame(t, *to) => true,
            _ => {
                let may_trap = opcode.can_trap() && !opcode.can_load();
                let acts = opcode.can_store() || opcode.other_side_effects();
                !(may_trap || acts || opcode.is_call() || opcode.is_terminator())
            }
        }
    })
}

fn is_in_frame(t: &Translator<'_, '_>, address: Value) -> bool {
    let dfg = &t.builder.func.dfg;
    match dfg.value_def(address) {
        ValueDef::Result(made_by, _) => dfg.insts[made_by].opcode() == Opcode::StackAddr,
        _ => false,
    }
}
