//! [`Content`]: a file's bytes, in chunks that lie over the bytes of an image.
//!
//! Invariants: bytes at or beyond `len` are zeros, or not there; a chunk that is
//! empty stands for the image's bytes up to `image_len`, and zeros after that.

use super::image::ImageBytes;
use crate::fallible::{try_push, try_zeros};
use crate::types::{Errno, Result};
use alloc::vec::Vec;
use core::mem::{replace, take};

/// Bytes of a chunk: a page of most kernels.
pub(super) const CHUNK_BYTES: usize = 4096;

/// A file's bytes.
#[derive(Default)]
pub(super) struct Content {
    image: Option<ImageBytes>,
    /// How much of the image still shows.
    image_len: u64,
    len: u64,
    chunks: Vec<Vec<u8>>,
}

/// A piece of one chunk: which one, and what of it.
struct Piece {
    chunk: usize,
    start: usize,
    len: usize,
}

/// Chunks of a file of this length.
fn chunks_of(len: u64) -> usize {
    len.div_ceil(CHUNK_BYTES as u64) as usize
}

/// The first piece of a range that is not empty.
fn piece(offset: u64, len: usize) -> Piece {
    let start = (offset % CHUNK_BYTES as u64) as usize;
    let chunk = (offset / CHUNK_BYTES as u64) as usize;
    Piece { chunk, start, len: len.min(CHUNK_BYTES - start) }
}

impl Content {
    /// The bytes of an image, which are not copied.
    pub fn of_image(image: ImageBytes) -> Self {
        let len = image.bytes().len() as u64;
        Self { image: Some(image), image_len: len, len, chunks: Vec::new() }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// What a file of this length takes once it is not the image's any more.
    pub fn charge_for(len: u64) -> Option<u64> {
        len.checked_next_multiple_of(CHUNK_BYTES as u64)
    }

    /// Chunks of this range, which is not beyond all numbers, that are not there.
    pub fn missing(&self, offset: u64, len: usize) -> usize {
        let first = (offset / CHUNK_BYTES as u64) as usize;
        let end = chunks_of(offset + len as u64);
        let is_missing = |at: &usize| self.chunks.get(*at).is_none_or(Vec::is_empty);
        (first..end).filter(is_missing).count()
    }

    /// Chunks that are left when it is cut to a length, if any go then.
    pub fn left_by_cut(&self, len: u64) -> Option<usize> {
        Some(chunks_of(len)).filter(|left| *left < self.chunks.len())
    }

    /// Whether all of it is as it is in the image.
    #[cfg(test)]
    fn is_image(&self) -> bool {
        self.chunks.is_empty()
            && self.image.is_some()
            && self.len == self.image_bytes().len() as u64
    }

    /// The image's bytes that show.
    fn image_bytes(&self) -> &[u8] {
        let bytes = self.image.as_ref().map_or(&[][..], ImageBytes::bytes);
        bytes.get(..self.image_len as usize).unwrap_or(bytes)
    }

    /// Copies what the image has from `offset` on; the rest becomes zeros.
    fn copy_image(&self, offset: u64, buffer: &mut [u8]) {
        let image = self.image_bytes();
        let rest = usize::try_from(offset).ok().and_then(|offset| image.get(offset..));
        let rest = rest.unwrap_or_default();
        let (copied, zeros) = buffer.split_at_mut(rest.len().min(buffer.len()));
        copied.copy_from_slice(rest.get(..copied.len()).unwrap_or_default());
        zeros.fill(0);
    }

    /// Reads from `offset` on; returns how much there was.
    pub fn read(&self, mut offset: u64, buffer: &mut [u8]) -> usize {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = there.min(buffer.len());
        let mut rest = buffer.get_mut(..len).unwrap_or_default();
        while !rest.is_empty() {
            let Piece { chunk, start, len } = piece(offset, rest.len());
            let (part, others) = rest.split_at_mut(len);
            let chunk = self.chunks.get(chunk).and_then(|chunk| chunk.get(start..start + len));
            match chunk {
                Some(bytes) => part.copy_from_slice(bytes),
                None => self.copy_image(offset, part),
            }
            (rest, offset) = (others, offset + len as u64);
        }
        len
    }

    /// The chunk, made from a spare one if it is not there.
    fn chunk_mut(&mut self, at: usize, spares: &mut Vec<Vec<u8>>) -> Result<&mut [u8]> {
        if self.chunks.get(at).is_none_or(Vec::is_empty) {
            let mut chunk = spares.pop().ok_or(Errno::Nomem)?;
            self.copy_image(at as u64 * CHUNK_BYTES as u64, &mut chunk);
            if self.chunks.len() <= at {
                let missing = at + 1 - self.chunks.len();
                self.chunks.try_reserve(missing).map_err(|_| Errno::Nomem)?;
                self.chunks.resize_with(at + 1, Vec::new);
            }
            if let Some(place) = self.chunks.get_mut(at) {
                *place = chunk;
            }
        }
        self.chunks.get_mut(at).map(Vec::as_mut_slice).ok_or(Errno::Io)
    }

    /// Writes from `offset` on; returns how much was written before there were no
    /// more spare chunks ([`Self::missing`], [`add_chunks`]). The end of it is within
    /// a file's limits.
    ///
    /// # Errors
    /// [`Errno::Nomem`] if nothing was written.
    pub fn write(
        &mut self,
        offset: u64,
        buffer: &[u8],
        spares: &mut Vec<Vec<u8>>,
    ) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get(done..).filter(|rest| !rest.is_empty()) {
            let Piece { chunk, start, len } = piece(offset + done as u64, rest.len());
            let target = match self.chunk_mut(chunk, spares) {
                Ok(bytes) => bytes.get_mut(start..start + len),
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            };
            if let (Some(target), Some(part)) = (target, rest.get(..len)) {
                target.copy_from_slice(part);
            }
            done += len;
            self.len = self.len.max(offset + done as u64);
        }
        Ok(done)
    }

