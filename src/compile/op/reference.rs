//! `ref.null`, `ref.is_null`, `ref.func`.

use crate::abi::FuncIndex;
use crate::artifact::RefType;
use crate::compile::declare::heap_type;
use crate::compile::op::done::Done;
use crate::compile::signature;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::Operator;

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::RefNull { hty } => {
            // A null needs no stack map: it names no object.
            let Ok(heap_type) = heap_type(hty) else { return Done::NotMine };
            let ty = signature::ref_type(RefType::new(true, heap_type));
            let value = t.builder.ins().iconst(ty, 0);
            t.push(value);
        }
        Operator::RefIsNull => {
            let value = t.pop();
            let is_null = t.builder.ins().icmp_imm_u(IntCC::Equal, value, 0);
            let is_null = t.builder.ins().uextend(types::I32, is_null);
            t.push(is_null);
        }
        Operator::RefFunc { function_index } => {
            let escape = t.env.info.escape_indices[FuncIndex(function_index).index()];
            let offset = t.env.offsets.func_ref(escape);
            let value = t.builder.ins().iadd_imm_u(t.context, i64::from(offset));
            t.push(value);
        }
        _ => return Done::NotMine,
    }
    Done::Seen
}
