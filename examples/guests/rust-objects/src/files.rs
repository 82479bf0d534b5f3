//! A tiny file system in kernel memory: a file is a name and a list of blocks.
//! The handles are on the heap, in vectors inside a map, like any Rust value;
//! removing a file drops its blocks.

use crate::kernel::{Block, OutOfRange};
use std::collections::BTreeMap;

/// Each block's size; a file's last block may be used in part.
pub const BLOCK_BYTES: usize = 256;

/// Why an operation on a file failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// No file has this name.
    NotFound,
    /// The kernel provided no block.
    NoMemory,
    /// A block is shorter than it should be.
    Damaged,
}

impl From<OutOfRange> for Error {
    fn from(_: OutOfRange) -> Self {
        Self::Damaged
    }
}

#[derive(Default)]
struct File {
    blocks: Vec<Block>,
    len_bytes: usize,
}

/// All files.
#[derive(Default)]
pub struct Files {
    by_name: BTreeMap<String, File>,
}

impl Files {
    /// Appends to a file, creating it if necessary. Returns the number of
    /// blocks this took.
    pub fn append(&mut self, name: &str, mut bytes: &[u8]) -> Result<usize, Error> {
        let file = self.by_name.entry(name.to_owned()).or_default();
        let mut taken = 0;
        while !bytes.is_empty() {
            let inside = file.len_bytes % BLOCK_BYTES;
            if inside == 0 {
                file.blocks.push(Block::new(BLOCK_BYTES).ok_or(Error::NoMemory)?);
                taken += 1;
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - inside));
            file.blocks.last_mut().ok_or(Error::Damaged)?.write(inside, piece)?;
            file.len_bytes += piece.len();
            bytes = rest;
        }
        Ok(taken)
    }

    /// A file's contents.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let file = self.by_name.get(name).ok_or(Error::NotFound)?;
        let mut bytes = vec![0; file.len_bytes];
        for (block, piece) in file.blocks.iter().zip(bytes.chunks_mut(BLOCK_BYTES)) {
            block.read(0, piece)?;
        }
        Ok(bytes)
    }

    /// Truncates a file; blocks that are no longer needed are dropped.
    pub fn truncate(&mut self, name: &str, len_bytes: usize) -> Result<(), Error> {
        let file = self.by_name.get_mut(name).ok_or(Error::NotFound)?;
        file.len_bytes = file.len_bytes.min(len_bytes);
        file.blocks.truncate(file.len_bytes.div_ceil(BLOCK_BYTES));
        Ok(())
    }

    /// Removes a file and drops its blocks.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        self.by_name.remove(name).map(drop).ok_or(Error::NotFound)
    }

    /// The number of files, and of the blocks they hold.
    pub fn census(&self) -> (usize, usize) {
        (self.by_name.len(), self.by_name.values().map(|file| file.blocks.len()).sum())
    }
}
