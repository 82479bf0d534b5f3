//! [`FuncNames`]: the names of functions, read in place.
//!
//! ```text
//! entries: [(function, end of its name in the text)]  functions strictly increasing
//! text:    all names, one behind the other
//! ```

use super::lasting::{Lasting, Text};
use crate::abi::FuncIndex;
#[cfg(feature = "compile")]
use crate::error::Result;
#[cfg(feature = "compile")]
use crate::fallible::try_vec_with_capacity;
#[cfg(feature = "compile")]
use std_alloc::string::String;

/// Names of functions.
#[derive(Debug, Default)]
pub struct FuncNames {
    pub(super) entries: Lasting<[u32; 2]>,
    pub(super) text: Text,
}

impl FuncNames {
    /// These names, in increasing order of their functions.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    #[cfg(feature = "compile")]
    pub fn new<'n>(names: impl Iterator<Item = (FuncIndex, &'n str)> + Clone) -> Result<Self> {
        let mut entries = try_vec_with_capacity(names.clone().count())?;
        let mut text = String::new();
        for (func, name) in names {
            text.try_reserve(name.len())
                .map_err(|_| crate::fallible::OutOfMemory { bytes: name.len() })?;
            text.push_str(name);
            entries.push([func.0, text.len() as u32]);
        }
        Ok(Self { entries: Lasting::owned(entries)?, text: Text::copied(&text)? })
    }

    /// A function's name.
    pub fn get(&self, func: FuncIndex) -> Option<&str> {
        let at = self.entries.binary_search_by_key(&func.0, |[func, _]| *func).ok()?;
        self.name_at(at)
    }

    fn name_at(&self, at: usize) -> Option<&str> {
        let start = match at.checked_sub(1) {
            Some(before) => self.entries.get(before)?[1],
            None => 0,
        };
        self.text.get(start as usize..self.entries.get(at)?[1] as usize)
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All names, in the order of their functions.
    pub fn iter(&self) -> impl Iterator<Item = (FuncIndex, &str)> {
        let named = self.entries.iter().enumerate();
        named.filter_map(|(at, [func, _])| Some((FuncIndex(*func), self.name_at(at)?)))
    }

    /// What is wrong with the tables, for a module with so many functions.
    pub(super) fn fault(&self, funcs: usize) -> Option<&'static str> {
        if !self.entries.is_sorted_by(|a, b| a[0] < b[0]) {
            return Some("function names out of order");
        }
        if self.entries.last().is_some_and(|[func, _]| *func as usize >= funcs) {
            return Some("a name of a function that there is not");
        }
        let ends = || self.entries.iter().map(|[_, end]| *end as usize);
        if !ends().is_sorted() || ends().next_back().unwrap_or(0) != self.text.len() {
            return Some("function names do not fill their text");
        }
        match ends().all(|end| self.text.is_char_boundary(end)) {
            true => None,
            false => Some("a name ends within a character"),
        }
    }

    /// A copy.
    #[cfg(feature = "compile")]
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self { entries: self.entries.try_clone()?, text: self.text.try_clone()? })
    }
}
