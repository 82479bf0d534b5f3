//! [`Lasting`] and [`Text`]: parts of an artifact that are owned, or stay where
//! they lie for as long as the program runs (in a kernel's image, for instance).

use crate::error::Result;
#[cfg(feature = "compile")]
use crate::fallible::try_copied;
use crate::fallible::{try_boxed_slice, try_string, try_vec_with_capacity};
use bytemuck::Pod;
use core::ops::Deref;
use std_alloc::{boxed::Box, vec::Vec};

/// Items that are owned, or that lie somewhere for ever.
#[derive(Debug)]
pub enum Lasting<T: 'static> {
    /// Owned.
    Owned(Box<[T]>),
    /// Somewhere, for ever.
    Static(&'static [T]),
}

impl<T> Default for Lasting<T> {
    fn default() -> Self {
        Self::Static(&[])
    }
}

impl<T> Deref for Lasting<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(items) => items,
            Self::Static(items) => items,
        }
    }
}

impl<T> Lasting<T> {
    /// These items.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] if spare capacity cannot be given back in place.
    pub fn owned(items: Vec<T>) -> Result<Self> {
        Ok(Self::Owned(try_boxed_slice(items)?))
    }

    /// The same items: owned, unless they lie somewhere for ever.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    #[cfg(feature = "compile")]
    pub(super) fn try_clone(&self) -> Result<Self>
    where
        T: Copy,
    {
        match self {
            Self::Owned(items) => Self::owned(try_copied(items)?),
            Self::Static(items) => Ok(Self::Static(items)),
        }
    }
}

impl<T: Pod> Lasting<T> {
    /// The items that `bytes` consist of, in the order of bytes of this processor.
    /// They are copied, unless `lasting` are the same bytes, aligned for `T`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(super) fn read(bytes: &[u8], lasting: Option<&'static [u8]>) -> Result<Self> {
        if let Some(Ok(items)) = lasting.map(bytemuck::try_cast_slice) {
            return Ok(Self::Static(items));
        }
        let count = bytes.len() / size_of::<T>();
        let mut items = try_vec_with_capacity(count)?;
        items.resize(count, T::zeroed());
        bytemuck::cast_slice_mut(&mut items).copy_from_slice(&bytes[..count * size_of::<T>()]);
        Self::owned(items)
    }
}

const _: () = assert!(cfg!(target_endian = "little"), "artifacts are little-endian");

/// A string that is owned, or that lies somewhere for ever.
#[derive(Debug)]
pub enum Text {
    /// Owned.
    Owned(Box<str>),
    /// Somewhere, for ever.
    Static(&'static str),
}

impl Default for Text {
    fn default() -> Self {
        Self::Static("")
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Owned(text) => text,
            Self::Static(text) => text,
        }
    }
}

impl Text {
    /// A copy of `text`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn copied(text: &str) -> Result<Self> {
        Ok(Self::Owned(try_string(text)?.into_boxed_str()))
    }

    /// The same text: owned, unless it lies somewhere for ever.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    #[cfg(feature = "compile")]
    pub(super) fn try_clone(&self) -> Result<Self> {
        match self {
            Self::Owned(text) => Self::copied(text),
            Self::Static(text) => Ok(Self::Static(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(8))]
    struct Aligned([u8; 9]);
    static BYTES: Aligned = Aligned([1, 0, 0, 0, 2, 0, 0, 0, 3]);

    #[test]
    fn aligned_items_stay_where_they_are_and_others_are_copied() {
        let aligned: &'static [u8] = &BYTES.0[..8];
        let items = Lasting::<u32>::read(aligned, Some(aligned)).unwrap();
        assert!(matches!(items, Lasting::Static(_)));
        assert_eq!(*items, [1, 2]);
        let shifted: &'static [u8] = &BYTES.0[1..9];
        let items = Lasting::<u32>::read(shifted, Some(shifted)).unwrap();
        assert!(matches!(items, Lasting::Owned(_)));
        assert_eq!(*items, [2 << 24, 3 << 24]);
        let items = Lasting::<u32>::read(aligned, None).unwrap();
        assert!(matches!(items, Lasting::Owned(_)));
    }
}
