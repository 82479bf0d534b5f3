//! The host's input: arguments and files, at a fixed address in RAM.
//!
//! ```text
//! "KREFPAY1" | u32 number of arguments | each: u32 length, bytes
//!            | u32 number of files     | each: u32 name length, name, u32 length, bytes
//! ```
//! All little endian, unaligned. Written by `xtask` (`payload.rs` there).

use crate::arch::RAM_START;
use alloc::vec::Vec;

const START: usize = RAM_START + (896 << 20);
const LIMIT_BYTES: usize = 127 << 20;
const MAGIC: &[u8; 8] = b"KREFPAY1";

/// Arguments and files.
#[derive(Default)]
pub struct Payload {
    /// Arguments; the first is the command.
    pub args: Vec<&'static str>,
    /// Names and contents.
    pub files: Vec<(&'static str, &'static [u8])>,
}

struct Reader(&'static [u8]);

impl Reader {
    fn u32(&mut self) -> Option<u32> {
        let (head, tail) = self.0.split_first_chunk::<4>()?;
        self.0 = tail;
        Some(u32::from_le_bytes(*head))
    }

    fn bytes(&mut self) -> Option<&'static [u8]> {
        let len = self.u32()? as usize;
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn text(&mut self) -> Option<&'static str> {
        core::str::from_utf8(self.bytes()?).ok()
    }
}

/// Reads the payload; empty if there is none.
pub fn read() -> Payload {
    // SAFETY: RAM that the kernel never writes and uses for nothing else.
    let bytes = unsafe { core::slice::from_raw_parts(START as *const u8, LIMIT_BYTES) };
    match bytes.strip_prefix(MAGIC) {
        Some(rest) => parse(Reader(rest)).unwrap_or_default(),
        None => Payload::default(),
    }
}

fn parse(mut reader: Reader) -> Option<Payload> {
    let mut payload = Payload::default();
    for _ in 0..reader.u32()? {
        payload.args.push(reader.text()?);
    }
    for _ in 0..reader.u32()? {
        let name = reader.text()?;
        payload.files.push((name, reader.bytes()?));
    }
    Some(payload)
}
