//! Speculation guards: what a check decides about also depends on it by data
//! flow. The processor may guess that a check passes and go on with the index that
//! fails it; what it would read then leaves traces that a guest can measure
//! (Kocher et al., "Spectre Attacks: Exploiting Speculative Execution", 2019,
//! variant 1). A conditional move is not guessed, so the index is zero by then.
//!
//! Invariant: with `Config::speculation_guards`, no address that a guest's number
//! is part of, and no code pointer from a table, is used but through a guard, or
//! within what a guard page covers.

use super::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Value, types};

#[cfg(test)]
mod tests;

impl Translator<'_, '_> {
    /// `value`, which is 64 bits wide; zero where the check of `failed` fails.
    pub(super) fn zero_if(&mut self, failed: Value, value: Value) -> Value {
        if !self.env.settings.speculation_guards {
            return value;
        }
        let zero = self.integer(types::I64, 0);
        self.builder.ins().select_spectre_guard(failed, zero, value)
    }

    /// The same for several checks.
    pub(super) fn zero_if_any(&mut self, failed: [Option<Value>; 2], value: Value) -> Value {
        failed.into_iter().flatten().fold(value, |value, failed| self.zero_if(failed, value))
    }
}
