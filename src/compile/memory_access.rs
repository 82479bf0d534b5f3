//! Bounds checks on linear memory (WebAssembly core, "Memory Instructions").
//!
//! A 32-bit index plus a 32-bit offset plus an access size cannot overflow 64
//! bits, so one comparison with the length suffices; a 64-bit index needs a
//! test for the carry too. Memories never shrink: an access whose end was
//! checked on every path to here needs no second check, and if nothing
//! observable has happened since, the first check is widened to cover an access
//! that reaches further.
//!
//! With hardware traps, accesses to a 32-bit memory that its guard covers may
//! trap instead. An access that may trap keeps its place among all observable
//! effects (Cranelift, `MemFlagsData::trap_code`), so one that succeeded proves
//! as much as a check. Two cases need more, and load their last byte first: an
//! operation that consists of several stores, and a store that the processor
//! may carry out in part before it faults.
//!
//! With speculation guards, what a check is for depends on it by data flow, too
//! (`speculation.rs`): the index becomes zero where the check fails. That is in
//! bounds if the memory's minimum covers the check's reach, so all accesses that
//! share the check may use it. Where the minimum does not, the address of a single
//! access, its offset included, becomes null, and the check is not shared.

use super::path_facts::{Check, Comparison};
use super::repeats::Key;
use super::translator::Translator;
use crate::abi::{GUARDED_REACH_BYTES, MemoryIndex, Trap};
use crate::arch::WHOLE_STORE_BYTES;
use crate::artifact::WASM_PAGE_BYTES;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{
    Endianness, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Value, ValueDef, types,
};
use wasmparser::{MemArg, MemArgTarget};

/// An address at which an access may be made now: `base + offset`.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) base: Value,
    pub(super) offset: i32,
    pub(super) flags: MemFlagsData,
}

/// A check that an access is in bounds.
struct MadeCheck {
    /// Whether index and reach together exceed 64 bits, if they can.
    carried: Option<Value>,
    /// Whether they exceed the memory's length.
    outside: Value,
    /// How it is made.
    comparison: Comparison,
}

impl MadeCheck {
    /// What is not zero where the check fails.
    fn failed(&self) -> [Option<Value>; 2] {
        [self.carried, Some(self.outside)]
    }
}

impl Translator<'_, '_> {
    /// How linear memory is accessed: little endian, any alignment.
    fn heap_flags(&self, may_trap: bool) -> MemFlagsData {
        let flags = MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_alias_region(Some(self.regions.heap));
        if may_trap { flags } else { flags.with_notrap() }
    }

    fn address(&self, base: Value, offset: i32, may_trap: bool) -> Address {
        Address { base, offset, flags: self.heap_flags(may_trap) }
    }

    /// Pops an index and returns the address for a load of `size` bytes there.
    /// The load must be the next thing translated.
    pub(super) fn load_address(&mut self, arg: &MemArg, size: u32) -> Address {
        let (memory, index) = self.operand(arg);
        match self.guarded(memory, index, arg.offset, size) {
            Some(address) => address,
            None => self.checked(memory, index, arg.offset, size),
        }
    }

    /// The same for a store.
    pub(super) fn store_address(&mut self, arg: &MemArg, size: u32) -> Address {
        let (memory, index) = self.operand(arg);
        self.whole_address(memory, index, arg.offset, size, WHOLE_STORE_BYTES)
    }

    fn operand(&mut self, arg: &MemArg) -> (MemoryIndex, Value) {
        let MemArgTarget::Memory(memory) = arg.target else {
            debug_assert!(false, "arrays are refused by the validator");
            return (MemoryIndex(0), self.context);
        };
        (MemoryIndex(memory), self.pop())
    }

    /// The address for stores to `size` bytes at `index + offset`: either all
    /// can be made or none is. Up to `at_once` bytes need no proof of that.
    pub(super) fn whole_address(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        offset: u64,
        size: u32,
        at_once: u32,
    ) -> Address {
        let Some(address) = self.guarded(memory, index, offset, size) else {
            return self.checked(memory, index, offset, size);
        };
        if address.flags.notrap() || size <= at_once {
            return address;
        }
        let last = address.offset + (size - 1) as i32;
        self.builder.ins().load(types::I8, address.flags, address.base, last);
        Address { flags: self.heap_flags(false), ..address }
    }

    /// The address for an access of `size` bytes that is left to the memory's
    /// guard, if it can be. The access must be the next thing translated,
    /// because it counts as a check.
    fn guarded(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        offset: u64,
        size: u32,
    ) -> Option<Address> {
        let is_64 = self.env.info.memories[memory.index()].memory64;
        let reach = offset.checked_add(u64::from(size))?;
        if !self.env.settings.hardware_traps || is_64 || reach > GUARDED_REACH_BYTES {
            return None;
        }
        let offset = i32::try_from(offset).ok()?;
        let key = (memory.0, index);
        let known = self.facts.check(key);
        let (index_64, address) = match known {
            Some(check) => (check.index, check.address),
            None => {
                let base = self.memory_base(memory);
                let index_64 = self.widen_index(index);
                (index_64, self.builder.ins().iadd(base, index_64))
            }
        };
        let is_checked = known.is_some_and(|check| check.reach >= reach)
            || self.is_always_in_bounds(memory, index, reach);
        if !is_checked {
            let effects = self.facts.effects;
            let check =
                Check { reach, index: index_64, address, comparison: Comparison::Fixed, effects };
            self.facts.set_check(key, check);
        }
        if !is_checked {
            self.sites.begin_access(&mut self.builder, self.facts.position);
        }
        Some(self.address(address, offset, !is_checked))
    }

