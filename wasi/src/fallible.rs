//! Allocation that fails with [`Errno::Nomem`].

use crate::types::{Errno, Result};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Appends an item.
pub fn try_push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    list.try_reserve(1).map_err(|_| Errno::Nomem)?;
    list.push(item);
    Ok(())
}

/// Moves `value` to the heap. Room for it is asked for first, since boxes have no
/// stable fallible constructor; only a competing allocation in between can make
/// the real one fail.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    Vec::<T>::new().try_reserve_exact(1).map_err(|_| Errno::Nomem)?;
    Ok(Box::new(value))
}

/// Copies a string.
pub fn try_string(text: &str) -> Result<String> {
    let mut copy = String::new();
    try_push_str(&mut copy, text)?;
    Ok(copy)
}

/// Appends to a string.
pub fn try_push_str(text: &mut String, more: &str) -> Result<()> {
    text.try_reserve(more.len()).map_err(|_| Errno::Nomem)?;
    text.push_str(more);
    Ok(())
}

/// That many zeros.
pub fn try_zeros(len: usize) -> Result<Vec<u8>> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(len).map_err(|_| Errno::Nomem)?;
    zeros.resize(len, 0);
    Ok(zeros)
}
