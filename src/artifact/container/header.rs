//! What comes before the sections.
//!
//! ```text
//!  0  magic               8 bytes
//!  8  format version      u32
//! 12  bytes of the file   u32
//! 16  checksum            u64  XXH64, seed 0, of all that follows
//! 24  architecture        u32  its number in ELF files
//! 28  settings            u32  a bit each
//! 32  processor features  u64
//! 40  layout              u64  fingerprint of version and layouts of this crate
//! 48  section table       (number u32, offset u32, bytes u32) each, in order
//! ```

use super::bytes::{Out, behind, malformed};
use crate::abi::{Architecture, DeferralPolicy};
use crate::artifact::flavor::CodeFlavor;
use crate::artifact::limits::Limit;
use crate::error::{ArtifactError, ArtifactFault, ArtifactSection, Error, Result};
use core::ops::Range;
use std_alloc::vec::Vec;
use twox_hash::XxHash64;

const MAGIC: [u8; 8] = *b"KERNREF\0";

/// The version of the format that is written, and the only one that is read.
pub(super) const FORMAT: u32 = 1;

/// All sections, in the order of the file.
pub(super) const SECTIONS: &[ArtifactSection] = {
    let (_, behind_header) = ArtifactSection::ALL.split_at(1);
    let (sections, signature) = behind_header.split_at(behind_header.len() - 1);
    assert!(matches!(signature, [ArtifactSection::Signature]));
    sections
};

const LENGTH_AT: usize = 12;
const CHECKSUM_AT: usize = 16;
const FLAVOR_AT: usize = 24;
const TABLE_AT: usize = 48;
const ROW_BYTES: usize = 12;
const HEADER_BYTES: usize = TABLE_AT + SECTIONS.len() * ROW_BYTES;

const FILE_BYTES: Limit = Limit { what: "bytes of an artifact", most: u32::MAX as u64 };

const CLONE_ON_READ: u32 = 1 << 0;
const ZEAL: u32 = 1 << 1;
const EPOCHS: u32 = 1 << 2;
const FUEL: u32 = 1 << 3;
const HARDWARE_TRAPS: u32 = 1 << 4;
const SPECULATION_GUARDS: u32 = 1 << 5;
const FLOATING_POINT: u32 = 1 << 6;
const BTI: u32 = 1 << 7;
const SIGNED_RETURNS: u32 = 1 << 8;
/// The lowest nine bits.
const ALL_SETTINGS: u32 = (1 << 9) - 1;

/// What the header says.
pub(super) struct Header {
    pub(super) flavor: CodeFlavor,
    ranges: [Range<usize>; SECTIONS.len()],
}

const fn fault(fault: ArtifactFault) -> Error {
    Error::Artifact(ArtifactError { section: ArtifactSection::Header, fault })
}

const TRUNCATED: Error = malformed(ArtifactSection::Header, "shorter than its contents");

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(TRUNCATED)
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Result<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// See [`super::stated_length`].
pub(super) fn stated_length(bytes: &[u8]) -> Result<usize> {
    if !bytes.starts_with(&MAGIC) {
        return Err(fault(ArtifactFault::NotAnArtifact));
    }
    match word(bytes, MAGIC.len())? {
        FORMAT => Ok(word(bytes, LENGTH_AT)? as usize),
        found => Err(fault(ArtifactFault::Format { found, known: FORMAT })),
    }
}

impl Header {
    /// Reads it, and checks the whole file against length and checksum.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let stated = stated_length(bytes)?;
        if stated != bytes.len() {
            let (stated, found) = (stated as u64, bytes.len() as u64);
            return Err(fault(ArtifactFault::Length { stated, found }));
        }
        let covered = bytes.get(FLAVOR_AT..).ok_or(TRUNCATED)?;
        if long(bytes, CHECKSUM_AT)? != XxHash64::oneshot(0, covered) {
            return Err(fault(ArtifactFault::Checksum));
        }
        Ok(Self { flavor: read_flavor(bytes)?, ranges: read_table(bytes)? })
    }

    /// Where a section lies.
    pub(super) fn range(&self, section: ArtifactSection) -> Range<usize> {
        let at = SECTIONS.iter().position(|known| *known == section);
        at.and_then(|at| self.ranges.get(at)).cloned().unwrap_or_default()
    }
}

fn read_flavor(bytes: &[u8]) -> Result<CodeFlavor> {
    let number = word(bytes, FLAVOR_AT)?;
    let architecture = u16::try_from(number).ok().and_then(Architecture::from_number);
    let settings = word(bytes, FLAVOR_AT + 4)?;
    if settings & !ALL_SETTINGS != 0 {
        return Err(malformed(ArtifactSection::Header, "a setting that is not known"));
    }
    let has = |setting| settings & setting != 0;
    Ok(CodeFlavor {
        architecture: architecture.ok_or(fault(ArtifactFault::Architecture(number)))?,
        policy: match has(CLONE_ON_READ) {
            true => DeferralPolicy::CloneOnRead,
            false => DeferralPolicy::ZeroCount,
        },
        zeal: has(ZEAL),
        epoch_interruption: has(EPOCHS),
        consume_fuel: has(FUEL),
        hardware_traps: has(HARDWARE_TRAPS),
        speculation_guards: has(SPECULATION_GUARDS),
        floating_point: has(FLOATING_POINT),
        use_bti: has(BTI),
        sign_return_address: has(SIGNED_RETURNS),
        processor: long(bytes, FLAVOR_AT + 8)?,
        layout: long(bytes, FLAVOR_AT + 16)?,
    })
}

