//! Calls: direct, imported, indirect, and their tail forms.

use super::table::checked_element;
use crate::abi::{FuncIndex, TableIndex, Trap, TypeIndex, VmContext, VmFuncRef, VmFunctionImport};
use crate::compile::op::done::Done;
use crate::compile::regions::{field, trusted};
use crate::compile::signature::POINTER;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Inst, InstBuilder, Value, types};
use std_alloc::vec::Vec;
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::Call { function_index } => call(t, FuncIndex(function_index)),
        Operator::CallIndirect { type_index, table_index } => {
            call_indirect(t, TypeIndex(type_index), TableIndex(table_index));
        }
        Operator::ReturnCall { function_index } => return_call(t, FuncIndex(function_index)),
        Operator::ReturnCallIndirect { type_index, table_index } => {
            return_call_indirect(t, TypeIndex(type_index), TableIndex(table_index));
        }
        _ => return Done::NotMine,
    }
    Done::Seen
}

/// Pops the operands that `ty` takes; returns them after the callee's context.
fn arguments(t: &mut Translator<'_, '_>, ty: TypeIndex, context: Value) -> Vec<Value> {
    let count = t.env.info.types[ty.index()].params().len();
    let from = t.stack.len().saturating_sub(count);
    t.operands_passed += t.stack.len() as u64;
    let mut args = Vec::with_capacity(count + 1);
    args.push(context);
    args.extend(t.stack.drain(from..));
    args
}

fn push_results(t: &mut Translator<'_, '_>, ty: TypeIndex, call: Inst) {
    t.note_call();
    let info = t.env.info;
    let values: Vec<Value> = t.builder.inst_results(call).to_vec();
    for (value, ty) in values.into_iter().zip(info.types[ty.index()].results()) {
        t.push_typed(value, *ty);
    }
    t.zeal_safepoint();
}

/// Code and context of an imported function.
fn import_target(t: &mut Translator<'_, '_>, func: FuncIndex) -> (Value, Value) {
    let offset = t.env.offsets.function_import(func) as i32;
    let code = t.load_constant(POINTER, t.context, offset + field!(VmFunctionImport, code));
    let context = t.load_constant(POINTER, t.context, offset + field!(VmFunctionImport, context));
    (code, context)
}

fn call(t: &mut Translator<'_, '_>, func: FuncIndex) {
    t.zeal_safepoint();
    let ty = t.env.info.funcs[func.index()];
    let call = if t.env.info.is_imported_func(func) {
        let (code, context) = import_target(t, func);
        let args = arguments(t, ty, context);
        let signature = t.internal_signature(ty);
        t.call_site(|builder| builder.ins().call_indirect(signature, code, &args))
    } else {
        let args = arguments(t, ty, t.context);
        let callee = t.defined_function(func);
        t.call_site(|builder| builder.ins().call(callee, &args))
    };
    push_results(t, ty, call);
}

fn return_call(t: &mut Translator<'_, '_>, func: FuncIndex) {
    t.zeal_safepoint();
    let ty = t.env.info.funcs[func.index()];
    if t.env.info.is_imported_func(func) {
        let (code, context) = import_target(t, func);
        let args = arguments(t, ty, context);
        t.note_tail_call(args.len());
        let signature = t.internal_signature(ty);
        t.builder.ins().return_call_indirect(signature, code, &args);
    } else {
        let args = arguments(t, ty, t.context);
        t.note_tail_call(args.len());
        let callee = t.defined_function(func);
        t.builder.ins().return_call(callee, &args);
    }
    t.reachable = false;
}

/// Pops the index, checks that the element there is a function of type `ty`,
/// and finds its code and context.
fn indirect_target(t: &mut Translator<'_, '_>, ty: TypeIndex, table: TableIndex) -> (Value, Value) {
    t.zeal_safepoint();
    t.indirectly_called.push(ty);
    let index = t.pop();
    let element = checked_element(t, table, index, Trap::UndefinedElement);
    let flags = trusted(t.regions.table);
    let func_ref = t.builder.ins().load(POINTER, flags, element, 0);
    let is_null = t.builder.ins().icmp_imm_u(IntCC::Equal, func_ref, 0);
    t.trap_if(is_null, Trap::IndirectCallToNull);
    let ids = t.load_constant(POINTER, t.context, field!(VmContext, type_ids));
    let expected = t.load_constant(types::I32, ids, ty.0 as i32 * 4);
    let found = t.load_context(types::I32, func_ref, field!(VmFuncRef, type_id));
    let differs = t.builder.ins().icmp(IntCC::NotEqual, expected, found);
    t.trap_if(differs, Trap::BadSignature);
    let code = t.load_context(POINTER, func_ref, field!(VmFuncRef, code));
    let context = t.load_context(POINTER, func_ref, field!(VmFuncRef, context));
    (t.zero_if(differs, code), context)
}

fn call_indirect(t: &mut Translator<'_, '_>, ty: TypeIndex, table: TableIndex) {
    let (code, context) = indirect_target(t, ty, table);
    let args = arguments(t, ty, context);
    let signature = t.internal_signature(ty);
    let call = t.call_site(|builder| builder.ins().call_indirect(signature, code, &args));
    push_results(t, ty, call);
}

fn return_call_indirect(t: &mut Translator<'_, '_>, ty: TypeIndex, table: TableIndex) {
    let (code, context) = indirect_target(t, ty, table);
    let args = arguments(t, ty, context);
    t.note_tail_call(args.len());
    let signature = t.internal_signature(ty);
    t.builder.ins().return_call_indirect(signature, code, &args);
    t.reachable = false;
}
