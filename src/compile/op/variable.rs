//! Locals, globals, constants, `drop`, `select`.

use crate::abi::GlobalIndex;
use crate::compile::declare::val_type;
use crate::compile::op::done::Done;
use crate::compile::regions::trusted;
use crate::compile::signature::value_type;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::LocalGet { local_index } => {
            let value = t.local_get(local_index);
            t.push(value);
        }
        Operator::LocalSet { local_index } => {
            let value = t.pop();
            t.local_set(local_index, value);
        }
        Operator::LocalTee { local_index } => {
            let value = t.pop();
            t.local_set(local_index, value);
            t.push(value);
        }
        Operator::I32Const { value } => {
            let value = t.integer(types::I32, i64::from(value as u32));
            t.push(value);
        }
        Operator::I64Const { value } => {
            let value = t.integer(types::I64, value);
            t.push(value);
        }
        Operator::F32Const { value } => {
            let value = t.float(types::F32, value.bits().into());
            t.push(value);
        }
        Operator::F64Const { value } => {
            let value = t.float(types::F64, value.bits());
            t.push(value);
        }
        Operator::Drop => {
            t.pop();
        }
        Operator::Select => {
            let (first, second, condition) = t.pop3();
            let value = t.builder.ins().select(condition, first, second);
            t.push(value);
        }
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::GlobalGet { global_index } => global_get(t, GlobalIndex(global_index)),
        Operator::GlobalSet { global_index } => global_set(t, GlobalIndex(global_index)),
        Operator::TypedSelect { ty } => {
            let Ok(ty) = val_type(ty) else { return Done::NotMine };
            let (first, second, condition) = t.pop3();
            let value = t.builder.ins().select(condition, first, second);
            t.push_typed(value, ty);
        }
        Operator::Nop => {}
        _ => return Done::NotMine,
    }
    Done::Seen
}

fn global_get(t: &mut Translator<'_, '_>, global: GlobalIndex) {
    let ty = t.env.info.globals[global.index()].ty;
    let place = t.global_place(global);
    let flags = trusted(t.regions.global);
    let flags = if ty.mutable { flags } else { flags.with_readonly().with_can_move() };
    let value = t.builder.ins().load(value_type(ty.content), flags, place.base, place.offset);
    t.push_typed(value, ty.content);
    if ty.content.is_counted() {
        t.read_barrier(value);
    }
}

fn global_set(t: &mut Translator<'_, '_>, global: GlobalIndex) {
    let ty = t.env.info.globals[global.index()].ty.content;
    let flags = trusted(t.regions.global);
    if ty.is_counted() {
        t.zeal_safepoint();
    }
    let value = t.pop();
    let place = t.global_place(global);
    if ty.is_counted() {
        t.store_counted(flags, value, place.base, place.offset);
    } else {
        t.builder.ins().store(flags, value, place.base, place.offset);
    }
}
