//! Drives the translation of one function: parameters and locals, operators
//! one by one, and the checks at its entry.

use super::assignments::Assignments;
use super::budget::{FunctionBudget, Made};
use super::bulk;
use super::code_key::Bulk;
use super::locals::Locals;
use super::op;
use super::outlined::Outlined;
use super::poll::Poll;
use super::regions::{field, trusted};
use super::repeats::Repeats;
use super::signature::{POINTER, value_type};
use super::sites::Sites;
use super::translator::{ModuleEnv, Translator};
use crate::abi::{BYTES_PER_FUEL_LOG2, Builtin, FuncIndex, TypeIndex, VmStoreContext};
use crate::artifact::ValType;
use crate::error::{Error, Result};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;
use std_alloc::vec::Vec;
use wasmparser::{FunctionBody, Operator};

/// What is said about a body besides its IR.
pub(super) struct Translated {
    /// The types that it calls indirectly: host functions of these types need
    /// exit stubs in this module, because they can be called from here.
    pub(super) indirectly_called: Vec<TypeIndex>,
    /// What it used of its budget.
    pub(super) made: Made,
    /// How many operators become many machine instructions.
    pub(super) of_many_steps: u32,
}

/// Translates one body, which is valid. If it is large, with as few instructions as
/// possible rather than fast ones.
pub(super) fn translate<'b>(
    (mut builder, sites): (FunctionBuilder<'b>, &'b mut Sites),
    env: ModuleEnv<'_>,
    func: FuncIndex,
    (body, budget, is_large): (&FunctionBody<'_>, FunctionBudget, bool),
    poll: &mut Poll<'_>,
) -> Result<(FunctionBuilder<'b>, Translated)> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.func.layout.append_block(entry);
    builder.seal_block(entry);
    let context = builder.block_params(entry)[0];
    // The entry is filled last, when it is known which checks the body needs.
    let start = builder.create_block();
    builder.switch_to_block(start);

    let assignments = Assignments::of(body, env.info, env.settings);
    let locals = Locals::of(&assignments, budget, env.settings);
    sites.enter(body.range().start);
    let mut t = Translator::new(builder, sites, env, context, assignments);
    t.locals = locals;
    t.is_large = is_large;
    if is_large {
        t.repeats = Repeats::anywhere();
    }
    let ty = env.info.funcs[func.index()];
    declare_params(&mut t, entry, env.info.types[ty.index()].params());
    declare_locals(&mut t, body)?;
    t.close_locals(budget)?;
    t.facts.position = body.range().start;
    op::control::open_function(&mut t, ty);
    t.interruption_check();

    let mut operators = body.get_operators_reader().map_err(unreadable)?;
    while !operators.eof() {
        let (op, offset) = operators.read_with_offset().map_err(unreadable)?;
        poll.operator(offset)?;
        t.facts.position = offset;
        op::translate(&mut t, &op)?;
        budget.check(t.made())?;
    }

    // The last `end` has left control at the function's exit, if it returns.
    if t.reachable {
        t.write_back_fuel();
        let results = core::mem::take(&mut t.stack);
        t.builder.ins().return_(&results);
    }
    t.builder.switch_to_block(entry);
    t.facts.position = body.range().start;
    t.stack_check()?;
    t.builder.ins().jump(start, &[]);
    t.builder.seal_block(start);
    let (made, of_many_steps) = (t.made(), t.of_many_steps);
    let indirectly_called = t.indirectly_called;
    Ok((t.builder, Translated { indirectly_called, made, of_many_steps }))
}

fn unreadable(_: wasmparser::Error) -> Error {
    Error::Bug("a validated body cannot be read")
}

/// Makes the stub for an instruction on whole ranges of memory.
pub(super) fn bulk_stub<'b>(
    (mut builder, sites): (FunctionBuilder<'b>, &'b mut Sites),
    env: ModuleEnv<'_>,
    bulk: Bulk,
) -> FunctionBuilder<'b> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let params = builder.block_params(entry).to_vec();
    let mut t = Translator::new(builder, sites, env, params[0], Assignments::default());
    t.stack.extend_from_slice(&params[1..]);
    bulk::body(&mut t, bulk);
    t.builder.ins().return_(&[]);
    t.builder
}

/// Makes the stub of what large functions leave to one.
pub(super) fn outlined_stub<'b>(
    (mut builder, sites): (FunctionBuilder<'b>, &'b mut Sites),
    env: ModuleEnv<'_>,
    what: Outlined,
) -> FunctionBuilder<'b> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let params = builder.block_params(entry).to_vec();
    let mut t = Translator::new(builder, sites, env, params[0], Assignments::default());
    match (what, &params[1..]) {
        (Outlined::Store, &[address, reference]) => {
            // Where it lies is nobody else's: of a global or of a table's element.
            let flags = trusted(t.regions.global);
            t.store_counted_in_place(flags, reference, address, 0);
        }
        (Outlined::Read, &[reference]) => t.read_barrier_in_place(reference),
        (Outlined::Truncate(truncation), operands) => {
            t.stack.extend_from_slice(operands);
            op::truncate_in_place(&mut t, truncation);
        }
        (_, operands) => {
            t.stack.extend_from_slice(operands);
            op::divide_signed_in_place(&mut t);
        }
    }
    let results = core::mem::take(&mut t.stack);
    t.builder.ins().return_(&results);
    t.builder
}

