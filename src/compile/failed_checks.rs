//! Finds, in a function's machine code, the checks that the translator made.
//!
//! Nothing here is promised by the code generator. It is therefore verified for
//! each check, and what is not as expected is refused: every trap of ours
//! carries the number of a check of the same kind, and comes after it; those
//! of a conversion that the code generator checks carry its number; other
//! traps are of kinds that generated code never reaches.

use super::signature::NEVER_REACHED;
use super::sites::{Site, SiteKind, Sites, conversion_trap, trap_of};
use crate::abi::Trap;
use crate::arch;
use crate::error::{Error, Result};
use core::ops::Range;
use cranelift_codegen::ir::{SourceLoc, TrapCode};
use cranelift_codegen::{Final, MachSrcLoc, MachTrap};
use std_alloc::vec::Vec;

/// Which bytes of a function's code belong to which site.
pub(super) struct Located<'a> {
    by_place: &'a [MachSrcLoc<Final>],
    /// By number, then by place.
    by_number: Vec<(SourceLoc, Range<u32>)>,
}

/// A check, and the trap behind the function that it branches to.
pub(super) struct FailedCheck<'a> {
    pub(super) site: Site,
    pub(super) trap: Trap,
    /// What the code generator made for the check, the trap excepted.
    pub(super) ranges: &'a [(SourceLoc, Range<u32>)],
    pub(super) trap_at: u32,
}

impl<'a> Located<'a> {
    /// `by_place` is sorted, and nothing in it overlaps.
    pub(super) fn new(by_place: &'a [MachSrcLoc<Final>]) -> Self {
        let numbered = || by_place.iter().filter(|range| !range.loc.is_default());
        let mut by_number = Vec::with_capacity(numbered().count());
        by_number.extend(numbered().map(|range| (range.loc, range.start..range.end)));
        by_number.sort_unstable_by_key(|(number, range)| (number.bits(), range.start));
        Self { by_place, by_number }
    }

    /// The number that the byte at `offset` carries.
    pub(super) fn at(&self, offset: u32) -> Option<SourceLoc> {
        let after = self.by_place.partition_point(|range| range.start <= offset);
        let range = self.by_place.get(after.checked_sub(1)?)?;
        (offset < range.end && !range.loc.is_default()).then_some(range.loc)
    }

    fn ranges(&self, number: SourceLoc) -> &[(SourceLoc, Range<u32>)] {
        let first = self.by_number.partition_point(|(at, _)| at.bits() < number.bits());
        let rest = self.by_number.get(first..).unwrap_or_default();
        &rest[..rest.partition_point(|(at, _)| *at == number)]
    }
}

/// Traps of the code generator that are never reached, because a check of ours
/// comes before them, or a call that does not return.
const NEVER: [TrapCode; 3] =
    [NEVER_REACHED, TrapCode::INTEGER_DIVISION_BY_ZERO, TrapCode::INTEGER_OVERFLOW];

/// What a trap in the machine code is.
pub(super) enum TrapKind<'a> {
    /// Never reached.
    Never,
    /// An access that may fault, and its site if the code generator still knows.
    Access(Option<Site>),
    /// Where a failed check goes.
    Check(FailedCheck<'a>),
}

/// Says what a trap is. Accesses to memories are traps if they `may_fault`.
///
/// # Errors
/// [`Error::Bug`] if the trap is of an unknown kind or not a check's only one.
pub(super) fn kind_of<'a>(
    trap: &MachTrap,
    located: &'a Located<'_>,
    sites: &Sites,
    may_fault: bool,
) -> Result<TrapKind<'a>> {
    let of_conversion = || {
        let site = located.at(trap.offset).and_then(|number| sites.get(number));
        site.filter(|site| site.kind == SiteKind::Conversion)
            .and_then(|_| conversion_trap(trap.code))
    };
    let Some(kind) = trap_of(trap.code).or_else(of_conversion) else {
        return match trap.code {
            TrapCode::HEAP_OUT_OF_BOUNDS if may_fault => {
                let site = located.at(trap.offset).and_then(|number| sites.get(number));
                Ok(TrapKind::Access(site.filter(|site| site.kind == SiteKind::Access)))
            }
            code if NEVER.contains(&code) => Ok(TrapKind::Never),
            _ => Err(Error::Bug("the code generator made a trap of an unknown kind")),
        };
    };
    const LOST: Error = Error::Bug("the code generator lost track of a check");
    let number = located.at(trap.offset).ok_or(LOST)?;
    let raises = match trap_of(trap.code) {
        Some(kind) => SiteKind::Raise(kind),
        None => SiteKind::Conversion,
    };
    let site = sites.get(number).filter(|site| site.kind == raises).ok_or(LOST)?;
    let own = trap.offset..trap.offset + arch::CHECK_TRAP.len() as u32;
    let all = located.ranges(number);
    // What comes after the trap, in an island amid the function, are moves.
    let before = all.iter().position(|(_, range)| *range == own).ok_or(LOST)?;
    let ranges = &all[..before];
    if ranges.is_empty() {
        return Err(LOST);
    }
    Ok(TrapKind::Check(FailedCheck { site, trap: kind, ranges, trap_at: trap.offset }))
}
