//! The in-kernel test suite.
#![no_std]
#![no_main]

extern crate alloc;
kernref_qemu::entry!(main);

fn main() -> kernref_qemu::Verdict {
    kernref_qemu::Verdict::Success
}
