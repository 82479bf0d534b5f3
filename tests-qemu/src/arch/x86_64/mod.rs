//! QEMU's `q35` machine.

mod apic;
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
mod shootdown;
mod timer;
#[cfg(not(target_feature = "neon"))]
mod vectors;

pub use apic::arm_timer;
pub use branches::protect_branches;
pub use context::{Context, wish};
pub use counter::{counted_loop, init_instructions, instructions};
pub use entry::{publish_entry, set_root_table};
pub use exceptions::{Frame, init_exceptions, prepare_steps, set_fault_entry};
pub use exit::exit;
pub use fault_stub::record_fault;
pub use probe::{probe_call, probe_read, probe_write};
pub use processors::{
    idle, init_this_processor, prepare_processors, start_processor, tell, this_processor,
};
pub use registers::Registers;
pub use serial::{init_serial, serial_write};
pub use shootdown::{flush_everywhere, flush_requests, serve_requests};
pub use timer::{halt, mask_interrupts, now_ns, restore_interrupts, start_timer, stop_timer};
#[cfg(not(target_feature = "neon"))]
pub use vectors::while_vectors_are_off;

/// The architecture's name as `./x` spells it.
pub const NAME: &str = "x86_64";
/// First address of RAM.
pub const RAM_START: usize = 0;
/// Bytes of RAM that the kernel uses.
pub const RAM_BYTES: usize = 1 << 30;
/// 2 MiB blocks with device registers: the local interrupt controller. All other
/// devices are behind ports.
pub const DEVICES: &[usize] = &[apic::REGISTERS];
