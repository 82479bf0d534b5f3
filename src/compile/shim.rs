//! Code between the conventions: entry shims (host → Wasm), exit stubs
//! (Wasm → host function), builtin stubs (Wasm → runtime).
//!
//! Exit and builtin stubs record where Wasm was left, which is what the stack
//! walk starts from; neither keeps references in its own frame. Arguments of a
//! host call are roots through the host frame that the runtime links.

use super::regions::{Regions, constant, field, trusted};
use super::signature::{NEVER_REACHED, POINTER, builtin_signature, internal, plain, value_type};
use super::stack_limit;
use crate::abi::{Builtin, ValRaw, VmContext, VmHostContext, VmStoreContext};
use crate::artifact::{FuncType, ValType};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, Inst, InstBuilder, Signature, StackSlot, StackSlotData, StackSlotKind, Type, Value,
    types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use std_alloc::vec::Vec;

/// A builder at the start of a function without locals.
struct Shim<'f> {
    builder: FunctionBuilder<'f>,
    regions: Regions,
    params: Vec<Value>,
}

impl<'f> Shim<'f> {
    fn new(mut builder: FunctionBuilder<'f>) -> Self {
        let regions = Regions::new(builder.func);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        builder.seal_block(block);
        let params = builder.block_params(block).to_vec();
        Self { builder, regions, params }
    }

    /// Checks the stack before the frame is made, if that may be large.
    fn check_before_frame(&mut self, ty: &FuncType, context_param: usize) {
        if stack_limit::is_large_shim(ty.params().len() + ty.results().len()) {
            // If that fails, it fails again when the frame has turned out to be large.
            let _ = stack_limit::check_before_frame(self.builder.func, context_param);
        }
    }

    fn load_cell(&mut self, ty: ValType, cells: Value, index: usize) -> Value {
        let offset = index as i32 * ValRaw::SIZE_BYTES as i32;
        let flags = trusted(self.regions.heap);
        self.builder.ins().load(value_type(ty), flags, cells, offset)
    }

    fn store_cell(&mut self, value: Value, cells: Value, index: usize) {
        let offset = index as i32 * ValRaw::SIZE_BYTES as i32;
        let flags = trusted(self.regions.heap);
        self.builder.ins().store(flags, value, cells, offset);
    }

    /// Records frame pointer and return address of this stub in the store of
    /// `context`, and returns the store.
    fn record_exit(&mut self, context: Value) -> Value {
        let (read, write) = (constant(self.regions.context), trusted(self.regions.context));
        let store = self.builder.ins().load(POINTER, read, context, field!(VmContext, store));
        let frame = self.builder.ins().get_frame_pointer(POINTER);
        self.builder.ins().store(write, frame, store, field!(VmStoreContext, exit_fp));
        let pc = self.builder.ins().get_return_address(POINTER);
        self.builder.ins().store(write, pc, store, field!(VmStoreContext, exit_pc));
        store
    }

    /// A stack slot of this size.
    fn slot(&mut self, bytes: u32) -> StackSlot {
        let kind = StackSlotKind::ExplicitSlot;
        self.builder.create_sized_stack_slot(StackSlotData::new(kind, bytes, 4))
    }

    /// Goes on if `failed` is zero; otherwise ends, with `status`, the
    /// activation of the store that is parked in `slot`. Parking it there costs
    /// one instruction when nothing fails; keeping it in a register, which
    /// would have to be saved, costs four.
    fn unwind_if(&mut self, failed: Value, slot: (StackSlot, u32), status: Value) {
        let next = self.begin_failure(failed);
        self.end_failure(slot, status, next);
    }

    /// The same for the status of a host function, of which the store makes that of
    /// the activation.
    fn unwind_if_host_failed(&mut self, slot: (StackSlot, u32), status: Value) {
        let next = self.begin_failure(status);
        let store = self.parked_store(slot);
        let host_failed = field!(VmStoreContext, host_failed);
        let call = self.call_for_store(store, host_failed, status, &[types::I64]);
        let status = self.builder.inst_results(call)[0];
        self.end_failure(slot, status, next);
    }