    /// Cuts it, or appends zeros. Returns what is to be freed. What is left is moved
    /// to `kept`, which is empty; if that has no room for it, chunks are freed here.
    pub fn set_len(&mut self, len: u64, mut kept: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut freed = Vec::new();
        if len < self.len {
            self.image_len = self.image_len.min(len);
            match self.left_by_cut(len) {
                Some(left) if left <= kept.capacity() => {
                    kept.extend(self.chunks.iter_mut().take(left).map(take));
                    freed = replace(&mut self.chunks, kept);
                }
                Some(left) => self.chunks.truncate(left),
                None => {}
            }
            let Piece { chunk, start, .. } = piece(len, CHUNK_BYTES);
            if let Some(tail) = self.chunks.get_mut(chunk).and_then(|last| last.get_mut(start..)) {
                tail.fill(0);
            }
        }
        self.len = len;
        freed
    }
}

/// Appends chunks until there are `count`.
///
/// # Errors
/// [`Errno::Nomem`]; there are fewer then.
pub(super) fn add_chunks(chunks: &mut Vec<Vec<u8>>, count: usize) -> Result<()> {
    while chunks.len() < count {
        try_push(chunks, try_zeros(CHUNK_BYTES)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::vec;

    fn image(bytes: &'static [u8]) -> Content {
        Content::of_image(ImageBytes::whole(Arc::new(bytes)))
    }

    fn write(content: &mut Content, offset: u64, bytes: &[u8]) {
        let mut spares = Vec::new();
        add_chunks(&mut spares, content.missing(offset, bytes.len())).unwrap();
        assert_eq!(content.write(offset, bytes, &mut spares), Ok(bytes.len()));
        assert!(spares.is_empty(), "more was allocated than needed");
    }

    /// Cuts it, or appends zeros; returns how many chunks were handed back.
    fn set_len(content: &mut Content, len: u64) -> usize {
        let kept = Vec::with_capacity(content.left_by_cut(len).unwrap_or(0));
        content.set_len(len, kept).iter().filter(|chunk| !chunk.is_empty()).count()
    }

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0xaa; content.len() as usize + 3];
        let read = content.read(0, &mut bytes);
        assert_eq!(read as u64, content.len());
        bytes.truncate(read);
        bytes
    }

    #[test]
    fn an_image_shows_until_it_is_written_over() {
        let mut content = image(b"hello world");
        assert!(content.is_image());
        assert_eq!(all(&content), b"hello world");
        write(&mut content, 6, b"W");
        assert!(!content.is_image());
        assert_eq!(all(&content), b"hello World");
        write(&mut content, 9000, b"end");
        assert_eq!(content.len(), 9003);
        assert_eq!(all(&content)[11..9000], [0; 8989]);
        assert_eq!(&all(&content)[9000..], b"end");
    }

    #[test]
    fn what_was_cut_does_not_come_back() {
        let mut content = image(b"secret");
        set_len(&mut content, 2);
        set_len(&mut content, 6);
        assert_eq!(all(&content), b"se\0\0\0\0");
        let mut content = Content::default();
        write(&mut content, 0, &[7; 5000]);
        set_len(&mut content, 4097);
        set_len(&mut content, 5000);
        assert_eq!((all(&content)[4096], all(&content)[4097]), (7, 0));
        assert_eq!(set_len(&mut content, 4096), 1);
        set_len(&mut content, 4098);
        assert_eq!(&all(&content)[4095..], [7, 0, 0]);
        set_len(&mut content, 0);
        assert_eq!(all(&content), b"");
    }

    #[test]
    fn what_is_cut_is_handed_back() {
        let mut content = Content::default();
        write(&mut content, 0, &[7; 10 * CHUNK_BYTES]);
        assert_eq!(set_len(&mut content, 8 * CHUNK_BYTES as u64 - 1), 2);
        assert_eq!(all(&content), [7; 8 * CHUNK_BYTES - 1]);
        // Without room for what is left, it is right all the same.
        assert_eq!(content.set_len(5000, Vec::new()).len(), 0);
        assert_eq!(all(&content), [7; 5000]);
        assert_eq!(content.set_len(0, Vec::new()).len(), 2);
        assert_eq!((content.len(), content.chunks.len()), (0, 0));
    }

    #[test]
    fn writing_takes_spare_chunks_only() {
        let mut content = Content::default();
        assert_eq!(content.write(0, &[1], &mut Vec::new()), Err(Errno::Nomem));
        assert_eq!(content.missing(CHUNK_BYTES as u64 - 1, 2), 2);
        let mut spares = Vec::new();
        add_chunks(&mut spares, 1).unwrap();
        assert_eq!(content.write(CHUNK_BYTES as u64 - 1, &[1, 2], &mut spares), Ok(1));
        assert_eq!(content.missing(CHUNK_BYTES as u64 - 1, 2), 1);
        assert_eq!(content.missing(0, 0), 0);
    }

    #[test]
    fn holes_take_no_chunks() {
        let mut content = Content::default();
        write(&mut content, 1 << 20, b"x");
        assert_eq!(content.chunks.iter().filter(|chunk| !chunk.is_empty()).count(), 1);
        let mut byte = [9];
        assert_eq!((content.read(5, &mut byte), byte), (1, [0]));
        assert_eq!(content.read(u64::MAX, &mut byte), 0);
    }
}
