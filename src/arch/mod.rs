//! What differs between processors. The only place with `cfg(target_arch)`.
//!
//! The private `imp` is the current architecture's folder; the list below is
//! the whole contract, and an architecture that lacks an item fails to build
//! at one obvious line. Each folder has the same files:
//!
//! | file | owns |
//! |---|---|
//! | `check.rs` | [`raise`], [`RAISE_WORDS_AT`]; [`RAISE_THUNK`], [`RAISE_CALL`], [`CHECKS_PER_CALL`], [`CHECK_TRAP`], [`redirect_check`], [`first_branch_to`], [`LANDING`], [`TAIL_JUMP`] (feature `compile`) |
//! | `entry.rs` | [`enter_integer`], [`unwind`]: into Wasm, and out of it on a trap |
//! | `vectors.rs` | [`enter`], where callee-saved vector registers exist; otherwise it is [`enter_integer`] |
//! | `fault.rs` | [`resume_fault`], and what [`entry_facts`] asks, [`WHOLE_STORE_BYTES`] |
//! | `interrupt.rs` | [`settled_frame`] |
//! | `fault_stub.rs` | the macro [`fault_stub`](crate::fault_stub), which is used in kernels |
//! | `frame.rs` | [`RETURN_ADDRESS_OFFSET`], [`FRAME_ALIGN`], [`strip_return_address`], [`stack_pointer`] |
//! | `floating_point.rs` | the control word that [`enter`] establishes; [`DefaultControlWord`] (feature `compile`); [`vectors_off`] |
//! | `features.rs` | [`FEATURE_NAMES`], [`cpu_features`], [`missing_for_floats`], [`TARGET_TRIPLE`], [`PROTECTS_BRANCHES`], [`enforced_landings`], [`COUNTS_BITS_IN_VECTORS`] (feature `compile`) |
//! | `signal.rs` | `signal_registers`, `set_signal_registers` (feature `std`, Linux) |
//! | `stack_switch.rs` | [`call_on_stack`], [`leave_stack`] (feature `compile`) |
//! | `sync.rs` | [`synchronize_code`], [`synchronize_fetch`] |
//! | `system.rs` | [`memory_unsuited`] |

#[cfg(target_arch = "x86_64")]
#[path = "x86_64/mod.rs"]
mod imp;
#[cfg(target_arch = "aarch64")]
#[path = "aarch64/mod.rs"]
mod imp;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("Kernref supports x86_64 and aarch64");

/// `enter(shim, code, context, args, store) -> status`: makes an activation
/// record on its own frame, links it in the store, and calls
/// `shim(code, context, args)`. Returns 0, or the status that [`unwind`] was
/// given. Wasm runs with the default control word of vector instructions; the
/// caller's is back at return. The record's exit frame pointer and return address are restored at
/// return; while Wasm runs without having left, [`crate::abi::VmStoreContext::exit_fp`]
/// is stale, and nothing may walk.
///
/// # Safety
/// `shim` is the published entry shim of `code`'s type; `context` belongs to
/// `code` and to `store`; `args` has room for parameters and results; the
/// stack below has room down to the store's limit and the margin under it.
pub use imp::enter;

/// The same for code that uses no vector registers: neither does this.
///
/// # Safety
/// As for [`enter`]; the code was compiled without floating point.
pub use imp::enter_integer;

/// `unwind(store, status) -> !`: ends the newest activation: [`enter`] returns
/// `status` to its caller.
///
/// # Safety
/// Called by a compiled stub of that activation; between it and [`enter`]
/// there are compiled frames only.
pub use imp::unwind;

/// Where generated code continues after a handler of faults or interrupts has
/// stopped it. It ends the newest activation of the store in
/// [`crate::abi::FaultRegisters::result`], with the status that
/// [`crate::abi::VmStoreContext::stopped`] returns. That function is called on
/// the stack of the function that was stopped, below its frame, and sees the
/// frames as if that function had called it.
///
/// # Safety
/// Never called. Reached with the frame pointer of a compiled function or of its
/// caller, the stack pointer aligned to 16 at or below all that the function uses, and
/// [`crate::abi::VmStoreContext::exit_pc`] set to
/// [`crate::abi::FAULT_RETURN_OFFSET`] beyond where it was interrupted.
pub use imp::resume_fault;

/// `settled_frame(code, at, registers) -> usize`: the frame pointer from which
/// links lead to the entry, for a thread that was interrupted at `code[at]`.
///
/// In published code that is the register, with one exception. After the entry
/// shim's frame is made and until it is gone, it names the frame of the function
/// or stub that runs, or, in a prologue before that frame is made and in an
/// epilogue or tail call after it is gone, the frame of its caller. (At the
/// instructions of an entry shim that are outside that, it names the frame of
/// [`enter`].) The exception is a function that makes its frame anew further
/// down, as room for the arguments of a tail call: on x86_64 the frame pointer
/// moves before what it points to.
pub use imp::settled_frame;

