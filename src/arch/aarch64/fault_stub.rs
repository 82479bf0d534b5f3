//! [`fault_stub`](crate::fault_stub): the entry of a synchronous exception, before a
//! kernel's own. Arm ARM, D1.3 "Exceptions", and D24.2 "ESR_EL1".

/// See the documentation for x86_64, which is the same.
#[macro_export]
macro_rules! fault_stub {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident(
        handle = $handle:path, otherwise = $otherwise:path $(,)?
    );) => {
        const _: unsafe extern "C" fn(&mut $crate::fault::FaultRegisters, usize) -> bool = $handle;

        $(#[$attribute])*
        ///
        /// # Safety
        /// Never called: entered by the processor.
        #[unsafe(naked)]
        $visibility unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                // `FaultRegisters`, x0 to x18 and x30, status and control, vectors.
                "sub sp, sp, #720",
                "stp x0, x1, [sp, #32]",
                // A data abort of this level, whose address is known?
                "mrs x0, esr_el1",
                "ubfx x1, x0, #26, #6",
                "sub x1, x1, #0x25",
                "cbnz x1, 3f",
                "tbnz x0, #10, 3f",
                "stp x2, x3, [sp, #48]",
                "stp x4, x5, [sp, #64]",
                "stp x6, x7, [sp, #80]",
                "stp x8, x9, [sp, #96]",
                "stp x10, x11, [sp, #112]",
                "stp x12, x13, [sp, #128]",
                "stp x14, x15, [sp, #144]",
                "stp x16, x17, [sp, #160]",
                "stp x18, x30, [sp, #176]",
                #[cfg(target_feature = "neon")]
                "mrs x0, fpsr",
                #[cfg(target_feature = "neon")]
                "mrs x1, fpcr",
                #[cfg(target_feature = "neon")]
                "stp x0, x1, [sp, #192]",
                #[cfg(target_feature = "neon")]
                "stp q0, q1, [sp, #208]",
                #[cfg(target_feature = "neon")]
                "stp q2, q3, [sp, #240]",
                #[cfg(target_feature = "neon")]
                "stp q4, q5, [sp, #272]",
                #[cfg(target_feature = "neon")]
                "stp q6, q7, [sp, #304]",
                #[cfg(target_feature = "neon")]
                "stp q8, q9, [sp, #336]",
                #[cfg(target_feature = "neon")]
                "stp q10, q11, [sp, #368]",
                #[cfg(target_feature = "neon")]
                "stp q12, q13, [sp, #400]",
                #[cfg(target_feature = "neon")]
                "stp q14, q15, [sp, #432]",
                #[cfg(target_feature = "neon")]
                "stp q16, q17, [sp, #464]",
                #[cfg(target_feature = "neon")]
                "stp q18, q19, [sp, #496]",
                #[cfg(target_feature = "neon")]
                "stp q20, q21, [sp, #528]",
                #[cfg(target_feature = "neon")]
                "stp q22, q23, [sp, #560]",
                #[cfg(target_feature = "neon")]
                "stp q24, q25, [sp, #592]",
                #[cfg(target_feature = "neon")]
                "stp q26, q27, [sp, #624]",
                #[cfg(target_feature = "neon")]
                "stp q28, q29, [sp, #656]",
                #[cfg(target_feature = "neon")]
                "stp q30, q31, [sp, #688]",
                // Which stack pointer was in use?
                "mrs x0, elr_el1",
                "mrs x2, spsr_el1",
                "mrs x1, sp_el0",
                "tbz x2, #0, 2f",
                "add x1, sp, #720",
                "2:",
                "stp x0, x1, [sp]",
                "ldr x0, [sp, #32]",
                "stp x29, x0, [sp, #16]",
                "mov x0, sp",
                "mrs x1, far_el1",
                "bl {handle}",
                "tbnz w0, #0, 4f",
                #[cfg(target_feature = "neon")]
                "ldp q0, q1, [sp, #208]",
                #[cfg(target_feature = "neon")]
                "ldp q2, q3, [sp, #240]",
                #[cfg(target_feature = "neon")]
                "ldp q4, q5, [sp, #272]",
                #[cfg(target_feature = "neon")]
                "ldp q6, q7, [sp, #304]",
                #[cfg(target_feature = "neon")]
                "ldp q8, q9, [sp, #336]",
                #[cfg(target_feature = "neon")]
                "ldp q10, q11, [sp, #368]",
                #[cfg(target_feature = "neon")]
                "ldp q12, q13, [sp, #400]",
                #[cfg(target_feature = "neon")]
                "ldp q14, q15, [sp, #432]",
                #[cfg(target_feature = "neon")]
                "ldp q16, q17, [sp, #464]",
                #[cfg(target_feature = "neon")]
                "ldp q18, q19, [sp, #496]",
                #[cfg(target_feature = "neon")]
                "ldp q20, q21, [sp, #528]",
                #[cfg(target_feature = "neon")]
                "ldp q22, q23, [sp, #560]",
                #[cfg(target_feature = "neon")]
                "ldp q24, q25, [sp, #592]",
                #[cfg(target_feature = "neon")]
                "ldp q26, q27, [sp, #624]",
                #[cfg(target_feature = "neon")]
                "ldp q28, q29, [sp, #656]",
                #[cfg(target_feature = "neon")]
                "ldp q30, q31, [sp, #688]",
                #[cfg(target_feature = "neon")]
                "ldp x0, x1, [sp, #192]",
                #[cfg(target_feature = "neon")]
                "msr fpsr, x0",
                #[cfg(target_feature = "neon")]
                "msr fpcr, x1",
                "ldp x2, x3, [sp, #48]",
                "ldp x4, x5, [sp, #64]",
                "ldp x6, x7, [sp, #80]",
                "ldp x8, x9, [sp, #96]",
                "ldp x10, x11, [sp, #112]",
                "ldp x12, x13, [sp, #128]",
                "ldp x14, x15, [sp, #144]",
                "ldp x16, x17, [sp, #160]",
                "ldp x18, x30, [sp, #176]",
                "3:",
                "ldp x0, x1, [sp, #32]",
                "add sp, sp, #720",
                "b {otherwise}",
                // The landing pad wants x0, x29 and the stack pointer, and restores
                // what its caller wants.
                "4:",
                "ldp x16, x17, [sp]",
                "ldp x29, x0, [sp, #16]",
                "ldr x18, [sp, #176]",
                "msr elr_el1, x16",
                "mrs x16, spsr_el1",
                // How the interrupted code was branched to.
                "and x16, x16, #0xfffffffffffff3ff",
                "msr spsr_el1, x16",
                "tbz x16, #0, 5f",
                "mov sp, x17",
                "eret",
                "5:",
                "msr sp_el0, x17",
                "add sp, sp, #720",
                "eret",
                handle = sym $handle,
                otherwise = sym $otherwise,
            )
        }
    };
}
