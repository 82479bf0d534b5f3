//! Reference counting in compiled code: the read barrier of `CloneOnRead` and
//! the write barrier of both policies. They keep G1 and G3 (`gc/mod.rs`) for
//! what Wasm code does. `gc/barrier.rs` does the same in Rust: both work on the
//! counts and flags of [`Slot`] and must agree on them.
//!
//! Null needs no test: slot 0 is a slot like any other to the barriers, is
//! always in the table, and is never released.
//!
//! Generated code can be ended at any instruction (G8). So a reference is counted
//! before it is stored, and uncounted after it was overwritten; and an entry of the
//! table is written, then flagged, then made part of the table. Neither the code
//! generator nor the processor changes the order in which one thread sees its stores.

use super::outlined::Outlined;
use super::regions::{field, trusted};
use super::signature::POINTER;
use super::translator::Translator;
use crate::abi::{Builtin, DeferralPolicy, Slot, SlotFlags, VmStoreContext};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};

impl Translator<'_, '_> {
    /// Address of the slot that `reference` names.
    fn slot_address(&mut self, reference: Value) -> Value {
        let store = self.store_context();
        let slots = self.load_constant(POINTER, store, field!(VmStoreContext, slots));
        let index = self.builder.ins().uextend(types::I64, reference);
        let offset = self.builder.ins().ishl_imm_u(index, i64::from(Slot::SIZE_LOG2));
        self.builder.ins().iadd(slots, offset)
    }

    /// After loading `reference` from a counted place: under `CloneOnRead`,
    /// gives it an entry in the activations table unless it has one.
    pub(super) fn read_barrier(&mut self, reference: Value) {
        if self.env.settings.policy != DeferralPolicy::CloneOnRead {
            return;
        }
        match self.is_large {
            true => drop(self.outlined(Outlined::Read, &[reference])),
            false => self.read_barrier_in_place(reference),
        }
    }

    /// The same in any case.
    pub(super) fn read_barrier_in_place(&mut self, reference: Value) {
        let slots = trusted(self.regions.slots);
        let context = trusted(self.regions.context);
        let slot = self.slot_address(reference);
        let flags = self.builder.ins().load(types::I32, slots, slot, field!(Slot, flags));
        let in_table = self.builder.ins().band_imm_u(flags, i64::from(SlotFlags::IN_TABLE.bits()));
        let (enter, full, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(full);
        self.builder.ins().brif(in_table, done, &[], enter, &[]);

        self.builder.switch_to_block(enter);
        self.builder.seal_block(enter);
        let store = self.store_context();
        let next = self.load_context(POINTER, store, field!(VmStoreContext, table_next));
        let flags = self.builder.ins().bor_imm_u(flags, i64::from(SlotFlags::IN_TABLE.bits()));
        if self.env.settings.wrong_barriers {
            self.builder.ins().store(slots, flags, slot, field!(Slot, flags));
        }
        self.builder.ins().store(slots, reference, next, 0);
        if !self.env.settings.wrong_barriers {
            self.builder.ins().store(slots, flags, slot, field!(Slot, flags));
        }
        let next = self.builder.ins().iadd_imm_u(next, 4);
        self.builder.ins().store(context, next, store, field!(VmStoreContext, table_next));
        let threshold = self.load_context(POINTER, store, field!(VmStoreContext, table_threshold));
        let reached = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, next, threshold);
        self.builder.ins().brif(reached, full, &[], done, &[]);

        self.builder.switch_to_block(full);
        self.builder.seal_block(full);
        self.call_builtin(Builtin::ReadBarrierSlow, &[]);
        self.builder.ins().jump(done, &[]);

        self.builder.switch_to_block(done);
        self.builder.seal_block(done);
    }

    /// Stores `reference` in a counted place: counts it, then uncounts what
    /// was there. The new one first, in case both are the same.
    pub(super) fn store_counted(
        &mut self,
        place_flags: MemFlagsData,
        reference: Value,
        base: Value,
        offset: i32,
    ) {
        if !self.is_large {
            return self.store_counted_in_place(place_flags, reference, base, offset);
        }
        let offset = self.integer(POINTER, offset.into());
        let address = self.builder.ins().iadd(base, offset);
        self.outlined(Outlined::Store, &[address, reference]);
    }

    /// The same without a stub.
    pub(super) fn store_counted_in_place(
        &mut self,
        place_flags: MemFlagsData,
        reference: Value,
        base: Value,
        offset: i32,
    ) {
        let slots = trusted(self.regions.slots);
        let old = self.builder.ins().load(types::I32, place_flags, base, offset);
        if self.env.settings.wrong_barriers {
            self.builder.ins().store(place_flags, reference, base, offset);
        }
        let new_slot = self.slot_address(reference);
        let count = self.builder.ins().load(types::I32, slots, new_slot, field!(Slot, count));
        let count = self.builder.ins().iadd_imm_u(count, 1);
        self.builder.ins().store(slots, count, new_slot, field!(Slot, count));
        if !self.env.settings.wrong_barriers {
            self.builder.ins().store(place_flags, reference, base, offset);
        }

        let old_slot = self.slot_address(old);
        let count = self.builder.ins().load(types::I32, slots, old_slot, field!(Slot, count));
        let count = self.builder.ins().iadd_imm_s(count, -1);
        self.builder.ins().store(slots, count, old_slot, field!(Slot, count));
        let (zero, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(zero);
        self.builder.ins().brif(count, done, &[], zero, &[]);

        self.builder.switch_to_block(zero);
        self.builder.seal_block(zero);
        self.call_builtin(Builtin::WriteBarrierZero, &[old]);
        self.builder.ins().jump(done, &[]);

        self.builder.switch_to_block(done);
        self.builder.seal_block(done);
    }
}
