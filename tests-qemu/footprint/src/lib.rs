//! What the measured kernels share: the minimum any kernel has ([`kernel`]), and
//! a use of the whole runtime API ([`embedding`]). They are linked but never run.
#![no_std]

extern crate alloc;

pub mod embedding;
pub mod kernel;
