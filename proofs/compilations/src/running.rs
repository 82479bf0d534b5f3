//! Replaces a compilation: the list keeps a pointer to it, for whoever is on its
//! stack.

use std::marker::PhantomData;

pub struct Running<'a> {
    pub number: usize,
    pub lifetime: PhantomData<&'a ()>,
}
