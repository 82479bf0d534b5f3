//! Images: archives from which a file system is made. Contents are not copied.

use super::ImageError;
use crate::types::Filetype;
use alloc::string::String;
use alloc::sync::Arc;
use core::ops::Range;

/// Whoever holds an image.
pub(super) type Image = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Part of an image.
#[derive(Clone)]
pub(super) struct ImageBytes {
    image: Image,
    range: Range<usize>,
}

impl ImageBytes {
    pub fn whole(image: Image) -> Self {
        let range = 0..(*image).as_ref().len();
        Self { image, range }
    }

    pub fn part(&self, range: Range<usize>) -> Self {
        Self { image: self.image.clone(), range }
    }

    pub fn bytes(&self) -> &[u8] {
        (*self.image).as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

/// Something in an archive.
#[derive(Debug)]
pub(super) struct Member {
    /// Where it is in the archive.
    pub offset: usize,
    pub path: String,
    pub kind: MemberKind,
    /// Nanoseconds since 1970.
    pub modified: u64,
}

#[derive(Debug)]
pub(super) enum MemberKind {
    File(Range<usize>),
    Directory,
    Symlink(String),
    /// Another name of the member with this path.
    Hardlink(String),
    /// What guests have no use for: a device, a pipe.
    Other,
}

impl MemberKind {
    pub fn of(filetype: Filetype, content: Range<usize>, target: String) -> Self {
        match filetype {
            Filetype::RegularFile => MemberKind::File(content),
            Filetype::Directory => MemberKind::Directory,
            Filetype::SymbolicLink => MemberKind::Symlink(target),
            _ => MemberKind::Other,
        }
    }
}

/// Passes the members of an archive to `each`, in order.
///
/// # Errors
/// [`ImageError`] where it is malformed, and those of `each`.
pub(super) fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(Member) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    match super::cpio::is_cpio(bytes) {
        true => super::cpio::read(bytes, each),
        false => super::tar::read(bytes, each),
    }
}

/// Part of an archive.
pub(super) fn slice(bytes: &[u8], start: usize, len: usize) -> Result<&[u8], ImageError> {
    let end = start.checked_add(len);
    let slice = end.and_then(|end| bytes.get(start..end));
    slice.ok_or(ImageError { offset: start, what: "the archive ends too early" })
}

/// Text of an archive.
pub(super) fn text(bytes: &[u8], offset: usize) -> Result<String, ImageError> {
    let text = core::str::from_utf8(bytes)
        .map_err(|_| ImageError { offset, what: "a name that is not UTF-8" })?;
    crate::fallible::try_string(text).map_err(|_| ImageError { offset, what: "out of memory" })
}