    /// Goes on in the block that is returned if `failed` is zero.
    fn begin_failure(&mut self, failed: Value) -> Block {
        let (failure, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(failure);
        self.builder.ins().brif(failed, failure, &[], next, &[]);
        self.builder.switch_to_block(failure);
        next
    }

    fn end_failure(&mut self, slot: (StackSlot, u32), status: Value, next: Block) {
        let store = self.parked_store(slot);
        self.call_for_store(store, field!(VmStoreContext, unwind), status, &[]);
        self.builder.ins().trap(NEVER_REACHED);
        self.builder.switch_to_block(next);
    }

    fn parked_store(&mut self, (slot, offset): (StackSlot, u32)) -> Value {
        self.builder.ins().stack_load(POINTER, POINTER, slot, offset as i32)
    }

    /// Calls what the store has at `field` with the store and a status.
    fn call_for_store(
        &mut self,
        store: Value,
        field: i32,
        status: Value,
        returns: &[Type],
    ) -> Inst {
        let flags = constant(self.regions.context);
        let target = self.builder.ins().load(POINTER, flags, store, field);
        let signature = plain(CallConv::SystemV, &[POINTER, types::I64], returns);
        let signature = self.builder.import_signature(signature);
        self.builder.ins().call_indirect(signature, target, &[store, status])
    }
}

/// Which parameter of an entry shim is the context.
pub(super) const ENTRY_SHIM_CONTEXT: usize = 1;

/// Signature of an entry shim: code, context, argument cells.
pub(super) fn entry_shim_signature() -> Signature {
    plain(CallConv::SystemV, &[POINTER; 3], &[])
}

/// Loads the arguments from their cells, calls, stores the results.
pub(super) fn entry_shim<'b>(builder: FunctionBuilder<'b>, ty: &FuncType) -> FunctionBuilder<'b> {
    let mut shim = Shim::new(builder);
    shim.check_before_frame(ty, ENTRY_SHIM_CONTEXT);
    let (code, callee_context, cells) = (shim.params[0], shim.params[1], shim.params[2]);
    let mut args = std_alloc::vec![callee_context];
    for (index, ty) in ty.params().iter().enumerate() {
        args.push(shim.load_cell(*ty, cells, index));
    }
    let signature = shim.builder.import_signature(internal(ty));
    let call = shim.builder.ins().call_indirect(signature, code, &args);
    let results = shim.builder.inst_results(call).to_vec();
    for (index, value) in results.into_iter().enumerate() {
        shim.store_cell(value, cells, index);
    }
    shim.builder.ins().return_(&[]);
    shim.builder
}

/// Spills the arguments into cells, calls the host function, and loads the
/// results or leaves for the landing pad.
pub(super) fn exit_stub<'b>(builder: FunctionBuilder<'b>, ty: &FuncType) -> FunctionBuilder<'b> {
    let mut shim = Shim::new(builder);
    // A host function's context has its store where an instance's has it.
    shim.check_before_frame(ty, 0);
    let host = shim.params[0];
    let store = shim.record_exit(host);
    // The store is kept behind the cells.
    let cells = ty.params().len().max(ty.results().len()).max(1) as u32;
    let cells_bytes = cells * ValRaw::SIZE_BYTES;
    let slot = shim.slot(cells_bytes + POINTER.bytes());
    shim.builder.ins().stack_store(POINTER, store, slot, cells_bytes as i32);
    let cells = shim.builder.ins().stack_addr(POINTER, slot, 0);
    for index in 0..ty.params().len() {
        let value = shim.params[index + 1];
        shim.store_cell(value, cells, index);
    }
    let flags = constant(shim.regions.context);
    let target = shim.builder.ins().load(POINTER, flags, host, field!(VmHostContext, call));
    let signature = plain(CallConv::SystemV, &[POINTER; 2], &[types::I64]);
    let signature = shim.builder.import_signature(signature);
    let call = shim.builder.ins().call_indirect(signature, target, &[host, cells]);
    let status = shim.builder.inst_results(call)[0];
    shim.unwind_if_host_failed((slot, cells_bytes), status);
    let mut results = Vec::with_capacity(ty.results().len());
    for (index, ty) in ty.results().iter().enumerate() {
        results.push(shim.load_cell(*ty, cells, index));
    }
    shim.builder.ins().return_(&results);
    shim.builder
}

/// Calls a builtin through the store's table of them.
pub(super) fn builtin_stub(builder: FunctionBuilder<'_>, builtin: Builtin) -> FunctionBuilder<'_> {
    let mut shim = Shim::new(builder);
    let store = shim.record_exit(shim.params[0]);
    let flags = constant(shim.regions.context);
    let table = shim.builder.ins().load(POINTER, flags, store, field!(VmStoreContext, builtins));
    let target = shim.builder.ins().load(POINTER, flags, table, builtin.offset() as i32);
    let signature = shim.builder.import_signature(builtin_signature(builtin, CallConv::SystemV));
    let parked = builtin.is_fallible().then(|| shim.slot(POINTER.bytes()));
    if let Some(slot) = parked {
        shim.builder.ins().stack_store(POINTER, store, slot, 0);
    }
    let args = shim.params.clone();
    let call = shim.builder.ins().call_indirect(signature, target, &args);
    let result = shim.builder.inst_results(call)[0];
    if let Some(slot) = parked {
        let failed = shim.builder.ins().icmp_imm_s(IntCC::SignedLessThan, result, -1);
        // −(code + 1) is the complement of the code.
        let status = shim.builder.ins().bnot(result);
        shim.unwind_if(failed, (slot, 0), status);
    }
    shim.builder.ins().return_(&[result]);
    shim.builder
}