fn declare_params(t: &mut Translator<'_, '_>, entry: Block, params: &[ValType]) {
    for (index, ty) in params.iter().enumerate() {
        let value = t.builder.block_params(entry)[index + 1];
        if ty.needs_stack_map() {
            t.builder.declare_value_needs_stack_map(value);
        }
        t.declare_local(*ty, value);
    }
}

/// Declares the body's own locals, all zero: one constant per run of a type.
fn declare_locals(t: &mut Translator<'_, '_>, body: &FunctionBody<'_>) -> Result<()> {
    for run in body.get_locals_reader().map_err(unreadable)? {
        let (count, ty) = run.map_err(unreadable)?;
        if count == 0 {
            continue;
        }
        let ty = super::declare::val_type(ty)?;
        let zero = match ty {
            ValType::F32 => t.builder.ins().f32const(Ieee32::with_bits(0)),
            ValType::F64 => t.builder.ins().f64const(Ieee64::with_bits(0)),
            ValType::V128 => {
                let zero = t.builder.func.dfg.constants.insert([0; 16][..].into());
                t.builder.ins().vconst(value_type(ty), zero)
            }
            _ => t.builder.ins().iconst(value_type(ty), 0),
        };
        for _ in 0..count {
            if t.locals.are_all(t.facts.assignments()) {
                break;
            }
            t.declare_local(ty, zero);
        }
    }
    Ok(())
}

impl Translator<'_, '_> {
    /// At the function's start and at loop heads: zeal, epoch and fuel.
    pub(super) fn interruption_check(&mut self) {
        self.zeal_safepoint();
        self.epoch_check();
        if self.env.settings.consume_fuel {
            self.write_back_fuel();
            let store = self.store_context();
            let fuel = self.load_context(types::I64, store, field!(VmStoreContext, fuel));
            self.fuel_check(fuel);
        }
    }

    /// Calls the runtime if the epoch's deadline has passed.
    pub(super) fn epoch_check(&mut self) {
        if self.env.settings.epoch_interruption {
            let store = self.store_context();
            let counter = self.load_constant(POINTER, store, field!(VmStoreContext, epoch_counter));
            let flags = trusted(self.regions.context);
            // Atomic, so that the optimizer does not merge the loads.
            let epoch = self.builder.ins().atomic_load(types::I64, flags, counter);
            let deadline =
                self.load_context(types::I64, store, field!(VmStoreContext, epoch_deadline));
            let reached =
                self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, epoch, deadline);
            self.call_if(reached, Builtin::EpochReached);
        }
    }

    /// Traps if `fuel` is below zero.
    fn fuel_check(&mut self, fuel: Value) {
        let exhausted = self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
        self.call_if(exhausted, Builtin::FuelExhausted);
    }

    /// Takes the fuel for bulk work on `bytes` bytes, or traps before any of it
    /// is done.
    pub(super) fn pay_for_bytes(&mut self, bytes: Value) {
        if !self.env.settings.consume_fuel {
            return;
        }
        let units = self.builder.ins().ushr_imm_u(bytes, i64::from(BYTES_PER_FUEL_LOG2));
        let store = self.store_context();
        let flags = trusted(self.regions.context);
        let fuel = self.load_context(types::I64, store, field!(VmStoreContext, fuel));
        let fuel = self.builder.ins().isub(fuel, units);
        self.builder.ins().store(flags, fuel, store, field!(VmStoreContext, fuel));
        self.fuel_check(fuel);
    }

    /// Calls a builtin on a cold path when `condition` is non-zero.
    fn call_if(&mut self, condition: Value, builtin: Builtin) {
        let (call, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(call);
        self.builder.ins().brif(condition, call, &[], next, &[]);
        self.builder.switch_to_block(call);
        self.builder.seal_block(call);
        self.call_builtin(builtin, &[]);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
    }

    /// Counts one operator, and writes the count back before control may go
    /// elsewhere.
    pub(super) fn count_fuel(&mut self, op: &Operator<'_>) {
        if !self.env.settings.consume_fuel {
            return;
        }
        use Operator as O;
        match op {
            // Not work: they only structure the code.
            O::Nop | O::Block { .. } => {}
            O::Loop { .. } | O::If { .. } | O::Else | O::End => self.write_back_fuel(),
            O::Br { .. }
            | O::BrIf { .. }
            | O::BrTable { .. }
            | O::Return
            | O::Unreachable
            | O::Call { .. }
            | O::CallIndirect { .. }
            | O::ReturnCall { .. }
            | O::ReturnCallIndirect { .. }
            // These take more fuel themselves, or call the embedder.
            | O::MemoryCopy { .. }
            | O::MemoryFill { .. }
            | O::MemoryInit { .. }
            | O::MemoryGrow { .. }
            | O::TableCopy { .. }
            | O::TableFill { .. }
            | O::TableInit { .. }
            | O::TableGrow { .. } => {
                self.pending_fuel += 1;
                self.write_back_fuel();
            }
            _ => self.pending_fuel += 1,
        }
    }

    fn write_back_fuel(&mut self) {
        let used = core::mem::take(&mut self.pending_fuel);
        if used == 0 {
            return;
        }
        let store = self.store_context();
        let flags = trusted(self.regions.context);
        let fuel = self.load_context(types::I64, store, field!(VmStoreContext, fuel));
        let fuel = self.builder.ins().iadd_imm_s(fuel, -i64::from(used));
        self.builder.ins().store(flags, fuel, store, field!(VmStoreContext, fuel));
    }
}
