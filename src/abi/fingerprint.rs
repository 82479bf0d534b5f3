//! [`FINGERPRINT`]: one number for all that generated code and the runtime
//! must agree on, so that code for another layout is recognised.

use super::builtins::BuiltinType;
use super::{
    ActivationRecord, Builtin, FAULT_RETURN_OFFSET, GUARDED_REACH_BYTES, HOST_CONTEXT_MAGIC,
    INSTANCE_CONTEXT_MAGIC, MEMORY32_GUARDED_BYTES, NULL_SLOT, STACK_MARGIN_BYTES, STATUS_OK,
    STATUS_REQUESTED, Slot, SlotFlags, Trap, ValRaw, VmBuiltins, VmContext, VmFuncRef,
    VmFunctionImport, VmGlobal, VmHostContext, VmMemory, VmStoreContext, VmTable,
};
use core::mem::{offset_of, size_of};

/// A hash (FNV-1a, 64 bits), built up at compile time.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    /// Of nothing: the basis that FNV-1a prescribes.
    const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

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

    /// The types of a builtin's parameters.
    const fn params(mut self, types: &[BuiltinType]) -> Self {
        self = self.number(types.len() as u64);
        let mut at = 0;
        while at < types.len() {
            self = self.number(types[at] as u64);
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

/// Differs between versions of this crate, between layouts of what generated
/// code touches, and between signatures and codes that both sides use. The names
/// are part of it, so swapping two fields changes it.
pub const FINGERPRINT: u64 = fingerprint(Builtin::ALL, Trap::ALL, STATUS_OK);

const fn fingerprint(builtins: &[Builtin], traps: &[Trap], status_ok: u64) -> u64 {
    let mut hash = Hash::EMPTY.text(env!("CARGO_PKG_VERSION"));
    hash = layouts! { hash;
        VmStoreContext {
            stack_limit, exit_fp, exit_pc, activation, slots, table_next, table_threshold,
            host_frames, builtins, unwind, stopped, check_failed, host_failed, guards,
            epoch_counter, epoch_deadline, fuel, stopped_by, interrupt
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
    while at < builtins.len() {
        let builtin = builtins[at];
        hash = hash.text(builtin.name()).number(builtin.offset() as u64);
        hash = hash.params(builtin.params()).number(builtin.is_fallible() as u64);
        at += 1;
    }
    let mut at = 0;
    while at < traps.len() {
        hash = hash.text(traps[at].name()).number(traps[at] as u64);
        at += 1;
    }
    hash = hash
        .number(status_ok)
        .number(STATUS_REQUESTED)
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
        .number(MEMORY32_GUARDED_BYTES as u64)
        .number(FAULT_RETURN_OFFSET as u64);
    hash.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtins_traps_and_the_good_status_are_part_of_it() {
        let (builtins, traps) = (Builtin::ALL, Trap::ALL);
        assert_eq!(fingerprint(builtins, traps, STATUS_OK), FINGERPRINT);
        assert_ne!(fingerprint(&builtins[1..], traps, STATUS_OK), FINGERPRINT);
        assert_ne!(fingerprint(builtins, &traps[1..], STATUS_OK), FINGERPRINT);
        assert_ne!(fingerprint(builtins, traps, STATUS_OK + 1), FINGERPRINT);
    }

    #[test]
    fn lists_of_parameters_differ_in_types_order_and_number() {
        use BuiltinType::{I32, I64};
        let lists: [&[BuiltinType]; 7] =
            [&[], &[I32], &[I64], &[I32, I32], &[I32, I64], &[I64, I32], &[I64, I64]];
        let hashes = lists.map(|list| Hash::EMPTY.params(list).0);
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{:?}", lists[at]);
        }
    }
}
