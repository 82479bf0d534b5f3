//! A small kernel for QEMU's `q35` (x86_64) and `virt` (aarch64) machines, just
//! large enough to embed Kernref as a real kernel would.
//!
//! Memory, from the start of RAM (1 GiB): the kernel image, a heap at 32 MiB,
//! page frames at 480 MiB, and the host's input at 896 MiB ([`payload`]).
//! Invariants: nothing is writable and executable; page 0 is not mapped; the
//! page below the boot stack is not mapped.
#![no_std]

extern crate alloc;

pub mod arch;
pub mod console;
pub mod embedder;
pub mod exceptions;
pub mod faults;
pub mod frames;
pub mod heap;
pub mod lock;
pub mod paging;
pub mod payload;
pub mod probe;
pub mod sched;
pub mod smp;
pub mod stepping;
pub mod timer;
pub mod vspace;

use core::sync::atomic::{AtomicBool, Ordering};

/// How a run of the kernel ends, as seen by the host's runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// All went well.
    Success = 0,
    /// The guest trapped, or a test failed.
    Failure = 1,
    /// The guest was refused, or the request made no sense.
    Refused = 2,
    /// The kernel panicked.
    Panic = 3,
    /// The processor raised an unexpected exception.
    Exception = 4,
    /// The guest did not end in time.
    Deadline = 5,
}

/// Sets the machine up, runs `main`, and ends the run with its verdict.
pub fn run(main: fn() -> Verdict) -> ! {
    arch::init_this_processor(0);
    console::init();
    heap::init();
    paging::init();
    arch::init_exceptions();
    let verdict = main();
    exit(verdict)
}

unsafe extern "C" {
    static boot_stack_guard: u8;
    static boot_stack_top: u8;
}

/// Address of the unmapped page below the boot stack.
pub fn stack_guard() -> usize {
    (&raw const boot_stack_guard).addr()
}

/// The boot stack.
pub fn boot_stack() -> core::ops::Range<usize> {
    stack_guard() + 4096..(&raw const boot_stack_top).addr()
}

/// Ends the run.
pub fn exit(verdict: Verdict) -> ! {
    arch::exit(verdict as u8)
}

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::mask_interrupts();
    if !PANICKING.swap(true, Ordering::SeqCst) {
        match sched::name_of_failed() {
            Some(name) => println!("kernel panic in {name}: {info}"),
            None => println!("kernel panic: {info}"),
        }
    }
    exit(Verdict::Panic)
}

/// Defines the entry point that the boot code calls.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// Called by the boot code on the boot stack.
        #[unsafe(no_mangle)]
        extern "C" fn kernel_main() -> ! {
            $crate::run($main)
        }
    };
}
