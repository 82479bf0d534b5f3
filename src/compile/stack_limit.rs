//! The check of the stack against the store's limit.
//!
//! Most functions check once their small frame is in place. What may have a large
//! frame has the code generator check before it makes the frame: that knows how
//! large all of it is, the room for the arguments of tail calls included. What a
//! function does on the stack without a check of its own, or before it, is at most
//! [`UNCHECKED_FRAME_BYTES`] and a few words that a call pushes, which is less than
//! the margin below the limit ([`STACK_MARGIN_BYTES`]).
//!
//! Invariant: this holds for every piece of code, however it is entered.

use super::regions::field;
use super::signature::POINTER;
use super::translator::Translator;
use crate::abi::{STACK_MARGIN_BYTES, Trap, VmContext, VmStoreContext};
use crate::error::{Error, Result};
use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    ArgumentPurpose, Function, GlobalValueData, InstBuilder, MemFlagsData,
};

/// The most arguments of a tail call for which the code generator need not check.
const TAIL_ARGUMENTS: usize = 16;
/// What those take on the stack, the return address and frame pointer, and what
/// raising a trap pushes: up to a word for each check that shares a call.
const BESIDE_FRAME_BYTES: u32 = TAIL_ARGUMENTS as u32 * 16 + 192;
/// The largest frame that is made without a check before it.
const UNCHECKED_FRAME_BYTES: u32 = STACK_MARGIN_BYTES - BESIDE_FRAME_BYTES;
/// The largest frame of a stub, which checked code calls.
const STUB_FRAME_BYTES: u32 = 1024;
/// Functions with more values than this are expected to have large frames. To be
/// wrong costs an instruction, or compiling once more.
const VALUES: usize = 2048;
/// Shims of types with more parameters and results than this are expected to have
/// large frames.
const SHIM_VALUES: usize = 32;

/// Bytes from the stack pointer to the frame pointer.
fn frame_bytes(code: &CompiledCode) -> u32 {
    code.buffer.frame_layout().map_or(u32::MAX, |layout| layout.frame_to_fp_offset)
}

/// Whether code needs a check before its frame is made, and has none.
pub(super) fn lacks_check(func: &Function, code: &CompiledCode) -> bool {
    func.stack_limit.is_none() && frame_bytes(code) > UNCHECKED_FRAME_BYTES
}

/// Whether a stub's frame is as small as a stub's must be.
pub(super) fn is_small_stub(code: &CompiledCode) -> bool {
    frame_bytes(code) <= STUB_FRAME_BYTES
}

/// Whether a shim of a type with so many parameters and results is expected to
/// have a large frame.
pub(super) fn is_large_shim(values: usize) -> bool {
    values > SHIM_VALUES
}

/// Has the code generator check the stack before the frame is made. The
/// parameter with this number is the context of an instance or of a host function.
///
/// # Errors
/// [`Error::Bug`] if the code generator has no room for it.
pub(super) fn check_before_frame(func: &mut Function, context_param: usize) -> Result<()> {
    let flags = func.dfg.mem_flags.insert(MemFlagsData::trusted());
    let flags = flags.map_err(|_| Error::Bug("too many kinds of accesses"))?;
    if let Some(param) = func.signature.params.get_mut(context_param) {
        param.purpose = ArgumentPurpose::VMContext;
    }
    let context = func.create_global_value(GlobalValueData::VMContext);
    let mut load = |base, offset: i32| {
        let offset = offset.into();
        func.create_global_value(GlobalValueData::Load {
            base,
            offset,
            global_type: POINTER,
            flags,
        })
    };
    let store = load(context, field!(VmContext, store));
    let limit = load(store, field!(VmStoreContext, stack_limit));
    func.stack_limit = Some(limit);
    Ok(())
}

impl Translator<'_, '_> {
    /// Notes a tail call with so many arguments: they lie where the function's own
    /// did, and beyond.
    pub(super) fn note_tail_call(&mut self, arguments: usize) {
        self.makes_calls = true;
        self.has_wide_tail_call |= arguments > TAIL_ARGUMENTS;
    }

    /// Fills in the check at the function's entry.
    ///
    /// # Errors
    /// As for [`check_before_frame`].
    pub(super) fn stack_check(&mut self) -> Result<()> {
        if self.has_wide_tail_call || self.builder.func.dfg.num_values() > VALUES {
            return check_before_frame(self.builder.func, 0);
        }
        if self.makes_calls {
            let store = self.store_context();
            let limit = self.load_context(POINTER, store, field!(VmStoreContext, stack_limit));
            let pointer = self.builder.ins().get_stack_pointer(POINTER);
            let exhausted = self.builder.ins().icmp(IntCC::UnsignedLessThan, pointer, limit);
            self.trap_if(exhausted, Trap::StackOverflow);
        }
        Ok(())
    }
}
