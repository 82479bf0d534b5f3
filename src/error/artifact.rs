//! [`ArtifactError`]: why the bytes of an artifact were refused, and in which
//! part of it the fault lies.

use core::fmt;

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident = $id:literal => $text:literal,)+) => {
        /// A part of an artifact's file (`docs/artifact-format.md`), by its number
        /// in the section table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ArtifactSection { $($(#[$doc])* $name = $id,)+ }

        impl ArtifactSection {
            /// Every section, in the order of the file.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

sections! {
    /// What comes before the sections: header and section table.
    Header = 0 => "header",
    /// Function types.
    Types = 1 => "types",
    /// Imports.
    Imports = 2 => "imports",
    /// Types of the functions that the module defines.
    Functions = 3 => "functions",
    /// Functions that can be reached from outside.
    Escapes = 4 => "escapes",
    /// Tables that the module defines.
    Tables = 5 => "tables",
    /// Memories that the module defines.
    Memories = 6 => "memories",
    /// Globals that the module defines.
    Globals = 7 => "globals",
    /// Exports.
    Exports = 8 => "exports",
    /// The start function.
    Start = 9 => "start",
    /// Element segments.
    Elements = 10 => "elements",
    /// Data segments, without their bytes.
    Data = 11 => "data",
    /// Bytes of the data segments.
    DataBytes = 12 => "data bytes",
    /// Names of the module and its functions.
    Names = 13 => "names",
    /// Where the code of each function lies.
    Ranges = 14 => "ranges",
    /// Where the code of each entry shim lies.
    EntryShims = 15 => "entry shims",
    /// Where the code of each exit stub lies.
    ExitStubs = 16 => "exit stubs",
    /// Where the raise thunk lies.
    RaiseThunk = 17 => "raise thunk",
    /// Stack maps.
    StackMaps = 18 => "stack maps",
    /// The Wasm instruction of each call and check.
    Sites = 19 => "sites",
    /// Machine code.
    Code = 20 => "code",
    /// What may follow the artifact: its signature.
    Signature = 21 => "signature",
}

/// Why an artifact was refused. What it was compiled for is compared apart:
/// [`Misuse::WrongFlavor`](super::Misuse::WrongFlavor).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtifactError {
    /// Where.
    pub section: ArtifactSection,
    /// Why.
    pub fault: ArtifactFault,
}

/// What is wrong with an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactFault {
    /// The bytes do not begin as artifacts do.
    NotAnArtifact,
    /// Another version of the format.
    Format {
        /// The version of these bytes.
        found: u32,
        /// The version that this crate reads and writes.
        known: u32,
    },
    /// An architecture that this crate does not know, by its number in ELF files.
    Architecture(u32),
    /// The bytes are fewer or more than the header says.
    Length {
        /// What the header says.
        stated: u64,
        /// What was given.
        found: u64,
    },
    /// The checksum does not match: the bytes were damaged.
    Checksum,
    /// The section breaks a rule of the format, which this names.
    Malformed(&'static str),
    /// A signature was wanted, and there is none.
    Unsigned,
    /// Signed with a key that is not trusted.
    UntrustedKey,
    /// Not what the holder of that key has signed.
    BadSignature,
    /// An artifact is followed by what is not a signature.
    TrailingBytes,
    /// An [`ArtifactPolicy`](crate::ArtifactPolicy) does not vouch for the bytes.
    Refused(&'static str),
}

impl fmt::Display for ArtifactSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "artifact refused: {}: {}", self.section, self.fault)
    }
}

impl fmt::Display for ArtifactFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnArtifact => "these bytes are no artifact",
            Self::Format { found, known } => {
                let age = if found > known { "newer" } else { "older" };
                return write!(f, "{age} format version {found}, this is version {known}");
            }
            Self::Architecture(number) => return write!(f, "unknown architecture {number}"),
            Self::Length { stated, found } => {
                return write!(f, "{stated} bytes stated, {found} given");
            }
            Self::Checksum => "wrong checksum",
            Self::Malformed(what) | Self::Refused(what) => what,
            Self::Unsigned => "no signature",
            Self::UntrustedKey => "signed with a key that is not trusted",
            Self::BadSignature => "the signature does not match",
            Self::TrailingBytes => "bytes that are no signature",
        })
    }
}

impl core::error::Error for ArtifactError {}
