//! Tables: element access with barriers, size and growth, bulk operations.

use super::memory::push_size;
use crate::abi::{Builtin, TableIndex, Trap};
use crate::artifact::{RefType, ValType};
use crate::compile::op::done::Done;
use crate::compile::regions::trusted;
use crate::compile::signature::ref_type;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    match *op {
        O::TableGet { table } => {
            let table = TableIndex(table);
            t.zeal_safepoint();
            let index = t.pop();
            let element = checked_element(t, table, index, Trap::TableOutOfBounds);
            let ty = element_type(t, table);
            let flags = trusted(t.regions.table);
            let value = t.builder.ins().load(ref_type(ty), flags, element, 0);
            t.push_typed(value, ValType::Ref(ty));
            if ty.is_counted() {
                t.read_barrier(value);
            }
        }
        O::TableSet { table } => {
            let table = TableIndex(table);
            t.zeal_safepoint();
            let (index, value) = t.pop2();
            let element = checked_element(t, table, index, Trap::TableOutOfBounds);
            let flags = trusted(t.regions.table);
            if element_type(t, table).is_counted() {
                t.store_counted(flags, value, element, 0);
            } else {
                t.builder.ins().store(flags, value, element, 0);
            }
        }
        O::TableSize { table } => {
            let len = t.table_len(TableIndex(table));
            push_size(t, len, is_64(t, table));
        }
        O::TableGrow { table } => {
            let (init, delta) = t.pop2();
            let (init, delta) = (t.widen_index(init), t.widen_index(delta));
            let index = t.builder.ins().iconst(types::I32, i64::from(table));
            let old = t.call_builtin(Builtin::TableGrow, &[index, delta, init]);
            push_size(t, old, is_64(t, table));
        }
        O::TableFill { table } => {
            let (dst, value, len) = t.pop3();
            let (dst, value, len) = (t.widen_index(dst), t.widen_index(value), t.widen_index(len));
            let table = t.builder.ins().iconst(types::I32, i64::from(table));
            t.call_builtin(Builtin::TableFill, &[table, dst, value, len]);
        }
        O::TableCopy { dst_table, src_table } => {
            let (dst, src, len) = t.pop3();
            let (dst, src, len) = (t.widen_index(dst), t.widen_index(src), t.widen_index(len));
            let dst_table = t.builder.ins().iconst(types::I32, i64::from(dst_table));
            let src_table = t.builder.ins().iconst(types::I32, i64::from(src_table));
            t.call_builtin(Builtin::TableCopy, &[dst_table, src_table, dst, src, len]);
        }
        O::TableInit { elem_index, table } => {
            let (dst, src, len) = t.pop3();
            let dst = t.widen_index(dst);
            let table = t.builder.ins().iconst(types::I32, i64::from(table));
            let segment = t.builder.ins().iconst(types::I32, i64::from(elem_index));
            t.call_builtin(Builtin::TableInit, &[table, segment, dst, src, len]);
        }
        O::ElemDrop { elem_index } => {
            let segment = t.builder.ins().iconst(types::I32, i64::from(elem_index));
            t.call_builtin(Builtin::ElemDrop, &[segment]);
        }
        _ => return Done::NotMine,
    }
    Done::Seen
}

fn is_64(t: &Translator<'_, '_>, table: u32) -> bool {
    t.env.info.tables[table as usize].table64
}

fn element_type(t: &Translator<'_, '_>, table: TableIndex) -> RefType {
    t.env.info.tables[table.index()].element
}

/// Address of an element, after a check that it exists.
pub(super) fn checked_element(
    t: &mut Translator<'_, '_>,
    table: TableIndex,
    index: Value,
    trap: Trap,
) -> Value {
    let index = t.widen_index(index);
    let len = t.table_len(table);
    let outside = t.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
    t.trap_if(outside, trap);
    // The first element, or null: what the base of an empty table is near.
    let index = t.zero_if(outside, index);
    let base = t.table_base(table);
    let shift = element_type(t, table).element_bytes_log2();
    let offset = t.builder.ins().ishl_imm_u(index, i64::from(shift));
    t.builder.ins().iadd(base, offset)
}
