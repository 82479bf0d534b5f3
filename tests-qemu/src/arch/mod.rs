//! The two machines. Each folder has the same files and exports the same items.

#[cfg(target_arch = "x86_64")]
#[path = "x86_64/mod.rs"]
mod imp;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64/mod.rs"]
mod imp;

#[cfg(target_arch = "aarch64")]
pub use imp::on_the_exceptions_pointer;
#[cfg(not(target_feature = "neon"))]
pub use imp::while_vectors_are_off;
pub use imp::{
    DEVICES, NAME, RAM_BYTES, RAM_START, counted_loop, entry, exit, flush_tlb, halt,
    init_exceptions, init_instructions, init_serial, instructions, mask_interrupts, now_ns,
    probe_call, probe_read, probe_write, protect_branches, record_fault, restore_interrupts,
    serial_write, set_fault_entry, set_root_table, start_timer, stop_timer,
};
