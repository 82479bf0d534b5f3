//! A Rust guest that owns kernel objects: handles are ordinary values with a
//! type and a destructor. Rust has no externref; the `externref` crate keeps
//! the references in a table of the module and shows Rust only the index, and
//! its processor gives imports and exports their true signatures after linking.
//!
//! Exports:
//! - `run() -> i32`: 0, or the number of the step that failed;
//! - `checksum(block) -> i64`: FNV-1a over a block that the host passes in;
//! - `duplicate(block) -> block`: a new block with the same bytes; a trap if
//!   there is no memory.

mod files;
#[allow(missing_docs, reason = "`externref` makes items without")]
mod kernel;

use core::fmt::Write;
use externref::{Resource, externref};
use files::{Error, Files};
use kernel::{Block, Clock, Console, Counter};
use std::collections::BTreeMap;

/// Steps of the exercise; each makes at most three blocks.
const STEPS: u32 = 96;
const NAMES: [&str; 6] = ["boot.log", "etc/motd", "etc/hosts", "tmp/a", "tmp/b", "var/spool"];
/// A file that grows beyond this is truncated.
const LARGE_BYTES: usize = 1200;

/// What `run` returns.
#[repr(i32)]
enum Status {
    Ok = 0,
    NoDevice = 1,
    FileError = 2,
    WrongContents = 3,
    WrongCount = 4,
}

impl From<Error> for Status {
    fn from(_: Error) -> Self {
        Self::FileError
    }
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Appends to, truncates, removes and compares files. `shadow` holds the
/// expected contents in linear memory. Returns the number of blocks taken.
fn exercise(
    files: &mut Files,
    shadow: &mut BTreeMap<&'static str, Vec<u8>>,
    counter: &Counter,
) -> Result<i64, Status> {
    let mut taken = 0;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..STEPS {
        let name = NAMES[(next(&mut state) >> 33) as usize % NAMES.len()];
        let choice = (next(&mut state) >> 33) % 8;
        match shadow.get_mut(name) {
            Some(_) if choice == 0 => {
                files.remove(name)?;
                shadow.remove(name);
                if files.read(name) != Err(Error::NotFound) {
                    return Err(Status::WrongContents);
                }
            }
            Some(expected) if expected.len() > LARGE_BYTES => {
                let keep = (next(&mut state) >> 33) as usize % LARGE_BYTES;
                files.truncate(name, keep)?;
                expected.truncate(keep);
            }
            _ => {
                let len = (next(&mut state) >> 33) as usize % 500;
                let bytes: Vec<u8> = (0..len).map(|_| (next(&mut state) >> 40) as u8).collect();
                let blocks = files.append(name, &bytes)? as i64;
                shadow.entry(name).or_default().extend(&bytes);
                counter.add(blocks);
                taken += blocks;
            }
        }
        if let Some(expected) = shadow.get(name)
            && files.read(name)? != *expected
        {
            return Err(Status::WrongContents);
        }
    }
    for (name, expected) in shadow {
        if files.read(name)? != *expected {
            return Err(Status::WrongContents);
        }
    }
    Ok(taken)
}

fn perform() -> Result<(), Status> {
    let mut console = Console::open().ok_or(Status::NoDevice)?;
    let clock = Clock::open().ok_or(Status::NoDevice)?;
    let counter = Counter::open("rust.blocks").ok_or(Status::NoDevice)?;
    // The console's `write_str` never fails, nor do these.
    let _ = writeln!(console, "Rust guest: files in kernel memory");
    let started_ns = clock.now_ns();
    let before = counter.add(0);
    let mut files = Files::default();
    let mut shadow = BTreeMap::new();
    let taken = exercise(&mut files, &mut shadow, &counter)?;
    // Others may also count under this name.
    if counter.add(0) - before < taken {
        return Err(Status::WrongCount);
    }
    let (count, held) = files.census();
    let micros = (clock.now_ns() - started_ns) / 1000;
    let _ = writeln!(
        console,
        "Rust guest: {count} files in {held} blocks, {taken} blocks taken, {micros} us"
    );
    Ok(())
    // The files drop their blocks here, then the devices go.
}

/// Entry point: returns 0, or what went wrong.
// SAFETY: no other item of the module is called `run`.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    match perform() {
        Ok(()) => Status::Ok as i32,
        Err(status) => status as i32,
    }
}

/// FNV-1a over a block's bytes; -1 if they cannot be read.
#[inline(never)]
fn sum(block: &Block) -> i64 {
    let mut bytes = vec![0; block.len_bytes()];
    if block.read(0, &mut bytes).is_err() {
        return -1;
    }
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step) as i64
}

/// A new block with the same bytes.
#[inline(never)]
fn copy(block: &Block) -> Block {
    let mut bytes = vec![0; block.len_bytes()];
    let mut copy = Block::new(bytes.len()).expect("no memory for a block");
    if block.read(0, &mut bytes).and_then(|()| copy.write(0, &bytes)).is_err() {
        panic!("a block is shorter than it says");
    }
    copy
}

// Exports that take or return references only forward to functions that are not
// inlined, and do not return `Option`. The processor finds the local holding a
// reference by the instruction after the call; where branches meet, the
// compiler may have reused that local, and the module would be invalid.

/// The checksum of a block passed by the host.
// SAFETY: no other item of the module is called `checksum`.
#[externref]
#[unsafe(export_name = "checksum")]
pub extern "C" fn checksum(block: Resource<kernel::kind::Block>) -> i64 {
    sum(&Block::from_resource(block))
}

/// A copy of a block passed by the host.
///
/// # Panics
///
/// If there is no memory for it.
// SAFETY: no other item of the module is called `duplicate`.
#[externref]
#[unsafe(export_name = "duplicate")]
pub extern "C" fn duplicate(block: Resource<kernel::kind::Block>) -> Resource<kernel::kind::Block> {
    copy(&Block::from_resource(block)).into_resource()
}
