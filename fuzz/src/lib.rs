//! What the targets need beyond `kernref-differential`: a second engine that
//! is too large to build for every test run.
#![forbid(unsafe_code)]

pub mod in_wasmtime;
