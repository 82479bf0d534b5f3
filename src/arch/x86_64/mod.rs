//! x86_64: System V calling convention, frame pointer in `rbp`.

mod check;
mod control_flow;
mod entry;
mod fault;
mod fault_stub;
mod features;
mod floating_point;
mod frame;
mod interrupt;
#[cfg(all(feature = "std", target_os = "linux"))]
mod signal;
#[cfg(feature = "compile")]
mod stack_switch;
mod sync;
mod system;

#[cfg(feature = "compile")]
pub use check::{
    CHECK_TRAP, CHECKS_PER_CALL, LANDING, RAISE_CALL, RAISE_CALL_IN_PLACE, RAISE_ENTRY, RAISE_STEP,
    RAISE_THUNK, TAIL_JUMP, first_branch_to, link_call, redirect_check, shared_call_frame,
};
pub use check::{RAISE_WORDS_AT, raise};
pub use control_flow::enforced_landings;
pub use entry::{enter, enter_integer, unwind};
#[cfg(feature = "compile")]
pub use fault::WHOLE_STORE_BYTES;
pub use fault::{resume_fault, tell_entry};
pub use features::{
    ARCHITECTURE, FEATURE_NAMES, PROTECTS_BRANCHES, TARGET_TRIPLE, cpu_features, missing_for_floats,
};
#[cfg(feature = "compile")]
pub use features::{BASELINE_FEATURES, COUNTS_BITS_IN_VECTORS};
#[cfg(feature = "compile")]
pub use floating_point::DefaultControlWord;
#[cfg(target_os = "none")]
pub use floating_point::vectors_off;
pub use frame::{FRAME_ALIGN, RETURN_ADDRESS_OFFSET, stack_pointer, strip_return_address};
pub use interrupt::settled_frame;
#[cfg(all(feature = "std", target_os = "linux"))]
pub use signal::{set_signal_registers, signal_registers};
#[cfg(feature = "compile")]
pub use stack_switch::{call_on_stack, leave_stack};
pub use sync::{synchronize_code, synchronize_fetch};
#[cfg(target_os = "none")]
pub use system::memory_unsuited;
