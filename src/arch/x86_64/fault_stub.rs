//! [`fault_stub`](crate::fault_stub): the entry of a page fault, before a kernel's
//! own. Intel SDM vol. 3, 7.14 "Exception and Interrupt Handling in 64-bit Mode":
//! the processor aligns the stack to 16 and pushes SS, RSP, RFLAGS, CS, RIP and the
//! error code.

/// Defines a function to put before the kernel's own entry for the exception that
/// accesses to memory raise. It asks `handle` whether the fault is Kernref's; if so,
/// the guest's activation ends. If not, the kernel's own entry `otherwise` goes on
/// with all registers, flags, and what the processor left as they were.
///
/// ```
/// # #[cfg(target_os = "none")] mod kernel {
/// use kernref::{Engine, fault::FaultRegisters};
///
/// static ENGINE: spin::Once<Engine> = spin::Once::new();
///
/// unsafe extern "C" fn handle(registers: &mut FaultRegisters, address: usize) -> bool {
///     // SAFETY: the stub passes on what the processor reports.
///     ENGINE.get().is_some_and(|engine| unsafe { engine.handle_fault(registers, address) })
/// }
///
/// unsafe extern "C" {
///     /// The kernel's own entry, until now in the table.
///     fn page_fault_entry();
/// }
///
/// kernref::fault_stub! {
///     /// Now in the table.
///     pub fn page_fault_stub(handle = handle, otherwise = page_fault_entry);
/// }
/// # }
/// ```
///
/// - x86_64: in the descriptor of vector 14, with the stack that it had. Faults of
///   user mode go to `otherwise` at once. Code of the kernel must not use vector
///   registers (as on `x86_64-unknown-none`).
/// - aarch64: where the vector of synchronous exceptions from the current level
///   branches to (offset 0x000 or 0x200, whichever the kernel runs with); in EL1, or
///   in EL2 with HCR_EL2.E2H set.
///   `otherwise` is within 128 MiB, so that no veneer changes registers.
///
/// `handle` runs on the stack of the exception, with interrupts as the exception
/// left them. It takes no lock that the interrupted code may hold, allocates nothing,
/// and does not fault. The stub takes 160 bytes of that stack, on aarch64 720.
#[macro_export]
macro_rules! fault_stub {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident(
        handle = $handle:path, otherwise = $otherwise:path $(,)?
    );) => {
        const _: unsafe extern "C" fn(&mut $crate::fault::FaultRegisters, usize) -> bool = $handle;
        #[cfg(target_feature = "sse")]
        compile_error!("the stub leaves vector registers alone, and this target's code uses them");

        $(#[$attribute])*
        ///
        /// # Safety
        /// Never called: entered by the processor.
        #[unsafe(naked)]
        $visibility unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                "endbr64",
                "pushfq",
                // From user mode?
                "test byte ptr [rsp + 24], 3",
                "jnz 3f",
                "push rax",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                "push r8",
                "push r9",
                "push r10",
                "push r11",
                // `FaultRegisters`, from its end.
                "push rax",
                "push rbp",
                "push qword ptr [rsp + 128]",
                "push qword ptr [rsp + 112]",
                "mov rdi, rsp",
                "mov rsi, cr2",
                "cld",
                "call {handle}",
                "test al, al",
                "jz 2f",
                "pop rcx",
                "mov [rsp + 112], rcx",
                "pop rcx",
                "mov [rsp + 128], rcx",
                "pop rbp",
                "pop rcx",
                "mov [rsp + 64], rcx",
                "pop r11",
                "pop r10",
                "pop r9",
                "pop r8",
                "pop rdi",
                "pop rsi",
                "pop rdx",
                "pop rcx",
                "pop rax",
                // The flags, and the error code.
                "add rsp, 16",
                "iretq",
                "2:",
                "add rsp, 32",
                "pop r11",
                "pop r10",
                "pop r9",
                "pop r8",
                "pop rdi",
                "pop rsi",
                "pop rdx",
                "pop rcx",
                "pop rax",
                "3:",
                "popfq",
                "jmp {otherwise}",
                handle = sym $handle,
                otherwise = sym $otherwise,
            )
        }
    };
}
