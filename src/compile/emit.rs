//! Collects compiled functions into one position-independent code buffer:
//! resolves calls between them, directs failed checks to the raise thunk, and
//! records the stack map of every call and the site of every call and check.
//!
//! Invariants: entry points are aligned to 16; maps and sites are pushed in
//! order of their return addresses; the only relocations are calls within the
//! buffer; no check ends in a trap of the processor.

use super::code_key::CodeKey;
use super::failed_checks::{self, FailedCheck, TrapKind};
use super::map_check::MapCheck;
use super::raise_calls::RaiseCalls;
use super::settings::CompileSettings;
use super::sites::{SiteKind, Sites};
use crate::abi::{FAULT_RETURN_OFFSET, Trap};
use crate::arch::{self, TailJump};
use crate::artifact::limits::CODE_BYTES;
use crate::artifact::{CodeSite, CodeSites, CodeSitesBuilder, StackMapBuilder, StackMaps};
use crate::error::{Error, Result};
use core::ops::Range;
use cranelift_codegen::CompiledCode;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::function::FunctionParameters;
use cranelift_codegen::ir::{ExternalName, SourceLoc, TrapCode, UserExternalName};
use cranelift_codegen::{FinalizedMachReloc, FinalizedRelocTarget};
use hashbrown::HashMap;
use std_alloc::vec::Vec;

/// Bytes of [`arch::LANDING`] and what pads it: entry points stay aligned.
const LANDING_BYTES: usize = 16;

/// Room for so many sites of a function is kept for the next.
const KEPT_SITES: usize = 1 << 10;

/// A call whose target address is not known until the end.
struct Fixup {
    /// Where the call's last four bytes end.
    end: usize,
    target: UserExternalName,
}

/// What [`CodeBuffer::finish`] returns.
pub(super) struct FinishedCode {
    pub(super) bytes: Vec<u8>,
    pub(super) stack_maps: StackMaps,
    pub(super) sites: CodeSites,
    /// Where the raise thunk starts, if anything calls it.
    pub(super) raise_thunk: Option<u32>,
}

/// Code under construction.
#[derive(Default)]
pub(super) struct CodeBuffer {
    bytes: Vec<u8>,
    starts: HashMap<UserExternalName, u32>,
    fixups: Vec<Fixup>,
    /// Calls of the raise thunk that checks make.
    raise_calls: RaiseCalls,
    maps: StackMapBuilder,
    sites: CodeSitesBuilder,
    /// The sites of the piece being appended.
    piece_sites: Vec<CodeSite>,
    check: Option<MapCheck>,
    may_fault: bool,
    /// What goes before each piece, if its own first instruction is no landing.
    landing: Option<[u8; LANDING_BYTES]>,
    /// How tail calls through a pointer are rewritten, and where those end.
    tail_jump: Option<TailJump>,
    tail_jumps: Vec<u32>,
}

impl CodeBuffer {
    /// An empty buffer. With `verify`, the maps are checked at the end. Unless
    /// accesses to memories may fault, such code is refused.
    pub(super) fn new(settings: &CompileSettings) -> Self {
        Self {
            check: settings.verifies().then(MapCheck::default),
            may_fault: settings.hardware_traps,
            landing: arch::LANDING.filter(|_| settings.use_bti && settings.sign_return_address),
            tail_jump: arch::TAIL_JUMP.filter(|_| settings.use_bti),
            ..Self::default()
        }
    }

