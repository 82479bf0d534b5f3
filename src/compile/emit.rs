//! Collects compiled functions into one position-independent code buffer:
//! resolves calls between them and records the stack map of every call.
//!
//! Invariants: entry points are aligned to 16; maps are pushed in order of
//! their return addresses; the only relocations are calls within the buffer.

use super::code_key::CodeKey;
use super::map_check::MapCheck;
use crate::artifact::limits::CODE_BYTES;
use crate::artifact::{StackMapBuilder, StackMaps};
use crate::error::{Error, Result};
use cranelift_codegen::CompiledCode;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::{ExternalName, Function, UserExternalName};
use cranelift_codegen::{FinalizedMachReloc, FinalizedRelocTarget};
use hashbrown::HashMap;
use std_alloc::vec::Vec;

/// A call whose target address is not known until the end.
struct Fixup {
    at: usize,
    target: UserExternalName,
    addend: i64,
    kind: Reloc,
}

/// Code under construction.
#[derive(Default)]
pub(super) struct CodeBuffer {
    bytes: Vec<u8>,
    starts: HashMap<UserExternalName, u32>,
    fixups: Vec<Fixup>,
    maps: StackMapBuilder,
    check: Option<MapCheck>,
    pieces: u32,
}

impl CodeBuffer {
    /// An empty buffer. With `verify`, the maps are checked at the end.
    pub(super) fn new(verify: bool) -> Self {
        Self { check: verify.then(MapCheck::default), ..Self::default() }
    }

    /// Number of pieces so far.
    pub(super) fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Appends a compiled piece and returns the range it occupies.
    pub(super) fn append(
        &mut self,
        key: CodeKey,
        function: &Function,
        compiled: &CompiledCode,
    ) -> Result<(u32, u32)> {
        let code = compiled.buffer.data();
        let align = compiled.buffer.alignment.max(16) as usize;
        let start = self.bytes.len().next_multiple_of(align);
        let end = start.saturating_add(code.len());
        CODE_BYTES.check(end as u64)?;
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(code);
        self.starts.insert(key.into(), start as u32);
        self.pieces += 1;
        for reloc in compiled.buffer.relocs() {
            self.fixups.push(fixup(start, function, reloc)?);
        }
        self.push_maps(start as u32, compiled)?;
        Ok((start as u32, end as u32))
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

    /// Resolves all calls; returns code and maps.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, StackMaps)> {
        for fixup in &self.fixups {
            let target = *self
                .starts
                .get(&fixup.target)
                .ok_or(Error::Bug("a call to code that was not emitted"))?;
            patch(&mut self.bytes, fixup, target)?;
        }
        let maps = self.maps.finish();
        if let Some(check) = self.check {
            check.finish(&maps, self.bytes.len() as u32)?;
        }
        Ok((self.bytes, maps))
    }
}

fn fixup(start: usize, function: &Function, reloc: &FinalizedMachReloc) -> Result<Fixup> {
    match (&reloc.target, reloc.kind) {
        (
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)),
            Reloc::X86CallPCRel4 | Reloc::Arm64Call,
        ) => Ok(Fixup {
            at: start + reloc.offset as usize,
            target: function.params.user_named_funcs()[*name].clone(),
            addend: reloc.addend,
            kind: reloc.kind,
        }),
        _ => Err(Error::Bug("the code generator wants a relocation other than a call")),
    }
}

/// Writes the distance to `target` into the call at `fixup.at`.
fn patch(bytes: &mut [u8], fixup: &Fixup, target: u32) -> Result<()> {
    const BROKEN: Error = Error::Bug("a call out of its instruction's reach");
    let distance = i64::from(target) + fixup.addend - fixup.at as i64;
    let field: &mut [u8; 4] = bytes
        .get_mut(fixup.at..fixup.at + 4)
        .and_then(|field| field.try_into().ok())
        .ok_or(BROKEN)?;
    if fixup.kind == Reloc::X86CallPCRel4 {
        *field = i32::try_from(distance).map_err(|_| BROKEN)?.to_le_bytes();
    } else {
        // Arm ARM, B/BL: a signed 26-bit count of 4-byte instructions.
        if distance % 4 != 0 || !(-(1 << 27)..1 << 27).contains(&distance) {
            return Err(BROKEN);
        }
        let words = (distance >> 2) as u32 & 0x03ff_ffff;
        *field = (u32::from_le_bytes(*field) & 0xfc00_0000 | words).to_le_bytes();
    }
    Ok(())
}
