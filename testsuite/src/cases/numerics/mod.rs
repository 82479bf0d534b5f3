//! Every scalar operator on edge values, compared with a model in Rust. Values
//! cross both as integers carrying the bits and as themselves, which shows that
//! NaN payloads and signs of zeros survive in both directions.

mod conversions;
mod floats;
mod integers;

pub use conversions::conversions_between_floats_and_integers;
pub use floats::{
    float_arithmetic_and_comparisons, float_operators_that_keep_bits, floats_cross_unchanged,
    rounding,
};
pub use integers::{integer_operators, integers_that_change_width};

use crate::support::{Setup, instance};
use alloc::format;
use alloc::string::String;
use kernref::{Func, Instance, Store, Trap, Val, ValType};

type Outcome = Result<u64, Trap>;

/// An operator: its name, operand types, result type and semantics, all values
/// as bits. Unary operators ignore the second operand.
struct Op {
    name: &'static str,
    params: &'static [ValType],
    result: ValType,
    model: fn(u64, u64) -> Outcome,
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;
const F32: ValType = ValType::F32;
const F64: ValType = ValType::F64;

/// The NaN that stands for any quiet NaN as an arithmetic result.
const NAN32: u64 = 0x7fc0_0000;
const NAN64: u64 = 0x7ff8_0000_0000_0000;

fn from_bits(ty: ValType, value: &str) -> String {
    match ty {
        ValType::I32 => format!("(i32.wrap_i64 {value})"),
        ValType::F32 => format!("(f32.reinterpret_i32 (i32.wrap_i64 {value}))"),
        ValType::F64 => format!("(f64.reinterpret_i64 {value})"),
        _ => value.into(),
    }
}

fn to_bits(ty: ValType, value: &str) -> String {
    match ty {
        ValType::I32 => format!("(i64.extend_i32_u {value})"),
        ValType::F32 => format!("(i64.extend_i32_u (i32.reinterpret_f32 {value}))"),
        ValType::F64 => format!("(i64.reinterpret_f64 {value})"),
        _ => value.into(),
    }
}

/// A module with two functions per operator: plain `name`, and `name/bits`.
fn text_of(ops: &[Op]) -> String {
    let mut text = String::from("(module ");
    for op in ops {
        let (name, result) = (op.name, op.result);
        let params: String = op.params.iter().map(|ty| format!("{ty} ")).collect();
        let plain: String = (0..op.params.len()).map(|at| format!("(local.get {at}) ")).collect();
        let bits: String = (0..op.params.len())
            .map(|at| from_bits(op.params[at], &format!("(local.get {at}) ")))
            .collect();
        let through = to_bits(result, &format!("({name} {bits})"));
        text += &format!(
            r#"(func (export "{name}") (param {params}) (result {result}) ({name} {plain}))
            (func (export "{name}/bits") (param i64 i64) (result i64) {through}) "#
        );
    }
    text + ")"
}

fn val(ty: ValType, bits: u64) -> Val {
    match ty {
        ValType::I32 => Val::I32(bits as u32 as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        _ => Val::F64(bits),
    }
}

fn bits(val: &Val) -> u64 {
    match *val {
        Val::I32(value) => u64::from(value as u32),
        Val::I64(value) => value as u64,
        Val::F32(bits) => bits.into(),
        Val::F64(bits) => bits,
        ref other => panic!("{other:?}"),
    }
}

fn is_quiet_nan(ty: ValType, bits: u64) -> bool {
    match ty {
        ValType::F32 => bits & NAN32 == NAN32,
        ValType::F64 => bits & NAN64 == NAN64,
        _ => false,
    }
}

/// Equal, or both quiet NaNs where `loose` allows that.
fn agree(ty: ValType, loose: bool, found: Outcome, wanted: Outcome) -> bool {
    match (found, wanted) {
        (Ok(found), Ok(wanted)) if loose && is_quiet_nan(ty, wanted) => is_quiet_nan(ty, found),
        (found, wanted) => found == wanted,
    }
}

/// The two functions of an operator in an instance.
struct Functions {
    plain: Func,
    bits: kernref::TypedFunc<(u64, u64), u64>,
}

impl Functions {
    fn of(op: &Op, store: &mut Store<()>, instance: &Instance) -> Self {
        let plain = instance.get_func(&mut *store, op.name).unwrap();
        let bits = instance.get_typed_func(store, &format!("{}/bits", op.name)).unwrap();
        Self { plain, bits }
    }

    /// Runs both and checks that they agree.
    fn run(&self, op: &Op, store: &mut Store<()>, a: u64, b: u64) -> Outcome {
        let trap = |error: kernref::Error| error.as_trap().unwrap();
        let through = self.bits.call(&mut *store, (a, b)).map_err(trap);
        let params: [Val; 2] =
            [val(op.params[0], a), val(op.params.get(1).copied().unwrap_or(I32), b)];
        let mut results = [Val::I32(0)];
        let plain = self.plain.call(&mut *store, &params[..op.params.len()], &mut results);
        let plain = plain.map(|()| bits(&results[0])).map_err(trap);
        assert!(agree(op.result, true, plain, through), "{}: {plain:x?} {through:x?}", op.name);
        through
    }
}

/// Runs every operator on every pair of edge values of its types.
fn check(setup: Setup, ops: &[Op], loose: bool, edges: fn(ValType) -> &'static [u64]) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, &text_of(ops));
        for op in ops {
            let functions = Functions::of(op, &mut store, &instance);
            let second = op.params.get(1).map_or(&[0][..], |ty| edges(*ty));
            for a in edges(op.params[0]) {
                for b in second {
                    let found = functions.run(op, &mut store, *a, *b);
                    let wanted = (op.model)(*a, *b);
                    assert!(
                        agree(op.result, loose, found, wanted),
                        "{} {a:#x} {b:#x}: {found:x?} instead of {wanted:x?}",
                        op.name
                    );
                }
            }
        }
    });
}