    /// Appends a compiled piece and returns the range it occupies.
    pub(super) fn append(
        &mut self,
        key: CodeKey,
        names: &FunctionParameters,
        compiled: &CompiledCode,
        sites: &Sites,
    ) -> Result<(u32, u32)> {
        let code = compiled.buffer.data();
        let align = compiled.buffer.alignment.max(16) as usize;
        let mut start = self.bytes.len().next_multiple_of(align);
        CODE_BYTES.check(start.saturating_add(align + code.len()) as u64)?;
        self.bytes.resize(start, 0);
        let mut entry = start;
        if let Some(landing) = &self.landing {
            start += align;
            entry = start - LANDING_BYTES;
            self.bytes.resize(entry, 0);
            self.bytes.extend_from_slice(landing);
        }
        self.bytes.extend_from_slice(code);
        self.starts.insert(key.into(), entry as u32);
        for reloc in compiled.buffer.relocs() {
            self.fixups.push(fixup(start, names, reloc)?);
        }
        self.push_maps(start as u32, compiled)?;
        self.rewrite_tail_jumps(start, compiled)?;
        self.push_sites(start, compiled, sites)?;
        CODE_BYTES.check(self.bytes.len() as u64)?;
        Ok((entry as u32, self.bytes.len() as u32))
    }

    /// The sites of calls and checks; lets the latter call the raise thunk.
    fn push_sites(&mut self, start: usize, compiled: &CompiledCode, sites: &Sites) -> Result<()> {
        let located = failed_checks::Located::new(compiled.buffer.get_srclocs_sorted());
        let (calls, traps) = (compiled.buffer.call_sites().count(), compiled.buffer.traps().len());
        self.piece_sites.clear();
        self.piece_sites.reserve_exact(calls + traps);
        for call in compiled.buffer.call_sites() {
            let Some(site) = located.at(call.ret_addr - 1).and_then(|n| sites.get(n)) else {
                continue;
            };
            let trap = match site.kind {
                SiteKind::Call => None,
                SiteKind::Raise(trap) => Some(trap),
                SiteKind::Access | SiteKind::Conversion => continue,
            };
            let return_offset = start as u32 + call.ret_addr;
            let module_offset = site.module_offset;
            let code_offset = return_offset;
            self.piece_sites.push(CodeSite { return_offset, code_offset, module_offset, trap });
        }
        let before_frame = frame_checks(compiled)?;
        let mut checks = Vec::with_capacity(traps);
        checks.extend(before_frame.iter().map(|(trap_at, branch)| FailedCheck {
            site: sites.frame_check(),
            trap: Trap::StackOverflow,
            ranges: core::slice::from_ref(branch),
            trap_at: *trap_at,
        }));
        for trap in compiled.buffer.traps() {
            if trap.code == TrapCode::STACK_OVERFLOW {
                continue;
            }
            match failed_checks::kind_of(trap, &located, sites, self.may_fault)? {
                TrapKind::Never | TrapKind::Access(None) => {}
                TrapKind::Access(Some(site)) => {
                    let code_offset = start as u32 + trap.offset;
                    self.piece_sites.push(CodeSite {
                        return_offset: code_offset + FAULT_RETURN_OFFSET,
                        code_offset,
                        module_offset: site.module_offset,
                        trap: Some(Trap::MemoryOutOfBounds),
                    });
                }
                TrapKind::Check(check) => checks.push(check),
            }
        }
        let frame = compiled.buffer.frame_layout().map(|layout| layout.frame_to_fp_offset);
        let (bytes, piece_sites) = (&mut self.bytes, &mut self.piece_sites);
        let checks = (before_frame.len(), &*checks);
        self.raise_calls.place(bytes, start, frame, checks, piece_sites)?;
        self.piece_sites.sort_unstable_by_key(|site| site.return_offset);
        for site in &self.piece_sites {
            if !self.sites.push(*site) {
                return Err(Error::Bug("calls and checks are out of order"));
            }
        }
        self.piece_sites.clear();
        self.piece_sites.shrink_to(KEPT_SITES);
        Ok(())
    }

    /// Makes jumps to a thunk of tail calls through a pointer, which could not land.
    fn rewrite_tail_jumps(&mut self, start: usize, compiled: &CompiledCode) -> Result<()> {
        let Some(jump) = &self.tail_jump else { return Ok(()) };
        for site in compiled.buffer.call_sites() {
            let end = start + site.ret_addr as usize;
            let last = self.bytes.get_mut(..end).and_then(<[u8]>::last_chunk_mut);
            let last = last.ok_or(Error::Bug("a call outside its code"))?;
            if redirect_tail_jump(jump, last)? {
                self.tail_jumps.push(end as u32);
            }
        }
        Ok(())
    }

