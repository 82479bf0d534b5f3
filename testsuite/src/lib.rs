//! Test cases that run on the host and inside the kernels alike.
#![no_std]
