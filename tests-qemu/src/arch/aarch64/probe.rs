//! Accesses that record where to resume if they fault.

use crate::probe::{RESUME_PC, RESUME_SP};
use core::arch::naked_asm;

macro_rules! probe {
    ($(#[$doc:meta])* $name:ident, $access:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The access is harmless if it does not fault.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(address: usize) -> u64 {
            naked_asm!(
                "stp x29, x30, [sp, #-16]!",
                "mov x29, sp",
                "adr x9, 2f",
                "adrp x10, {pc}",
                "str x9, [x10, :lo12:{pc}]",
                "mov x9, sp",
                "adrp x10, {sp}",
                "str x9, [x10, :lo12:{sp}]",
                $access,
                "mov x0, #0",
                "ldp x29, x30, [sp], #16",
                "ret",
                "2:",
                "mov x0, #1",
                "ldp x29, x30, [sp], #16",
                "ret",
                pc = sym RESUME_PC,
                sp = sym RESUME_SP,
            )
        }
    };
}

probe!(
    /// Reads a byte. Returns 1 if that faults.
    probe_read, "ldrb w0, [x0]"
);
probe!(
    /// Writes a byte back. Returns 1 if that faults.
    probe_write, "ldrb w9, [x0]\nstrb w9, [x0]"
);
probe!(
    /// Calls a function. Returns 1 if that faults.
    probe_call, "blr x0"
);
