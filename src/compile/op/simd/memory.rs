//! Vector loads and stores: whole, widened, splatted, zero-filled, by lane.

use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::{MemArg, Operator};

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    match *op {
        Operator::V128Load { ref memarg } => {
            let value = scalar(t, memarg, types::I8X16);
            t.push_vector(value);
        }
        _ => return seen(t, op),
    }
    Done::Silent
}

fn seen(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Done {
    use Operator as O;
    use types::{I8, I8X16, I16, I16X8, I32, I32X4, I64, I64X2};

    /// A load of 64 bits whose lanes become twice as wide.
    macro_rules! widen {
        ($memarg:expr, $load:ident) => {{
            let address = t.load_address($memarg, 8);
            let value = t.builder.ins().$load(address.flags, address.base, address.offset);
            t.push_vector(value);
        }};
    }

    match *op {
        O::V128Store { ref memarg } => {
            let value = t.pop_vector(I8X16);
            store(t, memarg, value, 16);
        }
        O::V128Load8x8S { ref memarg } => widen!(memarg, sload8x8),
        O::V128Load8x8U { ref memarg } => widen!(memarg, uload8x8),
        O::V128Load16x4S { ref memarg } => widen!(memarg, sload16x4),
        O::V128Load16x4U { ref memarg } => widen!(memarg, uload16x4),
        O::V128Load32x2S { ref memarg } => widen!(memarg, sload32x2),
        O::V128Load32x2U { ref memarg } => widen!(memarg, uload32x2),
        O::V128Load8Splat { ref memarg } => splat(t, memarg, I8, I8X16),
        O::V128Load16Splat { ref memarg } => splat(t, memarg, I16, I16X8),
        O::V128Load32Splat { ref memarg } => splat(t, memarg, I32, I32X4),
        O::V128Load64Splat { ref memarg } => splat(t, memarg, I64, I64X2),
        O::V128Load32Zero { ref memarg } => zero_fill(t, memarg, I32, I32X4),
        O::V128Load64Zero { ref memarg } => zero_fill(t, memarg, I64, I64X2),
        O::V128Load8Lane { ref memarg, lane } => load_lane(t, memarg, I8, I8X16, lane),
        O::V128Load16Lane { ref memarg, lane } => load_lane(t, memarg, I16, I16X8, lane),
        O::V128Load32Lane { ref memarg, lane } => load_lane(t, memarg, I32, I32X4, lane),
        O::V128Load64Lane { ref memarg, lane } => load_lane(t, memarg, I64, I64X2, lane),
        O::V128Store8Lane { ref memarg, lane } => store_lane(t, memarg, 1, I8X16, lane),
        O::V128Store16Lane { ref memarg, lane } => store_lane(t, memarg, 2, I16X8, lane),
        O::V128Store32Lane { ref memarg, lane } => store_lane(t, memarg, 4, I32X4, lane),
        O::V128Store64Lane { ref memarg, lane } => store_lane(t, memarg, 8, I64X2, lane),
        _ => return Done::NotMine,
    }
    Done::Seen
}

fn scalar(t: &mut Translator<'_, '_>, arg: &MemArg, ty: Type) -> Value {
    let address = t.load_address(arg, ty.bytes());
    t.builder.ins().load(ty, address.flags, address.base, address.offset)
}

fn store(t: &mut Translator<'_, '_>, arg: &MemArg, value: Value, size: u32) {
    let address = t.store_address(arg, size);
    t.builder.ins().store(address.flags, value, address.base, address.offset);
}

fn splat(t: &mut Translator<'_, '_>, arg: &MemArg, lane: Type, vector: Type) {
    let value = scalar(t, arg, lane);
    let value = t.builder.ins().splat(vector, value);
    t.push_vector(value);
}

fn zero_fill(t: &mut Translator<'_, '_>, arg: &MemArg, lane: Type, vector: Type) {
    let value = scalar(t, arg, lane);
    let value = t.builder.ins().scalar_to_vector(vector, value);
    t.push_vector(value);
}

fn load_lane(t: &mut Translator<'_, '_>, arg: &MemArg, lane: Type, vector: Type, index: u8) {
    let into = t.pop_vector(vector);
    let value = scalar(t, arg, lane);
    let value = t.builder.ins().insertlane(into, value, index);
    t.push_vector(value);
}

fn store_lane(t: &mut Translator<'_, '_>, arg: &MemArg, size: u32, vector: Type, index: u8) {
    let from = t.pop_vector(vector);
    let value = t.builder.ins().extractlane(from, index);
    store(t, arg, value, size);
}
