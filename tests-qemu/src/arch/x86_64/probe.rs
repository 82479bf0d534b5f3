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
                "lea rax, [rip + 2f]",
                "mov [rip + {pc}], rax",
                "mov [rip + {sp}], rsp",
                $access,
                "xor eax, eax",
                "ret",
                "2:",
                "mov eax, 1",
                "ret",
                pc = sym RESUME_PC,
                sp = sym RESUME_SP,
            )
        }
    };
}

probe!(
    /// Reads a byte. Returns 1 if that faults.
    probe_read, "movzx eax, byte ptr [rdi]"
);
probe!(
    /// Writes a byte back. Returns 1 if that faults.
    probe_write, "lock or byte ptr [rdi], 0"
);
probe!(
    /// Calls a function. Returns 1 if that faults.
    probe_call, "call rdi"
);
