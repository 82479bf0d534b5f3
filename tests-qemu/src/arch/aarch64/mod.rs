//! QEMU's `virt` machine.

mod boot;
mod branches;
mod context;
mod counter;
pub mod entry;
mod exceptions;
mod exit;
mod fault_stub;
mod probe;
mod processors;
mod registers;
mod serial;
mod timer;
#[cfg(not(target_feature = "neon"))]
mod vectors;

pub use branches::protect_branches;
pub use context::{Context, wish};
pub use counter::{counted_loop, init_instructions, instructions};
pub use entry::{flush_everywhere, flush_requests, publish_entry, serve_requests, set_root_table};
pub use exceptions::{Frame, init_exceptions, prepare_steps, set_fault_entry};
pub use exit::exit;
pub use fault_stub::{on_the_exceptions_pointer, record_fault};
pub use probe::{probe_call, probe_read, probe_write};
pub use processors::{
    idle, init_this_processor, prepare_processors, start_processor, this_processor,
};
pub use registers::Registers;
pub use serial::{init_serial, serial_write};
pub use timer::{
    arm_timer, halt, mask_interrupts, now_ns, restore_interrupts, start_timer, stop_timer, tell,
};
#[cfg(not(target_feature = "neon"))]
pub use vectors::while_vectors_are_off;

/// The architecture's name as `./x` spells it.
pub const NAME: &str = "aarch64";
/// First address of RAM.
pub const RAM_START: usize = 0x4000_0000;
/// Bytes of RAM that the kernel uses.
pub const RAM_BYTES: usize = 1 << 30;
/// 2 MiB blocks with device registers: interrupt controller, serial port.
pub const DEVICES: &[usize] = &[0x0800_0000, 0x0900_0000];
