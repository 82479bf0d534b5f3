//! What the weighed kernels share: the least that a kernel has anyway
//! ([`kernel`]), and a use of all of the runtime's API ([`embedding`]). They
//! are linked, never run.
#![no_std]

extern crate alloc;

pub mod embedding;
pub mod kernel;
