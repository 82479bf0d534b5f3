//! Fallible allocation: whatever a guest can cause to be allocated goes through
//! here, and exhaustion is an error that carries the requested size.
//!
//! It knows no other error, so that errors themselves can be allocated with it.

use core::alloc::Layout;
use core::fmt::{self, Display, Write};
use core::ptr::NonNull;
#[cfg(feature = "std")]
use std_alloc::sync::Arc;
use std_alloc::{boxed::Box, string::String, vec::Vec};

/// Memory that was requested is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Size of the refused request in bytes.
    pub bytes: usize,
}

type Result<T> = core::result::Result<T, OutOfMemory>;

fn refused(bytes: usize) -> OutOfMemory {
    OutOfMemory { bytes }
}

/// Moves `value` to the heap.
///
/// # Errors
/// [`OutOfMemory`]; the value is dropped.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return Ok(Box::new(value));
    }
    // SAFETY: the layout has a size.
    let memory = NonNull::new(unsafe { std_alloc::alloc::alloc(layout) }.cast::<T>())
        .ok_or_else(|| refused(layout.size()))?;
    // SAFETY: fresh memory of the layout of `T`, from the allocator that `Box` frees with.
    unsafe {
        memory.write(value);
        Ok(Box::from_raw(memory.as_ptr()))
    }
}

/// An empty vector with room for `capacity` items.
///
/// # Errors
/// [`OutOfMemory`].
pub fn try_vec_with_capacity<T>(capacity: usize) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(capacity)
        .map_err(|_| refused(capacity.saturating_mul(core::mem::size_of::<T>())))?;
    Ok(vec)
}

/// The same items.
///
/// # Errors
/// [`OutOfMemory`].
#[cfg(feature = "compile")]
pub fn try_copied<T: Copy>(items: &[T]) -> Result<Vec<T>> {
    let mut copy = try_vec_with_capacity(items.len())?;
    copy.extend_from_slice(items);
    Ok(copy)
}

/// Appends an item.
///
/// # Errors
/// [`OutOfMemory`]; the vector is as before.
pub fn try_push<T>(vec: &mut Vec<T>, item: T) -> Result<()> {
    vec.try_reserve(1).map_err(|_| refused(core::mem::size_of::<T>()))?;
    vec.push(item);
    Ok(())
}

/// The items as a boxed slice.
///
/// # Errors
/// [`OutOfMemory`] if spare capacity cannot be given back in place.
pub fn try_boxed_slice<T>(mut vec: Vec<T>) -> Result<Box<[T]>> {
    if vec.len() != vec.capacity() {
        let mut exact = try_vec_with_capacity(vec.len())?;
        exact.append(&mut vec);
        vec = exact;
    }
    Ok(vec.into_boxed_slice())
}

/// Shares `value`.
///
/// # Errors
/// [`OutOfMemory`].
///
/// The standard library has no stable fallible constructor for `Arc`, so room
/// for it is asked for first; only a competing allocation in between could
/// still make the real one fail.
#[cfg(feature = "std")]
pub fn try_arc<T>(value: T) -> Result<Arc<T>> {
    let layout = Layout::new::<(usize, usize, T)>();
    // SAFETY: the layout has a size; the memory is given back unused.
    unsafe {
        let probe = std_alloc::alloc::alloc(layout);
        if probe.is_null() {
            return Err(refused(layout.size()));
        }
        std_alloc::alloc::dealloc(probe, layout);
    }
    Ok(Arc::new(value))
}

/// Copies a string.
///
/// # Errors
/// [`OutOfMemory`].
pub fn try_string(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| refused(text.len()))?;
    copy.push_str(text);
    Ok(copy)
}

/// A string whose growth can fail.
struct Text {
    text: String,
    refused_bytes: usize,
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.text.try_reserve(more.len()).is_err() {
            self.refused_bytes = more.len();
            return Err(fmt::Error);
        }
        self.text.push_str(more);
        Ok(())
    }
}

/// The text that `value` displays.
///
/// # Errors
/// [`OutOfMemory`].
pub fn try_to_string(value: &impl Display) -> Result<String> {
    let mut text = Text { text: String::new(), refused_bytes: 0 };
    match write!(text, "{value}") {
        Ok(()) => Ok(text.text),
        Err(fmt::Error) => Err(refused(text.refused_bytes)),
    }
}
