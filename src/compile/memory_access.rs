//! Bounds checks on linear memory (WebAssembly core, "Memory Instructions").
//!
//! A 32-bit index plus a 32-bit offset plus an access size cannot overflow 64
//! bits, so one comparison with the length suffices; a 64-bit index needs a
//! test for the carry too. Memories never shrink: an access whose end was
//! checked on every path to here needs no second check, and where nothing that
//! others may notice happened since, the first check is made to reach further.

use super::known::Check;
use super::translator::Translator;
use crate::abi::{MemoryIndex, Trap};
use crate::artifact::WASM_PAGE_BYTES;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{
    Endianness, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Value, ValueDef, types,
};
use wasmparser::{MemArg, MemArgTarget};

/// An address that has been checked: `base + offset`.
pub(super) struct Address {
    pub(super) base: Value,
    pub(super) offset: i32,
}

impl Translator<'_, '_> {
    /// How linear memory is accessed: little endian, any alignment, checked.
    pub(super) fn heap_flags(&self) -> MemFlagsData {
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_notrap()
            .with_alias_region(Some(self.regions.heap))
    }

    /// Pops an index and checks an access of `size` bytes there.
    pub(super) fn checked_address(&mut self, arg: &MemArg, size: u32) -> Address {
        let MemArgTarget::Memory(memory) = arg.target else {
            debug_assert!(false, "arrays are refused by the validator");
            return Address { base: self.context, offset: 0 };
        };
        let index = self.pop();
        self.checked(MemoryIndex(memory), index, arg.offset, size)
    }

    /// Checks an access of `size` bytes at `index + offset`.
    pub(super) fn checked(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        offset: u64,
        size: u32,
    ) -> Address {
        let is_64 = self.env.info.memories[memory.index()].memory64;
        // At most 2³² + 64 for a 32-bit memory.
        let Some(reach) = offset.checked_add(u64::from(size)) else {
            return self.never_in_bounds();
        };
        let key = (memory.0, index);
        let known = self.known.check(key);
        let index_64 = known.map_or_else(|| self.widen_index(index), |check| check.index);
        let is_enough =
            known.is_some_and(|check| check.reach >= reach || self.widen_check(key, check, reach));
        let made = match is_enough || self.is_always_in_bounds(memory, index, reach) {
            true => None,
            false => Some(self.check_end(memory, index_64, reach, is_64)),
        };
        let address = known.map_or_else(
            || {
                let base = self.memory_base(memory);
                self.builder.ins().iadd(base, index_64)
            },
            |check| check.address,
        );
        if let Some((comparison, constant)) = made {
            let window = self.known.window;
            let check = Check { reach, index: index_64, address, comparison, constant, window };
            self.known.set_check(key, check);
        }
        // Room for the offsets of a copy in place.
        match i32::try_from(offset.saturating_add(64)) {
            Ok(_) => Address { base: address, offset: offset as i32 },
            Err(_) => {
                let offset = self.builder.ins().iconst(types::I64, offset as i64);
                Address { base: self.builder.ins().iadd(address, offset), offset: 0 }
            }
        }
    }

    /// Checks an access of `len` bytes, 64 bits wide, and gives its address.
    pub(super) fn checked_range(&mut self, memory: MemoryIndex, index: Value, len: Value) -> Value {
        let index = self.widen_index(index);
        let memory_len = self.memory_len(memory);
        let end = self.builder.ins().iadd(index, len);
        if self.env.info.memories[memory.index()].memory64 {
            let carried = self.builder.ins().icmp(IntCC::UnsignedLessThan, end, index);
            self.trap_if(carried, Trap::MemoryOutOfBounds);
        }
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, memory_len);
        self.trap_if(outside, Trap::MemoryOutOfBounds);
        let base = self.memory_base(memory);
        self.builder.ins().iadd(base, index)
    }

    /// An access that cannot be in bounds: traps, and gives an address for
    /// the dead code that follows.
    fn never_in_bounds(&mut self) -> Address {
        let always = self.builder.ins().iconst(types::I8, 1);
        self.trap_if(always, Trap::MemoryOutOfBounds);
        Address { base: self.context, offset: 0 }
    }

    /// Whether `index` is a constant below what the memory begins with.
    fn is_always_in_bounds(&self, memory: MemoryIndex, index: Value, reach: u64) -> bool {
        let ty = &self.env.info.memories[memory.index()];
        let Some(constant) = self.constant(index) else { return false };
        let start = if ty.memory64 { constant as u64 } else { u64::from(constant as u32) };
        let minimum = ty.minimum.saturating_mul(WASM_PAGE_BYTES);
        start.checked_add(reach).is_some_and(|end| end <= minimum)
    }

    /// Traps unless `index + reach <= length`. Gives the comparison, unless it
    /// must stay as it is, and the constant that it adds, if it adds any.
    fn check_end(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        reach: u64,
        is_64: bool,
    ) -> (Option<Inst>, Option<Inst>) {
        let len = self.memory_len(memory);
        if reach == 1 {
            // `index + 1 > length`, with nothing to add or to carry.
            let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
            self.trap_if(outside, Trap::MemoryOutOfBounds);
            // Wider, it would need the test for the carry.
            return (self.definition(outside).filter(|_| !is_64), None);
        }
        let reach = self.builder.ins().iconst(types::I64, reach as i64);
        let end = self.builder.ins().iadd(index, reach);
        if is_64 {
            let carried = self.builder.ins().icmp(IntCC::UnsignedLessThan, end, index);
            self.trap_if(carried, Trap::MemoryOutOfBounds);
        }
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        self.trap_if(outside, Trap::MemoryOutOfBounds);
        (self.definition(outside), self.definition(reach))
    }

    /// Makes an earlier check do for a later access that reaches further.
    fn widen_check(&mut self, key: (u32, Value), mut check: Check, reach: u64) -> bool {
        if check.window != self.known.window {
            return false;
        }
        let Some(comparison) = check.comparison else { return false };
        let func = &mut *self.builder.func;
        let imm = Imm64::new(reach as i64);
        match check.constant {
            Some(constant) => {
                func.dfg.insts[constant] =
                    InstructionData::UnaryImm { opcode: Opcode::Iconst, imm };
            }
            None => {
                let [index, len] = *func.dfg.inst_args(comparison) else { return false };
                let mut cursor = FuncCursor::new(func).at_inst(comparison);
                let reach = cursor.ins().iconst(types::I64, imm);
                let end = cursor.ins().iadd(index, reach);
                func.dfg.insts[comparison] = InstructionData::IntCompare {
                    opcode: Opcode::Icmp,
                    cond: IntCC::UnsignedGreaterThan,
                    args: [end, len],
                };
                check.constant = self.definition(reach);
            }
        }
        self.known.set_check(key, Check { reach, ..check });
        true
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