#[cfg(test)]
pub use facts::detached_context;
pub use facts::{EntryFacts, entry_facts};

/// Where generated code goes when a check has failed: ends the newest activation
/// with the status that [`crate::abi::VmStoreContext::check_failed`] returns.
/// That function is called on the stack of the code that failed, below its
/// frame, and sees the frames as if that code had called it;
/// [`crate::abi::VmStoreContext::exit_pc`] is what the call of the thunk would
/// have returned to.
///
/// # Safety
/// Never called. Reached from a module's raise thunk, which a check has called,
/// and which passes on the second of its [`RaiseWords`].
pub use imp::raise;

/// What a module's raise thunk wants to know: the address of [`raise`], and
/// that of a function which is given the frame pointer of a compiled frame of
/// the newest activation, or of a frame below it, and returns the store.
pub type RaiseWords = [usize; 2];

/// Where [`RaiseWords`] lie in a raise thunk, in bytes from its start.
pub use imp::RAISE_WORDS_AT;

/// The raise thunk: code that every module with checks has once, and that its
/// checks call when they fail. Position-independent; at [`RAISE_WORDS_AT`] it
/// has [`RaiseWords`], which are filled in before the code is published.
#[cfg(feature = "compile")]
pub use imp::RAISE_THUNK;

/// A call of the raise thunk. Its last four bytes are to be relocated, as any
/// direct call's.
#[cfg(feature = "compile")]
pub use imp::RAISE_CALL;

/// Where [`RAISE_CALL`] arrives in the raise thunk, in bytes from its start; a call
/// that checks share arrives at its first byte.
#[cfg(feature = "compile")]
pub use imp::RAISE_ENTRY;

/// How many checks may share a call. All but the last of them enter a row of
/// [`RAISE_STEP`]s before it, and what [`shared_call_frame`] gives follows it. A
/// check `n` steps before the call is named by the call's return address less `n`.
#[cfg(feature = "compile")]
pub use imp::CHECKS_PER_CALL;

/// An instruction of one byte that counts the checks between which it stands.
#[cfg(feature = "compile")]
pub use imp::RAISE_STEP;

/// `shared_call_frame(frame_bytes) -> Option<u8>`: how the size of a frame, from
/// the frame pointer to the stack pointer, is written behind a shared call.
/// `None` if checks of such a function cannot share calls.
#[cfg(feature = "compile")]
pub use imp::shared_call_frame;

/// Whether [`RAISE_CALL`] is written over a check's trap, and not behind the
/// function.
#[cfg(feature = "compile")]
pub use imp::RAISE_CALL_IN_PLACE;

/// What the code generator makes of a conditional trap: a branch to this.
#[cfg(feature = "compile")]
pub use imp::CHECK_TRAP;

/// `redirect_check(code, check, (from, to), most_branches) -> bool`: directs the
/// branches within `check`, the ranges of bytes that the code generator made for
/// a conditional trap, from the trap at `from` to `to`. False if they are not
/// what it is known to make: one branch, or two in a row where that many are
/// expected.
#[cfg(feature = "compile")]
pub use imp::redirect_check;

/// `first_branch_to(code, trap) -> Option<Range>`: where a function's prologue
/// branches to its `trap` when the stack has no room for the frame. No number that
/// a guest chose comes before that branch, except for the size of the frame.
#[cfg(feature = "compile")]
pub use imp::first_branch_to;

/// `link_call(field, distance) -> bool`: completes a direct call whose last four
/// bytes are `field`, so that it calls what lies `distance` bytes behind these.
/// False if that is out of its reach.
#[cfg(feature = "compile")]
pub use imp::link_call;

/// The registers that a signal handler was given.
///
/// # Safety
/// The pointer is the third argument of a handler with `SA_SIGINFO`.
#[cfg(all(feature = "std", target_os = "linux"))]
pub use imp::signal_registers;

/// Changes the registers that a signal handler returns to.
///
/// # Safety
/// As for [`signal_registers`]; execution can go on with these registers.
#[cfg(all(feature = "std", target_os = "linux"))]
pub use imp::set_signal_registers;

/// A store of up to this many bytes either writes all of them, or faults and
/// writes none.
#[cfg(feature = "compile")]
pub use imp::WHOLE_STORE_BYTES;

/// Where a frame keeps its return address, in bytes above its frame pointer;
/// the caller's frame pointer is at 0.
pub use imp::RETURN_ADDRESS_OFFSET;

