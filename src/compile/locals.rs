//! Where a function keeps its locals. Mostly they are values; the compiler then
//! works out at every place where paths meet which value each has. The work can
//! be locals times places, so a function with too much of it keeps the locals
//! that it mentions least in its frame.
//!
//! Invariant: references are values, since stack maps name values. A local that
//! the body never mentions is nowhere, and the last of these are not listed: a
//! body of ten bytes can have 50 000.

use super::assignments::Assignments;
use super::budget::FunctionBudget;
use super::settings::CompileSettings;
use super::signature::{POINTER, value_type};
use super::translator::Translator;
use crate::artifact::ValType;
use crate::error::Result;
use cranelift_codegen::ir::{
    Block, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Type, Value,
};
use cranelift_frontend::Variable;
use std_alloc::vec::Vec;

/// Where one local is.
#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    Value(Variable),
    Frame {
        ty: Type,
        address: Value,
        offset: i32,
        /// What it holds, and the block in which that is known.
        known: Option<(Value, Block)>,
    },
}

/// The locals of a function.
#[derive(Default)]
pub(super) struct Locals {
    places: Vec<Place>,
    /// How often a local must be mentioned to be a value.
    fewest_mentions: u32,
    frame: Option<Frame>,
}

/// The part of the frame for locals.
#[derive(Clone, Copy)]
struct Frame {
    slot: StackSlot,
    /// Its address: one value for all, since an address for each local could be
    /// live in many blocks.
    address: Value,
    bytes: u32,
}

impl Locals {
    /// Decides which locals of a body are values.
    pub(super) fn of(
        assignments: &Assignments,
        budget: FunctionBudget,
        settings: &CompileSettings,
    ) -> Self {
        let most = match settings.as_if_large {
            true => 0,
            false => budget.locals_as_values(assignments.edges()),
        };
        let mut mentions: Vec<u32> = assignments.mentioned().collect();
        let fewest_mentions = match usize::try_from(most) {
            Ok(most) if most < mentions.len() => {
                let (_, first_out, _) = mentions.select_nth_unstable_by(most, |a, b| b.cmp(a));
                *first_out + 1
            }
            _ => 0,
        };
        Self { fewest_mentions, ..Self::default() }
    }

    /// Whether the body mentions none but those declared so far.
    pub(super) fn are_all(&self, assignments: &Assignments) -> bool {
        self.places.len() >= assignments.mentions().len()
    }
}

impl Translator<'_, '_> {
    /// Adds a local that begins as `value`.
    pub(super) fn declare_local(&mut self, ty: ValType, value: Value) {
        let mentions = self.facts.assignments().mentions();
        let Some(mentions) = mentions.get(self.locals.places.len()).copied() else { return };
        let place = if mentions == 0 {
            Place::Nowhere
        } else if ty.needs_stack_map() || mentions >= self.locals.fewest_mentions {
            let variable = self.builder.declare_var(value_type(ty));
            if ty.needs_stack_map() {
                self.reference_locals += 1;
                self.builder.declare_var_needs_stack_map(variable);
            }
            self.builder.def_var(variable, value);
            Place::Value(variable)
        } else {
            self.in_frame(value_type(ty), value)
        };
        self.operands_passed += u64::from(mentions > 0);
        self.locals.places.push(place);
        self.facts.declare_local(value);
    }

    fn in_frame(&mut self, ty: Type, value: Value) -> Place {
        let builder = &mut self.builder;
        let frame = self.locals.frame.get_or_insert_with(|| {
            let align_shift = FRAME_ALIGN.trailing_zeros() as u8;
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, FRAME_ALIGN, align_shift);
            let slot = builder.create_sized_stack_slot(data);
            Frame { slot, address: builder.ins().stack_addr(POINTER, slot, 0), bytes: 0 }
        });
        let offset = frame.bytes.next_multiple_of(ty.bytes());
        frame.bytes = offset + ty.bytes();
        let address = frame.address;
        let offset = offset as i32;
        builder.ins().store(IN_FRAME, value, address, offset);
        Place::Frame { ty, address, offset, known: None }
    }

    /// Gives locals in the frame their room. No more can be declared.
    pub(super) fn close_locals(&mut self, budget: FunctionBudget) -> Result<()> {
        if let Some(frame) = self.locals.frame {
            let slots = &mut self.builder.func.sized_stack_slots;
            slots[frame.slot].size = frame.bytes.next_multiple_of(FRAME_ALIGN);
        }
        budget.check_locals(self.reference_locals, self.facts.assignments().edges())
    }

    /// The value of a local.
    pub(super) fn local_get(&mut self, local: u32) -> Value {
        let index = local as usize;
        match self.locals.places[index] {
            // A local that is mentioned is somewhere.
            Place::Nowhere => self.context,
            Place::Value(variable) => self.facts.local(local).unwrap_or_else(|| {
                let value = self.builder.use_var(variable);
                self.facts.set_local(local, value);
                value
            }),
            Place::Frame { ty, address, offset, known } => {
                let block = self.builder.current_block();
                match known {
                    Some((value, at)) if Some(at) == block => value,
                    _ => {
                        let value = self.builder.ins().load(ty, IN_FRAME, address, offset);
                        self.know(index, value);
                        value
                    }
                }
            }
        }
    }

    /// Assigns a local.
    pub(super) fn local_set(&mut self, local: u32, value: Value) {
        let index = local as usize;
        match self.locals.places[index] {
            Place::Nowhere => {}
            Place::Value(variable) => {
                self.builder.def_var(variable, value);
                self.facts.set_local(local, value);
            }
            Place::Frame { address, offset, .. } => {
                self.builder.ins().store(IN_FRAME, value, address, offset);
                self.know(index, value);
            }
        }
    }

    /// Notes what a local in the frame holds, for the rest of this block: known
    /// any longer, values could be as many as locals times blocks.
    fn know(&mut self, index: usize, value: Value) {
        let block = self.builder.current_block();
        if let Place::Frame { known, .. } = &mut self.locals.places[index] {
            *known = block.map(|block| (value, block));
        }
    }
}

/// Alignment of the largest type.
const FRAME_ALIGN: u32 = 16;

/// How locals in the frame are accessed: it is there. That they are aligned is not
/// promised, since the code generator does not promise to align slots.
const IN_FRAME: MemFlagsData = MemFlagsData::new().with_notrap();
