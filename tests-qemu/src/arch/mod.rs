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
    Context, DEVICES, Frame, NAME, RAM_BYTES, RAM_START, Registers, arm_timer, counted_loop, entry,
    exit, flush_everywhere, flush_requests, halt, idle, init_exceptions, init_instructions,
    init_serial, init_this_processor, instructions, mask_interrupts, now_ns, prepare_processors,
    prepare_steps, probe_call, probe_read, probe_write, protect_branches, publish_entry,
    record_fault, restore_interrupts, serial_write, serve_requests, set_fault_entry,
    set_root_table, start_processor, start_timer, stop_timer, tell, this_processor, wish,
};
