//! [`Sites`]: the checks, the calls and the accesses that may fault of the
//! function under construction. The code generator carries their numbers along
//! as source locations, so that each is found again in the machine code.
//!
//! Invariant: a number stands for one check, one call, or the accesses of one
//! operator.

use crate::abi::Trap;
use cranelift_codegen::ir::{InstBuilder, Opcode, SourceLoc, TrapCode, Value, ValueDef};
use cranelift_frontend::FunctionBuilder;
use std_alloc::vec::Vec;

/// What a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SiteKind {
    /// A call that may return.
    Call,
    /// A check that raises this when it fails, or a call that always does.
    Raise(Trap),
    /// A conversion whose checks the code generator makes.
    Conversion,
    /// Accesses to a memory that rely on its guard.
    Access,
}

/// A place in a function.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) kind: SiteKind,
    /// Whether a comparison of floats decides, which may take two branches.
    compares_floats: bool,
    /// The Wasm instruction, in bytes from the start of the module.
    pub(super) module_offset: u32,
}

impl Site {
    /// The most branches that the code generator makes of the check.
    pub(super) fn most_branches(&self) -> usize {
        if self.compares_floats { 2 } else { 1 }
    }
}

/// The sites of one function.
#[derive(Default)]
pub(super) struct Sites {
    sites: Vec<Site>,
    /// Those that are calls which may return.
    calls: u32,
    /// The number that new instructions get.
    current: SourceLoc,
    /// The function in the module.
    entry_offset: u32,
}

impl Sites {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.sites.clear();
        self.calls = 0;
        self.current = SourceLoc::default();
        self.entry_offset = 0;
    }

    /// How many calls that may return there have been.
    pub(super) fn calls(&self) -> u32 {
        self.calls
    }

    /// The function is this in the module.
    pub(super) fn enter(&mut self, module_offset: u64) {
        self.entry_offset = module_offset as u32;
    }

    /// The check of the stack that the code generator makes before the frame.
    pub(super) fn frame_check(&self) -> Site {
        let kind = SiteKind::Raise(Trap::StackOverflow);
        Site { kind, compares_floats: false, module_offset: self.entry_offset }
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
        let dfg = &builder.func.dfg;
        let compares_floats = match dfg.value_def(condition) {
            ValueDef::Result(inst, _) => dfg.insts[inst].opcode() == Opcode::Fcmp,
            _ => false,
        };
        self.call(builder, SiteKind::Raise(trap), module_offset, |builder| {
            builder.ins().trapnz(condition, trap_code(trap));
        });
        if let Some(site) = self.sites.last_mut() {
            site.compares_floats = compares_floats;
        }
    }

    /// Inserts a call: `make` does it.
    pub(super) fn call<'f, R>(
        &mut self,
        builder: &mut FunctionBuilder<'f>,
        kind: SiteKind,
        module_offset: u64,
        make: impl FnOnce(&mut FunctionBuilder<'f>) -> R,
    ) -> R {
        let number = self.add(kind, module_offset);
        builder.set_srcloc(number);
        let made = make(builder);
        builder.set_srcloc(self.current);
        made
    }

    fn add(&mut self, kind: SiteKind, module_offset: u64) -> SourceLoc {
        let number = SourceLoc::new(self.sites.len() as u32);
        self.calls += u32::from(kind == SiteKind::Call);
        // Modules are shorter than 4 GiB (`limits::MODULE_BYTES`).
        let module_offset = module_offset as u32;
        self.sites.push(Site { kind, compares_floats: false, module_offset });
        number
    }

    /// The accesses that follow, until [`Self::end_access`], may fault.
    pub(super) fn begin_access(&mut self, builder: &mut FunctionBuilder<'_>, module_offset: u64) {
        if self.current.is_default() {
            self.current = self.add(SiteKind::Access, module_offset);
            builder.set_srcloc(self.current);
        }
    }

    /// Ends what [`Self::begin_access`] began, if it did.
    pub(super) fn end_access(&mut self, builder: &mut FunctionBuilder<'_>) {
        if !self.current.is_default() {
            self.current = SourceLoc::default();
            builder.set_srcloc(self.current);
        }
    }
}

/// What a conversion raises where the code generator has this code.
pub(super) fn conversion_trap(code: TrapCode) -> Option<Trap> {
    match code {
        TrapCode::BAD_CONVERSION_TO_INTEGER => Some(Trap::BadConversionToInteger),
        TrapCode::INTEGER_OVERFLOW => Some(Trap::IntegerOverflow),
        _ => None,
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
