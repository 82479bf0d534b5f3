//! `kernref disassemble`: machine code, with its stack maps and sites.

use crate::Result;
use crate::code::{FunctionNames, Piece, pieces};
use crate::files::{self, Opened, hex};
use kernref::__internals::ArtifactParts;
use kernref::Architecture;
use std::fmt::Write as _;
use std::path::PathBuf;
use yaxpeax_arch::{Decoder, LengthedInstruction, U8Reader};

/// Arguments of `kernref disassemble`.
#[derive(clap::Args)]
#[command(after_help = "\
Behind a call: the frame's bytes below the frame pointer, and how far below it
each live reference lies. Behind a check: its trap. Both with the place of the Wasm
instruction in the module.

Examples:
  kernref disassemble app.kna
  kernref disassemble app.kna --function run --bytes")]
pub struct Args {
    /// An artifact.
    file: PathBuf,
    /// Only the function with this name or index.
    #[arg(short, long, value_name = "NAME|INDEX")]
    function: Option<String>,
    /// Show the bytes of each instruction.
    #[arg(long)]
    bytes: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let bytes = files::artifact(&args.file)?;
    let Opened { parts, .. } = Opened::new(&args.file, &bytes)?;
    let names = FunctionNames::new(&parts.info);
    let mut pieces = pieces(&parts, &names);
    if let Some(wanted) = &args.function {
        let is_wanted =
            |index: u32| wanted.parse() == Ok(index) || names.get(index) == Some(wanted);
        pieces.retain(|piece| piece.function.is_some_and(is_wanted));
        if pieces.is_empty() {
            return Err(format!("no function is called `{wanted}`"));
        }
    }
    let notes = notes(&parts);
    for piece in &pieces {
        files::print(&(listing(&parts, piece, &notes, args.bytes) + "\n"));
    }
    Ok(())
}

/// What is to be said at an offset, sorted by offset: what returns there, and
/// what is checked there.
fn notes(parts: &ArtifactParts<&[u8]>) -> Vec<(u32, String)> {
    let mut notes = Vec::new();
    for (offset, frame_bytes, distances) in parts.stack_maps.iter() {
        let mut note = format!("call; frame {frame_bytes}");
        if !distances.is_empty() {
            let _ = write!(note, ", references {distances:?}");
        }
        notes.push((offset, note));
    }
    for site in parts.sites.iter() {
        let note = match site.trap {
            None => format!("wasm {:#x}", site.module_offset),
            Some(trap) => {
                format!("check at {:#x}, wasm {:#x}: {trap}", site.code_offset, site.module_offset)
            }
        };
        notes.push((site.return_offset, note));
    }
    notes.sort();
    notes
}

/// The text of a piece.
fn listing(
    parts: &ArtifactParts<&[u8]>,
    piece: &Piece,
    notes: &[(u32, String)],
    with_bytes: bool,
) -> String {
    let range = piece.range.start as usize..piece.range.end as usize;
    let mut text = format!("{:#x} {}: {} bytes\n", range.start, piece.name, range.len());
    let (code, mut at) = (&parts.code[range.clone()], 0);
    while at < code.len() {
        let (len, instruction) = decode(parts.flavor.architecture, &code[at..]);
        let len = len.clamp(1, code.len() - at);
        let bytes = if with_bytes { hex(&code[at..at + len]) } else { String::new() };
        let width = if with_bytes { 24 } else { 0 };
        let start = range.start + at;
        let _ = write!(text, "  {start:8x}  {bytes:width$}{instruction}");
        at += len;
        let first = notes.partition_point(|(offset, _)| *offset as usize <= start);
        let here =
            notes[first..].iter().take_while(|(offset, _)| *offset as usize <= range.start + at);
        for (_, note) in here {
            let _ = write!(text, "  ; {note}");
        }
        text.push('\n');
    }
    text
}

/// Length and text of the first instruction. Padding and data are bytes.
fn decode(architecture: Architecture, code: &[u8]) -> (usize, String) {
    let mut reader = U8Reader::new(code);
    let (len, text) = match architecture {
        Architecture::X86_64 => {
            match yaxpeax_x86::amd64::InstDecoder::default().decode(&mut reader) {
                Ok(instruction) => {
                    (instruction.len().to_const() as usize, Some(instruction.to_string()))
                }
                Err(_) => (1, None),
            }
        }
        Architecture::Aarch64 => {
            let decoder = yaxpeax_arm::armv8::a64::InstDecoder::default();
            (4, decoder.decode(&mut reader).ok().map(|instruction| instruction.to_string()))
        }
        _ => (1, None),
    };
    let len = len.min(code.len());
    (len, text.unwrap_or_else(|| format!("bytes {}", hex(&code[..len]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_both_architectures_are_shown() {
        let (len, text) = decode(Architecture::X86_64, &[0x48, 0x89, 0xe5, 0xc3]);
        assert_eq!((len, &*text), (3, "mov rbp, rsp"));
        let (len, text) = decode(Architecture::Aarch64, &[0xc0, 0x03, 0x5f, 0xd6]);
        assert_eq!((len, &*text), (4, "ret"));
        let (len, text) = decode(Architecture::X86_64, &[0x06]);
        assert_eq!((len, &*text), (1, "bytes 06"));
        assert_eq!(decode(Architecture::Aarch64, &[1, 2]).1, "bytes 0102");
    }
}