fn write_flavor(flavor: &CodeFlavor) -> [u8; TABLE_AT - FLAVOR_AT] {
    // A new field must be written too.
    let CodeFlavor {
        architecture,
        policy,
        zeal,
        epoch_interruption,
        consume_fuel,
        hardware_traps,
        speculation_guards,
        floating_point,
        use_bti,
        sign_return_address,
        processor,
        layout,
    } = *flavor;
    let mut settings = match policy {
        DeferralPolicy::ZeroCount => 0,
        DeferralPolicy::CloneOnRead => CLONE_ON_READ,
    };
    for (setting, is_on) in [
        (ZEAL, zeal),
        (EPOCHS, epoch_interruption),
        (FUEL, consume_fuel),
        (HARDWARE_TRAPS, hardware_traps),
        (SPECULATION_GUARDS, speculation_guards),
        (FLOATING_POINT, floating_point),
        (BTI, use_bti),
        (SIGNED_RETURNS, sign_return_address),
    ] {
        settings |= if is_on { setting } else { 0 };
    }
    let mut bytes = [0; TABLE_AT - FLAVOR_AT];
    bytes[..4].copy_from_slice(&u32::from(architecture.number()).to_le_bytes());
    bytes[4..8].copy_from_slice(&settings.to_le_bytes());
    bytes[8..16].copy_from_slice(&processor.to_le_bytes());
    bytes[16..].copy_from_slice(&layout.to_le_bytes());
    bytes
}

/// Reads the section table. Sections follow each other, with zeros between.
fn read_table(bytes: &[u8]) -> Result<[Range<usize>; SECTIONS.len()]> {
    let broken = |rule| malformed(ArtifactSection::Header, rule);
    let mut ranges = [const { 0..0 }; SECTIONS.len()];
    let mut end = HEADER_BYTES;
    for (at, section) in SECTIONS.iter().enumerate() {
        let row = TABLE_AT + at * ROW_BYTES;
        if word(bytes, row)? != *section as u32 {
            return Err(broken("not the sections of this version"));
        }
        let (start, len) = (word(bytes, row + 4)? as usize, word(bytes, row + 8)? as usize);
        let range =
            behind(end, len).filter(|range| range.start == start && range.end <= bytes.len());
        let range = range.ok_or(broken("a section that does not follow the one before"))?;
        if bytes[end..range.start].iter().any(|byte| *byte != 0) {
            return Err(broken("something between two sections"));
        }
        end = range.end;
        ranges[at] = range;
    }
    match end == bytes.len() {
        true => Ok(ranges),
        false => Err(broken("something behind the last section")),
    }
}

/// Leaves room for the header.
pub(super) fn begin(out: &mut Out) -> Result<()> {
    out.raw(&[0; HEADER_BYTES])
}

/// Fills in the header.
pub(super) fn finish(out: Out, flavor: &CodeFlavor) -> Result<Vec<u8>> {
    let Out { mut bytes, starts, ends } = out;
    let len = bytes.len();
    FILE_BYTES.check(len as u64)?;
    if !starts.iter().map(|(section, _)| section).eq(SECTIONS) {
        return Err(Error::Bug("sections were not written in order"));
    }
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    bytes[MAGIC.len()..LENGTH_AT].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[LENGTH_AT..CHECKSUM_AT].copy_from_slice(&(len as u32).to_le_bytes());
    bytes[FLAVOR_AT..TABLE_AT].copy_from_slice(&write_flavor(flavor));
    let rows = bytes[TABLE_AT..HEADER_BYTES].chunks_exact_mut(ROW_BYTES);
    for ((row, (section, start)), end) in rows.zip(starts).zip(ends.into_iter().chain([len])) {
        row[..4].copy_from_slice(&(section as u32).to_le_bytes());
        row[4..8].copy_from_slice(&(start as u32).to_le_bytes());
        row[8..].copy_from_slice(&((end - start) as u32).to_le_bytes());
    }
    seal(&mut bytes);
    Ok(bytes)
}

/// Makes the checksum right.
pub(super) fn seal(bytes: &mut [u8]) {
    let checksum = XxHash64::oneshot(0, &bytes[FLAVOR_AT..]);
    bytes[CHECKSUM_AT..FLAVOR_AT].copy_from_slice(&checksum.to_le_bytes());
}
