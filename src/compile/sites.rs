//! [`Sites`]: the checks and calls of the function under construction. The code
//! generator carries their numbers along as source locations, so that each is
//! found again in the machine code.
//!
//! Invariant: a number stands for one check or one call.

use crate::abi::Trap;
use cranelift_codegen::ir::{InstBuilder, SourceLoc, TrapCode, Value};
use cranelift_frontend::FunctionBuilder;
use std_alloc::vec::Vec;

/// A check, or a call.
#[derive(Clone, Copy)]
pub(super) struct Site {
    /// What it raises, unless it is a call that may return.
    pub(super) trap: Option<Trap>,
    /// The Wasm instruction, in bytes from the start of the module.
    pub(super) module_offset: u32,
}

/// The sites of one function.
#[derive(Default)]
pub(super) struct Sites {
    sites: Vec<Site>,
}

impl Sites {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.sites.clear();
    }

    /// The site with the number that the code generator says.
    pub(super) fn get(&self, location: SourceLoc) -> Option<Site> {
        self.sites.get(location.bits() as usize).copied()
    }

    /// Inserts a check: raises `trap` if `condition` is not zero.
    pub(super) fn check(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        condition: Value,
        trap: Trap,
        module_offset: u64,
    ) {
        self.call(builder, Some(trap), module_offset, |builder| {
            builder.ins().trapnz(condition, trap_code(trap));
        });
    }

    /// Inserts a call, which raises `trap` if it does not return: `make` does it.
    pub(super) fn call<'f, R>(
        &mut self,
        builder: &mut FunctionBuilder<'f>,
        trap: Option<Trap>,
        module_offset: u64,
        make: impl FnOnce(&mut FunctionBuilder<'f>) -> R,
    ) -> R {
        builder.set_srcloc(SourceLoc::new(self.sites.len() as u32));
        // Modules are shorter than 4 GiB (`limits::MODULE_BYTES`).
        self.sites.push(Site { trap, module_offset: module_offset as u32 });
        let made = make(builder);
        builder.set_srcloc(SourceLoc::default());
        made
    }
}

/// Distance of our codes from those of [`Trap`]: 1 is
/// [`super::signature::NEVER_REACHED`].
const FIRST_CODE: u8 = 1;

/// The code generator's code for a trap.
pub(super) const fn trap_code(trap: Trap) -> TrapCode {
    TrapCode::unwrap_user(trap as u8 + FIRST_CODE)
}

/// The trap with the code generator's code, if it is one of ours.
pub(super) fn trap_of(code: TrapCode) -> Option<Trap> {
    Trap::from_code(u64::from(code.as_raw().get()).checked_sub(u64::from(FIRST_CODE))?)
}
