//! The file form of an artifact: [`write()`] makes it, [`ArtifactFile`] reads it.
//! `docs/artifact-format.md` describes it.
//!
//! Invariants. What is read obeys every rule that does not concern the machine
//! code itself, so that nothing above can be misled by indices, ranges or types.
//! An artifact has one encoding: what is accepted is what [`write()`] makes of it.
//! Reading takes time linear in the bytes, apart from sorting the exports' names,
//! allocates in proportion to them, and never panics.
//!
//! | file | owns |
//! |---|---|
//! | `header` | magic, version, checksum, flavor, section table |
//! | `bytes` | numbers, strings and lists, both ways |
//! | `types` | types, both ways |
//! | `declarations` | imports, functions, tables, memories, globals, exports, start |
//! | `expressions` | constant expressions, both ways, and whether they are valid |
//! | `segments` | element and data segments |
//! | `code` | names, ranges, shims, stack maps, sites |

mod bytes;
mod code;
mod declarations;
mod expressions;
mod header;
mod segments;
#[cfg(test)]
mod tests;
mod types;

use self::bytes::{Cursor, Out, malformed};
use self::header::{Header, SECTIONS};
use super::flavor::CodeFlavor;
use super::module::{Artifact, ArtifactParts};
use crate::error::{ArtifactSection, Result};
use std_alloc::vec::Vec;

/// An artifact's bytes, of which only the header has been read.
pub struct ArtifactFile<'b> {
    header: Header,
    bytes: &'b [u8],
    /// The same bytes, if they lie there for ever.
    lasting: Option<&'static [u8]>,
}

impl<'b> ArtifactFile<'b> {
    /// Checks length, format version and checksum of `bytes`, and reads what the
    /// code was compiled for.
    ///
    /// # Errors
    /// [`crate::Error::Artifact`].
    pub fn open(bytes: &'b [u8]) -> Result<Self> {
        Ok(Self { header: Header::read(bytes)?, bytes, lasting: None })
    }

    /// What the code takes for granted.
    pub const fn flavor(&self) -> &CodeFlavor {
        &self.header.flavor
    }

    /// Each section and its bytes, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = (ArtifactSection, &'b [u8])> {
        SECTIONS.iter().map(|section| (*section, self.section(*section).rest()))
    }

    /// Reads and checks everything. The code stays where it is.
    ///
    /// # Errors
    /// [`crate::Error::Artifact`] names the section that breaks a rule; [`crate::Error::Limit`];
    /// [`crate::Error::OutOfMemory`].
    pub fn read(&self) -> Result<ArtifactParts<&'b [u8]>> {
        use ArtifactSection as Section;
        let info = declarations::read(&|section| self.section(section))?;
        let code = self.section(Section::Code).rest();
        let code_len = u32::try_from(code.len())
            .map_err(|_| malformed(Section::Code, "more code than offsets can tell apart"))?;
        let ranges = code::read_ranges(&|section| self.section(section), &info, code_len)?;
        Ok(ArtifactParts {
            stack_maps: code::read_stack_maps(self.section(Section::StackMaps), code_len)?,
            sites: code::read_sites(self.section(Section::Sites), code_len)?,
            functions: ranges.functions,
            entry_shims: ranges.entry_shims,
            exit_stubs: ranges.exit_stubs,
            raise_thunk: ranges.raise_thunk,
            flavor: self.header.flavor,
            info,
            code,
        })
    }

    fn section(&self, section: ArtifactSection) -> Cursor<'b> {
        let range = self.header.range(section);
        let lasting = self.lasting.and_then(|bytes| bytes.get(range.clone()));
        Cursor::new(section, self.bytes.get(range).unwrap_or_default(), lasting)
    }
}

impl ArtifactFile<'static> {
    /// The same, of bytes that lie where they are for ever: what is read from
    /// them later refers to them.
    ///
    /// # Errors
    /// [`crate::Error::Artifact`].
    pub fn open_in_place(bytes: &'static [u8]) -> Result<Self> {
        Ok(Self { header: Header::read(bytes)?, bytes, lasting: Some(bytes) })
    }
}

/// How many of the first bytes are an artifact, as its header says; what follows
/// may be a signature. Nothing but the start of the header is checked.
///
/// # Errors
/// [`crate::Error::Artifact`].
#[cfg(feature = "signed-artifacts")]
pub fn stated_length(bytes: &[u8]) -> Result<usize> {
    header::stated_length(bytes)
}

/// The file form of an artifact with this code.
///
/// # Errors
/// [`crate::Error::OutOfMemory`]; [`crate::Error::Limit`] if it would be 4 GiB or more.
pub fn write<C>(parts: &ArtifactParts<C>, code: &[u8]) -> Result<Vec<u8>> {
    // A new part must be written too.
    let ArtifactParts {
        info,
        code: _,
        functions,
        entry_shims,
        exit_stubs,
        stack_maps,
        sites,
        raise_thunk,
        flavor,
    } = parts;
    let mut out = Out::default();
    header::begin(&mut out)?;
    declarations::write(&mut out, info)?;
    code::write_ranges(&mut out, functions, (entry_shims, exit_stubs), *raise_thunk)?;
    code::write_stack_maps(&mut out, stack_maps)?;
    code::write_sites(&mut out, sites)?;
    out.section(ArtifactSection::Code)?;
    out.raw(code)?;
    header::finish(out, flavor)
}

impl Artifact {
    /// The artifact as bytes, for [`crate::Module::deserialize`]
    /// (`docs/artifact-format.md`). The same artifact always gives the same bytes.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; [`crate::Error::Limit`] if it would be 4 GiB
    /// or more.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        let parts = self.parts();
        write(parts, &parts.code)
    }
}