    /// One map per call: the one Cranelift gives where references are live,
    /// an empty one elsewhere.
    fn push_maps(&mut self, start: u32, compiled: &CompiledCode) -> Result<()> {
        let mut with_refs = compiled.buffer.user_stack_maps().iter().peekable();
        for site in compiled.buffer.call_sites() {
            let frame_bytes = site.frame_offset.unwrap_or(0);
            let map = with_refs.next_if(|(offset, _, _)| *offset == site.ret_addr);
            let (frame_bytes, map) = match map {
                Some((_, span, map)) => (*span, Some(map)),
                None => (frame_bytes, None),
            };
            let return_offset = start + site.ret_addr;
            let distances = || {
                let entries = map.iter().flat_map(|map| map.entries());
                entries.map(|(_, from_sp)| frame_bytes.wrapping_sub(from_sp))
            };
            if let Some(check) = &mut self.check {
                check.note(return_offset, frame_bytes, distances());
            }
            if !self.maps.push(return_offset, frame_bytes, distances()) {
                return Err(Error::Bug("the code generator gave a stack map outside its frame"));
            }
        }
        match with_refs.next() {
            None => Ok(()),
            Some(_) => Err(Error::Bug("the code generator gave a stack map without a call")),
        }
    }

    /// The stubs that are called and have not been emitted, in a fixed order.
    pub(super) fn missing_stubs(&self) -> Vec<CodeKey> {
        let missing = |fixup: &&Fixup| !self.starts.contains_key(&fixup.target);
        let mut names: Vec<_> =
            self.fixups.iter().filter(missing).map(|fixup| &fixup.target).collect();
        names.sort_unstable_by_key(|name| (name.namespace, name.index));
        names.dedup();
        names.into_iter().filter_map(CodeKey::of_name).filter(|key| key.is_stub()).collect()
    }

