//! Loads and stores, memory size and growth, bulk memory.

use crate::abi::{Builtin, MemoryIndex};
use crate::compile::bulk;
use crate::compile::code_key::Bulk;
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::{MemArg, Operator};

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{F32, F64, I8, I16, I32, I64};
    match *op {
        O::I32Load { ref memarg } => load(t, memarg, I32),
        O::I64Load { ref memarg } => load(t, memarg, I64),
        O::F32Load { ref memarg } => load(t, memarg, F32),
        O::F64Load { ref memarg } => load(t, memarg, F64),
        O::I32Load8S { ref memarg } => load_extended(t, memarg, I8, I32, true),
        O::I32Load8U { ref memarg } => load_extended(t, memarg, I8, I32, false),
        O::I32Load16S { ref memarg } => load_extended(t, memarg, I16, I32, true),
        O::I32Load16U { ref memarg } => load_extended(t, memarg, I16, I32, false),
        O::I64Load8S { ref memarg } => load_extended(t, memarg, I8, I64, true),
        O::I64Load8U { ref memarg } => load_extended(t, memarg, I8, I64, false),
        O::I64Load16S { ref memarg } => load_extended(t, memarg, I16, I64, true),
        O::I64Load16U { ref memarg } => load_extended(t, memarg, I16, I64, false),
        O::I64Load32S { ref memarg } => load_extended(t, memarg, I32, I64, true),
        O::I64Load32U { ref memarg } => load_extended(t, memarg, I32, I64, false),
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{I8, I16, I32};
    match *op {
        O::I32Store { ref memarg } | O::F32Store { ref memarg } => store(t, memarg, 4, None),
        O::I64Store { ref memarg } | O::F64Store { ref memarg } => store(t, memarg, 8, None),
        O::I32Store8 { ref memarg } | O::I64Store8 { ref memarg } => store(t, memarg, 1, Some(I8)),
        O::I32Store16 { ref memarg } | O::I64Store16 { ref memarg } => {
            store(t, memarg, 2, Some(I16));
        }
        O::I64Store32 { ref memarg } => store(t, memarg, 4, Some(I32)),
        O::MemorySize { mem } => {
            let len = t.memory_len(MemoryIndex(mem));
            let pages = t.builder.ins().ushr_imm_u(len, 16);
            push_size(t, pages, is_64(t, mem));
        }
        O::MemoryGrow { mem } => {
            let delta = t.pop();
            let delta = t.widen_index(delta);
            let memory = t.builder.ins().iconst(I32, i64::from(mem));
            let old = t.call_builtin(Builtin::MemoryGrow, &[memory, delta]);
            push_size(t, old, is_64(t, mem));
        }
        O::MemoryCopy { dst_mem, src_mem } => {
            bulk::translate(t, Bulk::Copy(MemoryIndex(dst_mem), MemoryIndex(src_mem)));
        }
        O::MemoryFill { mem } => bulk::translate(t, Bulk::Fill(MemoryIndex(mem))),
        O::MemoryInit { data_index, mem } => {
            let (dst, src, len) = t.pop3();
            let dst = t.widen_index(dst);
            let memory = t.builder.ins().iconst(I32, i64::from(mem));
            let segment = t.builder.ins().iconst(I32, i64::from(data_index));
            t.call_builtin(Builtin::MemoryInit, &[memory, segment, dst, src, len]);
        }
        O::DataDrop { data_index } => {
            let segment = t.builder.ins().iconst(I32, i64::from(data_index));
            t.call_builtin(Builtin::DataDrop, &[segment]);
        }
        _ => return Done::NotMine,
    }
    Done::Seen
}

fn is_64(t: &Translator<'_, '_>, memory: u32) -> bool {
    t.env.info.memories[memory as usize].memory64
}

/// Pushes a size that a 32-bit memory or table expresses in an `i32`.
pub(super) fn push_size(
    t: &mut Translator<'_, '_>,
    size: cranelift_codegen::ir::Value,
    is_64: bool,
) {
    let size = if is_64 { size } else { t.builder.ins().ireduce(types::I32, size) };
    t.push(size);
}

fn load(t: &mut Translator<'_, '_>, arg: &MemArg, ty: Type) {
    let address = t.load_address(arg, ty.bytes());
    let value = t.builder.ins().load(ty, address.flags, address.base, address.offset);
    t.push(value);
}

fn load_extended(t: &mut Translator<'_, '_>, arg: &MemArg, from: Type, to: Type, signed: bool) {
    load(t, arg, from);
    let narrow = t.pop();
    let value = match signed {
        true => t.builder.ins().sextend(to, narrow),
        false => t.builder.ins().uextend(to, narrow),
    };
    t.push(value);
}

fn store(t: &mut Translator<'_, '_>, arg: &MemArg, size: u32, narrow: Option<Type>) {
    let value = t.pop();
    let value = match narrow {
        Some(ty) if t.builder.func.dfg.value_type(value) != ty => {
            t.builder.ins().ireduce(ty, value)
        }
        _ => value,
    };
    let address = t.store_address(arg, size);
    t.builder.ins().store(address.flags, value, address.base, address.offset);
}
