//! `memory.copy` and `memory.fill`. Short ranges of known length are copied in
//! place. The rest goes through stubs, at most one per module for each pair of
//! memories: they check bounds and call the runtime only to move the bytes,
//! which neither traps nor looks at the store. With fuel, they take what the
//! length costs first; with epochs, long ranges go piece by piece, and the epoch
//! is checked after each piece and afterwards.

use super::code_key::{Bulk, CodeKey};
use super::memory_access::Address;
use super::regions::field;
use super::signature::{POINTER, builtin_signature, plain};
use super::translator::Translator;
use crate::abi::{BULK_PIECE_BYTES, BYTES_PER_FUEL_LOG2, Builtin, MemoryIndex, VmStoreContext};
use crate::arch::WHOLE_STORE_BYTES;
use crate::artifact::ModuleInfo;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Signature, Type, Value, types};
use cranelift_codegen::isa::CallConv;
use std_alloc::vec::Vec;

/// The most bytes that are copied in place.
const IN_PLACE_BYTES: u64 = 64;

impl Bulk {
    /// Operands: destination; source, or the byte to fill with; length.
    fn operands(self, info: &ModuleInfo) -> [Type; 3] {
        let ty = |memory: MemoryIndex| match info.memories[memory.index()].memory64 {
            true => types::I64,
            false => types::I32,
        };
        match self {
            Self::Copy(to, from) => {
                let len = if ty(to) == ty(from) { ty(to) } else { types::I32 };
                [ty(to), ty(from), len]
            }
            Self::Fill(memory) => [ty(memory), types::I32, ty(memory)],
        }
    }

    /// The stub's signature: the context, then the operands.
    pub(super) fn signature(self, info: &ModuleInfo) -> Signature {
        let [to, from, len] = self.operands(info);
        plain(CallConv::Tail, &[POINTER, to, from, len], &[])
    }
}

/// Translates the instruction, whose operands are on the stack.
pub(super) fn translate(t: &mut Translator<'_, '_>, bulk: Bulk) {
    let (to, what, len) = t.pop3();
    match t.constant(len) {
        Some(constant @ 1..) if constant as u64 <= IN_PLACE_BYTES => {
            in_place(t, bulk, to, what, constant as u32);
            if t.env.settings.consume_fuel {
                t.pending_fuel += constant as u32 >> BYTES_PER_FUEL_LOG2;
            }
        }
        _ => {
            t.note_call();
            let info = t.env.info;
            let stub = t.function_ref(CodeKey::Bulk(bulk), || bulk.signature(info));
            let args = [t.context, to, what, len];
            t.call_site(|builder| builder.ins().call(stub, &args));
        }
    }
}

/// The widest type for `len` bytes, and the last offset at which it fits: the
/// last access may overlap the one before.
fn piece(t: &Translator<'_, '_>, len: u32) -> (Type, i32) {
    let ty = match len {
        16.. if t.env.settings.floating_point() => types::I8X16,
        8.. => types::I64,
        4.. => types::I32,
        2.. => types::I16,
        _ => types::I8,
    };
    (ty, (len - ty.bytes()) as i32)
}

fn in_place(t: &mut Translator<'_, '_>, bulk: Bulk, to: Value, what: Value, len: u32) {
    let (ty, last) = piece(t, len);
    let offsets = (0..last).step_by(ty.bytes() as usize).chain([last]);
    let at_once = if last == 0 { WHOLE_STORE_BYTES } else { 0 };
    let Address { base, offset, flags } = match bulk {
        // Everything is read, and both ranges are known to be in bounds, before
        // anything is written. Each address is used before the next is asked
        // for, because later accesses may rely on that use as a check.
        Bulk::Copy(memory, from) => {
            let source = t.whole_address(from, what, 0, len, len);
            let values: Vec<_> = offsets
                .map(|at| {
                    let place = source.offset + at;
                    (at, t.builder.ins().load(ty, source.flags, source.base, place))
                })
                .collect();
            let target = t.whole_address(memory, to, 0, len, at_once);
            for (at, value) in values {
                t.builder.ins().store(target.flags, value, target.base, target.offset + at);
            }
            return;
        }
        Bulk::Fill(memory) => t.whole_address(memory, to, 0, len, at_once),
    };
    let byte = t.builder.ins().ireduce(types::I8, what);
    let value = match ty {
        types::I8 => byte,
        types::I8X16 => t.builder.ins().splat(ty, byte),
        _ => {
            let byte = t.builder.ins().uextend(ty, byte);
            let ones = 0x0101_0101_0101_0101_u64 >> (64 - ty.bits());
            t.builder.ins().imul_imm_u(byte, ones as i64)
        }
    };
    for at in offsets {
        t.builder.ins().store(flags, value, base, offset + at);
    }
}

/// Translates a stub's body, whose operands are on the stack.
pub(super) fn body(t: &mut Translator<'_, '_>, bulk: Bulk) {
    let (to, what, len) = t.pop3();
    let len = t.widen_index(len);
    let (at_once, in_pieces, args) = match bulk {
        Bulk::Copy(memory, from) => {
            let (to, len) = t.checked_range(memory, to, len);
            let (what, len) = t.checked_range(from, what, len);
            (Builtin::CopyBytes, Builtin::CopyPieces, [to, what, len])
        }
        Bulk::Fill(memory) => {
            let (to, len) = t.checked_range(memory, to, len);
            (Builtin::FillBytes, Builtin::FillPieces, [to, what, len])
        }
    };
    let len = args[2];
    t.pay_for_bytes(len);
    if !t.env.settings.epoch_interruption {
        call_directly(t, at_once, args);
        return;
    }
    let (short, long, done) =
        (t.builder.create_block(), t.builder.create_block(), t.builder.create_block());
    let is_long =
        t.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, len, BULK_PIECE_BYTES as i64);
    t.builder.ins().brif(is_long, long, &[], short, &[]);
    t.builder.switch_to_block(long);
    t.call_builtin(in_pieces, &args);
    t.builder.ins().jump(done, &[]);
    t.builder.switch_to_block(short);
    call_directly(t, at_once, args);
    t.epoch_check();
    t.builder.ins().jump(done, &[]);
    t.builder.switch_to_block(done);
}

/// Bypasses the builtin's own stub: nothing looks at the stack during this call.
fn call_directly(t: &mut Translator<'_, '_>, builtin: Builtin, args: [Value; 3]) {
    let store = t.store_context();
    let table = t.load_constant(POINTER, store, field!(VmStoreContext, builtins));
    let target = t.load_constant(POINTER, table, builtin.offset() as i32);
    let signature = t.builder.import_signature(builtin_signature(builtin, CallConv::SystemV));
    let args = [t.context, args[0], args[1], args[2]];
    t.builder.ins().call_indirect(signature, target, &args);
}