    /// Checks an access of `size` bytes at `index + offset`.
    fn checked(&mut self, memory: MemoryIndex, index: Value, offset: u64, size: u32) -> Address {
        let is_64 = self.env.info.memories[memory.index()].memory64;
        // At most 2³² + 64 for a 32-bit memory.
        let Some(reach) = offset.checked_add(u64::from(size)) else {
            return self.never_in_bounds();
        };
        let key = (memory.0, index);
        let known = self.facts.check(key);
        let index_64 = known.map_or_else(|| self.widen_index(index), |check| check.index);
        let is_enough = known.is_some_and(|check| {
            check.reach >= reach || self.widen_check((memory, index), check, reach)
        });
        if is_enough || self.is_always_in_bounds(memory, index, reach) {
            let address = match known {
                Some(check) => check.address,
                None => self.memory_address(memory, index_64),
            };
            return self.at_offset(address, offset);
        }
        let made = self.check_end(memory, index_64, reach, is_64);
        let is_guarded = self.env.settings.speculation_guards;
        if is_guarded && !self.always_has(memory, reach) {
            let address = self.memory_address(memory, index_64);
            let address = self.builder.ins().iadd_imm_u(address, offset as i64);
            let address = self.zero_if_any(made.failed(), address);
            return self.address(address, 0, false);
        }
        let address = match known {
            Some(check) if !is_guarded => check.address,
            _ => {
                let guarded = self.zero_if_any(made.failed(), index_64);
                self.memory_address(memory, guarded)
            }
        };
        let (effects, comparison) = (self.facts.effects, made.comparison);
        let check = Check { reach, index: index_64, address, comparison, effects };
        self.facts.set_check(key, check);
        self.at_offset(address, offset)
    }

    /// The memory's base plus an index of 64 bits.
    fn memory_address(&mut self, memory: MemoryIndex, index: Value) -> Value {
        let base = self.memory_base(memory);
        self.builder.ins().iadd(base, index)
    }

    /// The checked access at an offset from an address.
    fn at_offset(&mut self, address: Value, offset: u64) -> Address {
        // Room for the offsets of a copy in place.
        match i32::try_from(offset.saturating_add(64)) {
            Ok(_) => self.address(address, offset as i32, false),
            Err(_) => {
                let offset = self.builder.ins().iconst(types::I64, offset as i64);
                let base = self.builder.ins().iadd(address, offset);
                self.address(base, 0, false)
            }
        }
    }

