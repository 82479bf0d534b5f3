//! What single operators need: by the parser's list, by the types they name,
//! and by how they are written.

use super::Needs;
use crate::compile::features::ParserFeatures as Features;
use wasmparser::{BinaryReader, BlockType, HeapType, Operator, OperatorsReader, RefType};

/// Proposals that change how the bytes of operators are read.
const ENCODINGS: [Features; 5] = [
    Features::MULTI_MEMORY,
    Features::MEMORY64,
    Features::CALL_INDIRECT_OVERLONG,
    Features::ACQUIRE_RELEASE_ATOMICS,
    Features::MULTIBYTE_ARRAY_ACCESS,
];

/// Notes what an operator needs.
pub(super) fn needs<'b>(needs: &mut Needs<'b>, op: &Operator<'b>, offset: u64) {
    needs.need(proposal(op), offset);
    needs.need_if(has_floats(op), Features::FLOATS, offset);
    visit_operands(needs, op, offset);
}

macro_rules! proposal_of {
    ($op:expr; $(@$proposal:ident $name:ident $({ $($arg:ident: $ty:ty),* })?
        => $visit:ident ($($arity:tt)*))*) => {
        match $op {
            $(Operator::$name { .. } => proposal_of!(@ $proposal),)*
            _ => Features::empty(),
        }
    };
    (@ mvp) => { Features::empty() };
    (@ sign_extension) => { Features::SIGN_EXTENSION };
    (@ saturating_float_to_int) => { Features::SATURATING_FLOAT_TO_INT };
    (@ bulk_memory) => { Features::BULK_MEMORY };
    (@ reference_types) => { Features::REFERENCE_TYPES };
    (@ simd) => { Features::SIMD };
    (@ relaxed_simd) => { Features::RELAXED_SIMD };
    (@ tail_call) => { Features::TAIL_CALL };
    (@ threads) => { Features::THREADS };
    (@ shared_everything_threads) => { Features::SHARED_EVERYTHING_THREADS };
    (@ acquire_release_atomics) => { Features::ACQUIRE_RELEASE_ATOMICS };
    (@ exceptions) => { Features::EXCEPTIONS };
    (@ legacy_exceptions) => { Features::LEGACY_EXCEPTIONS };
    (@ function_references) => { Features::FUNCTION_REFERENCES };
    (@ gc) => { Features::GC };
    (@ custom_descriptors) => { Features::CUSTOM_DESCRIPTORS };
    (@ memory_control) => { Features::MEMORY_CONTROL };
    (@ stack_switching) => { Features::STACK_SWITCHING };
    (@ wide_arithmetic) => { Features::WIDE_ARITHMETIC };
}

/// The proposal that introduced an operator.
fn proposal(op: &Operator<'_>) -> Features {
    macro_rules! ask {
        ($($all:tt)*) => { proposal_of!(op; $($all)*) };
    }
    wasmparser::for_each_operator!(ask)
}

macro_rules! names_floats {
    ($op:expr; $(@$proposal:ident $name:ident $({ $($arg:ident: $ty:ty),* })?
        => $visit:ident ($($arity:tt)*))*) => {
        match $op {
            $(Operator::$name { .. } => const { says_float(stringify!($name)) },)*
            _ => false,
        }
    };
}

/// Whether an operator takes or makes floats: its name says so.
fn has_floats(op: &Operator<'_>) -> bool {
    macro_rules! ask {
        ($($all:tt)*) => { names_floats!(op; $($all)*) };
    }
    wasmparser::for_each_operator!(ask)
}

/// Whether a name contains `F32` or `F64`.
const fn says_float(name: &str) -> bool {
    let name = name.as_bytes();
    let mut at = 0;
    while at + 3 <= name.len() {
        if let [b'F', b'3', b'2'] | [b'F', b'6', b'4'] = [name[at], name[at + 1], name[at + 2]] {
            return true;
        }
        at += 1;
    }
    false
}

/// Looks at the types that an operator names, and at how it was written.
fn visit_operands<'b>(needs: &mut Needs<'b>, op: &Operator<'b>, offset: u64) {
    use Operator as O;
    match op {
        O::Block { blockty } | O::Loop { blockty } | O::If { blockty } | O::Try { blockty } => {
            block_type(needs, *blockty, offset);
        }
        O::TryTable { try_table } => block_type(needs, try_table.ty, offset),
        O::TypedSelect { ty } => needs.val_type(*ty, offset),
        O::RefNull { hty }
        | O::RefTestNullable { hty }
        | O::RefCastNullable { hty }
        | O::RefCastDescEqNullable { hty } => heap_type(needs, true, *hty, offset),
        O::RefTestNonNull { hty } | O::RefCastNonNull { hty } | O::RefCastDescEqNonNull { hty } => {
            heap_type(needs, false, *hty, offset);
        }
        O::BrOnCast { from_ref_type, to_ref_type, .. }
        | O::BrOnCastFail { from_ref_type, to_ref_type, .. }
        | O::BrOnCastDescEq { from_ref_type, to_ref_type, .. }
        | O::BrOnCastDescEqFail { from_ref_type, to_ref_type, .. } => {
            needs.ref_type(*from_ref_type, offset);
            needs.ref_type(*to_ref_type, offset);
        }
        O::AtomicFence { .. }
        | O::MemorySize { .. }
        | O::MemoryGrow { .. }
        | O::CallIndirect { .. } => encoding(needs, op, offset),
        _ => {
            if has_memory_argument(op) {
                encoding(needs, op, offset);
            }
        }
    }
}

fn block_type(needs: &mut Needs<'_>, ty: BlockType, offset: u64) {
    match ty {
        BlockType::Empty => {}
        BlockType::Type(ty) => needs.val_type(ty, offset),
        BlockType::FuncType(_) => needs.need(Features::MULTI_VALUE, offset),
    }
}

fn heap_type(needs: &mut Needs<'_>, nullable: bool, ty: HeapType, offset: u64) {
    if let Some(ty) = RefType::new(nullable, ty) {
        needs.ref_type(ty, offset);
    }
}

macro_rules! memory_argument {
    ($op:expr; $(@$proposal:ident $name:ident $({ $($arg:ident: $ty:ty),* })?
        => $visit:ident ($($arity:tt)*))*) => {
        match $op {
            $(Operator::$name { .. } => memory_argument!(@ $($($arg)*)?),)*
            _ => true,
        }
    };
    (@ memarg $($rest:tt)*) => { true };
    (@ $($other:tt)*) => { false };
}

/// Whether an operator has an alignment and an offset.
fn has_memory_argument(op: &Operator<'_>) -> bool {
    macro_rules! ask {
        ($($all:tt)*) => { memory_argument!(op; $($all)*) };
    }
    wasmparser::for_each_operator!(ask)
}

/// Reads an operator again without each proposal that may have changed how it
/// was read.
fn encoding<'b>(needs: &mut Needs<'b>, op: &Operator<'b>, offset: u64) {
    for feature in ENCODINGS {
        if !needs.lacks(feature) {
            continue;
        }
        let Some(bytes) = needs.bytes(offset, needs.wasm.len() as u64) else { return };
        let without = Features::all().difference(feature);
        let reader = BinaryReader::new_features(bytes, offset, without);
        let same = OperatorsReader::new(reader).read().is_ok_and(|other| other == *op);
        needs.need_if(!same, feature, offset);
    }
}