/// What every frame pointer is a multiple of.
pub use imp::FRAME_ALIGN;

/// A return address without the signature that the processor may have added.
pub use imp::strip_return_address;

/// The current stack pointer, approximately: that of a frame nearby.
#[cfg(not(miri))]
pub use imp::stack_pointer;
/// As above, where there are no registers to read. Nothing relies on it being
/// exact: a wrong guess costs recursion only.
#[cfg(miri)]
pub fn stack_pointer() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

/// `call_on_stack(top, body, data, left)`: calls `body(data)` with the stack
/// pointer at `top`, and returns when it does. Before, it writes to `left` what
/// [`leave_stack`] wants.
///
/// # Safety
/// `top` is a multiple of 16; the stack below it has room for all that `body`
/// does, and nothing else uses it meanwhile. `left` can be written. `body` does
/// not unwind.
#[cfg(feature = "compile")]
pub use imp::call_on_stack;

/// `leave_stack(left) -> !`: makes that call of [`call_on_stack`] return now. The
/// frames between are never returned to.
///
/// # Safety
/// That call has not returned; this is executed within its `body`. The frames
/// between may be abandoned: nothing relies on what they would still do.
#[cfg(feature = "compile")]
pub use imp::leave_stack;

/// While this lives, floating-point arithmetic in Rust code of this thread is as
/// Rust wants it, even if whoever called had another rounding mode or flushes
/// denormals. Where Rust code computes floating point with integers, nothing has to be done.
#[cfg(feature = "compile")]
pub use imp::DefaultControlWord;

/// Why this processor refuses vector instructions now, if it does: the register,
/// the bit and what to do. Asks the registers that only a kernel may read, so on a
/// bare target alone; on x86_64 not in user mode, on aarch64 at EL1 and EL2 (EL0,
/// which cannot be told, must not ask).
#[cfg(target_os = "none")]
pub use imp::vectors_off;
/// An operating system has them on.
#[cfg(not(target_os = "none"))]
pub const fn vectors_off() -> Option<&'static str> {
    None
}

/// Why guests cannot use memory as the system registers have it now, if they cannot: the
/// register, the bit and what to do. Asks as [`vectors_off`] does.
#[cfg(target_os = "none")]
pub use imp::memory_unsuited;
/// An operating system has set them up.
#[cfg(not(target_os = "none"))]
pub const fn memory_unsuited() -> Option<&'static str> {
    None
}

/// Processor features that the code generator uses, by its names for them.
pub use imp::FEATURE_NAMES;

/// Which of [`FEATURE_NAMES`] this processor has, determined at run time: the
/// n-th bit stands for the n-th name.
pub use imp::cpu_features;

/// Which of [`FEATURE_NAMES`] every processor has that Kernref runs on.
#[cfg(feature = "compile")]
pub use imp::BASELINE_FEATURES;

/// What code with floats or vectors needs and this processor lacks, if anything,
/// and what can be done about it. Other code needs nothing.
pub use imp::missing_for_floats;

/// Whether code can have landing instructions and signed return addresses.
pub use imp::PROTECTS_BRANCHES;

/// Why generated code cannot run here, if the processor is set up to require
/// landing instructions that it does not have.
pub use imp::enforced_landings;

/// What an indirect branch may lead to, to be put before a function whose first
/// instruction is none: with signed return addresses, functions of the code
/// generator's `tail` convention begin with `paciaz`. `None` where there is none.
#[cfg(feature = "compile")]
pub use imp::LANDING;

/// A jump to a function through a pointer, as the code generator makes it, and what
/// goes to where it leads by a jump that lands on a function's first instruction.
/// `None` where it does so itself.
#[cfg(feature = "compile")]
pub use imp::TAIL_JUMP;

#[cfg(feature = "compile")]
pub use tail_jump::TailJump;

/// Whether the code generator counts bits of integers in a vector register.
#[cfg(feature = "compile")]
pub use imp::COUNTS_BITS_IN_VECTORS;

/// The code generator's name for this architecture without an OS.
pub use imp::TARGET_TRIPLE;

/// This architecture.
pub use imp::ARCHITECTURE;

/// `synchronize_code(base, len)`: makes freshly written code visible to
/// instruction fetch at `base` on this processor, wherever it was written. Other processors need an instruction
/// barrier of their own before they first run it.
///
/// # Safety
/// `[base, base + len)` is mapped.
pub use imp::synchronize_code;

/// `synchronize_fetch()`: has this processor fetch, from here on, the code that
/// another one had made visible with [`synchronize_code`] before whatever told
/// this one of it.
pub use imp::synchronize_fetch;

mod facts;
#[cfg(feature = "compile")]
mod tail_jump;
#[cfg(test)]
mod tests;