    /// Bytes of code so far.
    pub(super) fn len(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Start of an earlier piece.
    pub(super) fn start_of(&self, key: CodeKey) -> Option<u32> {
        self.starts.get(&UserExternalName::from(key)).copied()
    }

    /// Resolves all calls.
    pub(super) fn finish(mut self) -> Result<FinishedCode> {
        let raise = UserExternalName::from(CodeKey::Raise);
        let is_raised =
            !self.raise_calls.is_empty() || self.fixups.iter().any(|fixup| fixup.target == raise);
        let raise_thunk = is_raised.then(|| self.append_raise_thunk());
        for fixup in &self.fixups {
            let target = *self
                .starts
                .get(&fixup.target)
                .ok_or(Error::Bug("a call to code that was not emitted"))?;
            link(&mut self.bytes, fixup.end, target)?;
        }
        if let Some(thunk) = raise_thunk {
            for (end, entry) in self.raise_calls.iter() {
                link(&mut self.bytes, end as usize, thunk + entry)?;
            }
        }
        self.append_tail_thunk()?;
        CODE_BYTES.check(self.bytes.len() as u64)?;
        let stack_maps = self.maps.finish()?;
        if let Some(check) = self.check {
            check.finish(&stack_maps, self.bytes.len() as u32)?;
        }
        Ok(FinishedCode { bytes: self.bytes, stack_maps, sites: self.sites.finish()?, raise_thunk })
    }

    /// What [`Self::rewrite_tail_jumps`] leads to.
    fn append_tail_thunk(&mut self) -> Result<()> {
        let Some(jump) = self.tail_jump.take().filter(|_| !self.tail_jumps.is_empty()) else {
            return Ok(());
        };
        let thunk = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(thunk, 0);
        self.bytes.extend_from_slice(&jump.thunk);
        for end in &self.tail_jumps {
            link(&mut self.bytes, *end as usize, thunk as u32)?;
        }
        Ok(())
    }

    fn append_raise_thunk(&mut self) -> u32 {
        let start = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(&arch::RAISE_THUNK);
        self.starts.insert(CodeKey::Raise.into(), start as u32 + arch::RAISE_ENTRY);
        start as u32
    }
}

/// Makes a direct jump of a call's last instruction, if that is the jump of a tail
/// call through a pointer. Through a register that the thunk does not know, the jump
/// could not land.
fn redirect_tail_jump(jump: &TailJump, last: &mut [u8; 4]) -> Result<bool> {
    /// Where the instruction names its register.
    const REGISTER: u32 = 0x1f << 5;
    let kind = |instruction: [u8; 4]| u32::from_le_bytes(instruction) & !REGISTER;
    if *last == jump.made {
        *last = jump.direct;
        return Ok(true);
    }
    match kind(*last) == kind(jump.made) {
        true => Err(Error::Bug("a tail call through an unexpected register")),
        false => Ok(false),
    }
}

/// Where the trap of a check before the frame is, and its branch.
type FrameCheck = (u32, (SourceLoc, Range<u32>));

/// The code generator's own checks of the stack, before it makes the frame.
fn frame_checks(compiled: &CompiledCode) -> Result<Vec<FrameCheck>> {
    let traps = compiled.buffer.traps().iter().map(|trap| (trap.code, trap.offset));
    traps
        .filter(|(code, _)| *code == TrapCode::STACK_OVERFLOW)
        .map(|(_, trap_at)| {
            let branch = arch::first_branch_to(compiled.buffer.data(), trap_at)
                .ok_or(Error::Bug("a check of the stack without a branch"))?;
            Ok((trap_at, (SourceLoc::default(), branch)))
        })
        .collect()
}

fn fixup(start: usize, names: &FunctionParameters, reloc: &FinalizedMachReloc) -> Result<Fixup> {
    const FIELD_BYTES: usize = 4;
    match (&reloc.target, reloc.kind, reloc.addend) {
        (
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)),
            Reloc::X86CallPCRel4,
            -4,
        )
        | (FinalizedRelocTarget::ExternalName(ExternalName::User(name)), Reloc::Arm64Call, 0) => {
            Ok(Fixup {
                end: start + reloc.offset as usize + FIELD_BYTES,
                target: names.user_named_funcs()[*name].clone(),
            })
        }
        _ => Err(Error::Bug("the code generator wants a relocation other than a call")),
    }
}

/// Lets the call that ends at `end` call `target`.
fn link(bytes: &mut [u8], end: usize, target: u32) -> Result<()> {
    const BROKEN: Error = Error::Bug("a call out of its instruction's reach");
    let before = bytes.get_mut(..end).ok_or(BROKEN)?;
    let field = before.last_chunk_mut::<4>().ok_or(BROKEN)?;
    match arch::link_call(field, i64::from(target) - end as i64) {
        true => Ok(()),
        false => Err(BROKEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_call_that_could_not_land_is_refused() {
        // `br x1`, `b`.
        let [made, direct] = [0xd61f_0020_u32, 0x1400_0000].map(u32::to_le_bytes);
        let jump = TailJump { made, direct, thunk: [0; 8] };
        let redirected = |instruction: u32| {
            let mut last = instruction.to_le_bytes();
            redirect_tail_jump(&jump, &mut last).map(|is_tail| (is_tail, u32::from_le_bytes(last)))
        };
        assert!(matches!(redirected(0xd61f_0020), Ok((true, 0x1400_0000))));
        // `blr x1`, `bl`, `b`.
        for call in [0xd63f_0020, 0x9400_0000, 0x1400_0000] {
            assert!(matches!(redirected(call), Ok((false, same)) if same == call), "{call:x}");
        }
        for register in (0..31).filter(|register| *register != 1) {
            let refused = redirected(0xd61f_0000 | register << 5);
            assert!(matches!(refused, Err(Error::Bug(_))), "{register}");
        }
    }
}
