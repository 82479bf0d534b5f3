//! x86_64: System V calling convention, frame pointer in `rbp`.

mod entry;
mod features;
mod frame;
mod sync;

pub use entry::{enter, unwind};
pub use features::{TARGET_TRIPLE, cpu_features, missing_required_features};
pub use frame::{FRAME_ALIGN, RETURN_ADDRESS_OFFSET, stack_pointer, strip_return_address};
pub use sync::synchronize_code;