    /// Checks an access of `len` bytes, where `len` is 64 bits wide. Returns its
    /// address and `len`, both guarded.
    pub(super) fn checked_range(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        len: Value,
    ) -> (Value, Value) {
        let index = self.widen_index(index);
        let memory_len = self.memory_len(memory);
        let end = self.builder.ins().iadd(index, len);
        let carried = self.env.info.memories[memory.index()].memory64.then(|| {
            let carried = self.builder.ins().icmp(IntCC::UnsignedLessThan, end, index);
            self.trap_if(carried, Trap::MemoryOutOfBounds);
            carried
        });
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, memory_len);
        self.trap_if(outside, Trap::MemoryOutOfBounds);
        let failed = [carried, Some(outside)];
        let (index, len) = (self.zero_if_any(failed, index), self.zero_if_any(failed, len));
        (self.memory_address(memory, index), len)
    }

    /// An access that cannot be in bounds: traps, and returns an address for
    /// the dead code that follows.
    fn never_in_bounds(&mut self) -> Address {
        let always = self.builder.ins().iconst(types::I8, 1);
        self.trap_if(always, Trap::MemoryOutOfBounds);
        let null = self.integer(types::I64, 0);
        self.address(null, 0, false)
    }

    /// Whether a memory has so many bytes from the start: memories never shrink.
    fn always_has(&self, memory: MemoryIndex, bytes: u64) -> bool {
        bytes <= self.minimum_len(memory)
    }

    /// Whether `index` is a constant whose access lies within the memory's
    /// initial size.
    fn is_always_in_bounds(&self, memory: MemoryIndex, index: Value, reach: u64) -> bool {
        let is_64 = self.env.info.memories[memory.index()].memory64;
        let Some(constant) = self.constant(index) else { return false };
        let start = if is_64 { constant as u64 } else { u64::from(constant as u32) };
        start.checked_add(reach).is_some_and(|end| self.always_has(memory, end))
    }

    /// Traps unless `index + reach <= length`.
    fn check_end(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        reach: u64,
        is_64: bool,
    ) -> MadeCheck {
        let len = self.memory_len(memory);
        if reach == 1 {
            // `index + 1 > length`, with nothing to add or to carry.
            let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
            self.trap_if(outside, Trap::MemoryOutOfBounds);
            // If widened, it would need the test for the carry.
            let comparison = self.definition(outside).filter(|_| !is_64);
            let comparison = comparison.map_or(Comparison::Fixed, Comparison::Index);
            return MadeCheck { carried: None, outside, comparison };
        }
        if self.is_large && reach - 1 <= self.minimum_len(memory) {
            // Fewer instructions, if there are many checks.
            let limit = self.repeated(Key::Limit(len, reach), |builder| {
                let less = builder.ins().iconst(types::I64, less_than(reach));
                builder.ins().iadd(len, less)
            });
            let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, limit);
            self.trap_if(outside, Trap::MemoryOutOfBounds);
            let comparison = self.definition(outside).map_or(Comparison::Fixed, Comparison::Limit);
            return MadeCheck { carried: None, outside, comparison };
        }
        let reach = self
            .repeated(Key::Reach(reach), |builder| builder.ins().iconst(types::I64, reach as i64));
        let end = self.builder.ins().iadd(index, reach);
        let carried = is_64.then(|| {
            let carried = self.builder.ins().icmp(IntCC::UnsignedLessThan, end, index);
            self.trap_if(carried, Trap::MemoryOutOfBounds);
            carried
        });
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        self.trap_if(outside, Trap::MemoryOutOfBounds);
        let comparison = self.definition(end).map_or(Comparison::Fixed, Comparison::End);
        MadeCheck { carried, outside, comparison }
    }

    /// Widens an earlier check to cover a later access that reaches further.
    fn widen_check(
        &mut self,
        (memory, index): (MemoryIndex, Value),
        check: Check,
        reach: u64,
    ) -> bool {
        // What the guard makes of the index must be in bounds.
        let is_guarded = self.env.settings.speculation_guards;
        let is_coverable = !is_guarded || self.always_has(memory, reach);
        if check.effects != self.facts.effects || !is_coverable {
            return false;
        }
        let imm = Imm64::new(reach as i64);
        let minimum = self.minimum_len(memory);
        let func = &mut *self.builder.func;
        let comparison = match check.comparison {
            Comparison::Fixed => return false,
            Comparison::End(addition) => {
                let [_, constant] = *func.dfg.inst_args(addition) else { return false };
                match func.dfg.value_def(constant).inst() {
                    // No other check uses the constant.
                    Some(inst) if self.repeats.take(Key::Reach(check.reach), constant) => {
                        func.dfg.insts[inst] =
                            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm };
                    }
                    _ => {
                        let mut cursor = FuncCursor::new(func).at_inst(addition);
                        let constant = cursor.ins().iconst(types::I64, imm);
                        func.dfg.inst_args_mut(addition)[1] = constant;
                    }
                }
                check.comparison
            }
            Comparison::Index(at) => {
                let [index, len] = *func.dfg.inst_args(at) else { return false };
                let mut cursor = FuncCursor::new(func).at_inst(at);
                let reach = cursor.ins().iconst(types::I64, imm);
                let end = cursor.ins().iadd(index, reach);
                func.dfg.insts[at] = InstructionData::IntCompare {
                    opcode: Opcode::Icmp,
                    cond: IntCC::UnsignedGreaterThan,
                    args: [end, len],
                };
                match func.dfg.value_def(end).inst() {
                    Some(addition) => Comparison::End(addition),
                    None => return false,
                }
            }
            Comparison::Limit(at) => {
                let [_, limit] = *func.dfg.inst_args(at) else { return false };
                let Some(addition) = func.dfg.value_def(limit).inst() else { return false };
                let [len, _] = *func.dfg.inst_args(addition) else { return false };
                if reach - 1 > minimum {
                    return false;
                }
                let mut cursor = FuncCursor::new(func).at_inst(at);
                let less = cursor.ins().iconst(types::I64, less_than(reach));
                let limit = cursor.ins().iadd(len, less);
                func.dfg.inst_args_mut(at)[1] = limit;
                check.comparison
            }
        };
        self.facts.set_check((memory.0, index), Check { reach, comparison, ..check });
        true
    }

    /// The least bytes that a memory has.
    fn minimum_len(&self, memory: MemoryIndex) -> u64 {
        self.env.info.memories[memory.index()].minimum.saturating_mul(WASM_PAGE_BYTES)
    }

    /// The instruction whose only result `value` is.
    fn definition(&self, value: Value) -> Option<Inst> {
        self.builder.func.dfg.value_def(value).inst()
    }

    /// The constant that `value` is, if it is one.
    pub(super) fn constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.builder.func.dfg;
        match dfg.value_def(value) {
            ValueDef::Result(inst, 0) => match dfg.insts[inst] {
                InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What is added to a memory's length to get the first index at which an access
/// of this reach, which is at least 1, is out of bounds.
fn less_than(reach: u64) -> i64 {
    1_i64.wrapping_sub(reach as i64)
}
