//! [`FINGERPRINT`]: one number for all that generated code and the runtime
//! must agree on, so that code for another layout is recognised.

use super::{
    ActivationRecord, Builtin, GUARDED_REACH_BYTES, HOST_CONTEXT_MAGIC, INSTANCE_CONTEXT_MAGIC,
    MEMORY32_GUARDED_BYTES, NULL_SLOT, STACK_MARGIN_BYTES, Slot, SlotFlags, ValRaw, VmBuiltins,
    VmContext, VmFuncRef, VmFunctionImport, VmGlobal, VmHostContext, VmMemory, VmStoreContext,
    VmTable,
};
use core::mem::{offset_of, size_of};

/// A hash (FNV-1a, 64 bits), built up at compile time.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const fn number(mut self, number: u64) -> Self {
        let bytes = number.to_le_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self.0 = (self.0 ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        self
    }

    const fn text(mut self, text: &str) -> Self {
        self = self.number(text.len() as u64);
        let mut at = 0;
        while at < text.len() {
            self = self.number(text.as_bytes()[at] as u64);
            at += 1;
        }
        self
    }
}

/// Adds the size of each type and the offset of each of its fields. A field
/// that is missing here does not compile.
macro_rules! layouts {
    ($hash:expr; $($ty:ident { $($field:ident),* })+) => {{
        let mut hash: Hash = $hash;
        $(
            const _: fn($ty) = |value| {
                let $ty { $($field: _),* } = value;
            };
            hash = hash.text(stringify!($ty)).number(size_of::<$ty>() as u64);
            $(hash = hash.text(stringify!($field)).number(offset_of!($ty, $field) as u64);)*
        )+
        hash
    }};
}

/// Differs between versions of this crate, and between layouts of what
/// generated code touches. The names are part of it, so swapping two fields
/// changes it.
pub const FINGERPRINT: u64 = {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325).text(env!("CARGO_PKG_VERSION"));
    hash = layouts! { hash;
        VmStoreContext {
            stack_limit, exit_fp, exit_pc, activation, slots, table_next, table_threshold,
            host_frames, builtins, unwind, memory_fault, guards, epoch_counter, epoch_deadline, fuel
        }
        VmContext { magic, instance, store, type_ids, reserved }
        VmHostContext { magic, host_func, store, call, caller }
        VmFuncRef { code, context, entry_shim, type_id, index }
        VmFunctionImport { code, context }
        VmMemory { base, len }
        VmTable { base, len }
        ActivationRecord { store, previous, saved_exit_fp, saved_exit_pc, entry_fp, reserved }
        Slot { count, flags, payload }
    };
    hash = hash.number(size_of::<VmBuiltins>() as u64);
    let mut at = 0;
    while at < Builtin::ALL.len() {
        let builtin = Builtin::ALL[at];
        hash = hash.text(builtin.name()).number(builtin.offset() as u64);
        hash = hash.number(builtin.params().len() as u64).number(builtin.is_fallible() as u64);
        at += 1;
    }
    hash = hash
        .number(size_of::<VmGlobal>() as u64)
        .number(size_of::<ValRaw>() as u64)
        .number(NULL_SLOT as u64)
        .number(Slot::SIZE_LOG2 as u64)
        .number(SlotFlags::IN_TABLE.bits() as u64)
        .number(SlotFlags::QUEUED.bits() as u64)
        .number(INSTANCE_CONTEXT_MAGIC as u64)
        .number(HOST_CONTEXT_MAGIC as u64)
        .number(STACK_MARGIN_BYTES as u64)
        .number(GUARDED_REACH_BYTES)
        .number(MEMORY32_GUARDED_BYTES as u64);
    hash.0
};
