//! WebAssembly script files: a compact form, and its execution on Kernref.
#![no_std]
