//! The two machines. Each folder has the same files and exports the same items.

#[cfg(target_arch = "x86_64")]
#[path = "x86_64/mod.rs"]
mod imp;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64/mod.rs"]
mod imp;

pub use imp::{
    DEVICES, NAME, RAM_BYTES, RAM_START, counted_loop, entry, exit, flush_tlb, halt,
    init_exceptions, init_instructions, init_serial, instructions, mask_interrupts, now_ns,
    probe_call, probe_read, probe_write, restore_interrupts, serial_write, set_root_table,
    start_timer, stop_timer,
};
