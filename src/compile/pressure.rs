//! [`is_high`]: whether so many values are live at a time that finding registers for
//! them would cost more than all else.
//!
//! The register allocator tries places for each value among all that is live as long
//! as it is, and splits what finds none. That is a product of values and instructions.
//! What is live at a time is known only after the optimizer: it makes instructions in
//! the order in which they are needed first, which can be far from where they stood.

use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::entity::packed_option::PackedOption;
use cranelift_codegen::ir::{Block, Opcode, Value};
use std_alloc::vec::Vec;

/// Values that are live at each instruction on average. Few functions of programs have
/// more than a hundred.
const LIVE_VALUES: u64 = 512;

/// With fewer instructions there are not as many values.
pub(super) const FEW_INSTRUCTIONS: usize = 2 * LIVE_VALUES as usize;

/// Whether more than [`LIVE_VALUES`] are live on average. `context` holds the control
/// flow graph and the dominator tree of its function, which has no aliases. It takes
/// at most a step for each of them at each instruction.
pub(super) fn is_high(context: &Context) -> bool {
    let mut lives = Lives::new(context);
    let most = LIVE_VALUES * u64::from(lives.steps);
    let Context { func, domtree, .. } = context;
    for &block in domtree.cfg_rpo() {
        let mut at = lives.ranges[block].0;
        for &parameter in func.dfg.block_params(block) {
            lives.add(parameter, (block, at));
        }
        for inst in func.layout.block_insts(block) {
            at += 1;
            // Constants are made where they are used.
            let constants = [Opcode::Iconst, Opcode::F32const, Opcode::F64const];
            if !constants.contains(&func.dfg.insts[inst].opcode()) {
                func.dfg.inst_results(inst).iter().for_each(|made| lives.add(*made, (block, at)));
            }
            if lives.sum > most {
                return true;
            }
        }
    }
    false
}

/// Where values live. Places are numbers of steps: beginnings of blocks, and
/// instructions.
struct Lives<'c> {
    context: &'c Context,
    /// Places of blocks: their beginning and their last instruction.
    ranges: SecondaryMap<Block, (u32, u32)>,
    /// The last of a value's uses.
    last_uses: SecondaryMap<Value, u32>,
    /// Where each use is, and the one before it. The first stands for none.
    uses: Vec<(Block, u32, u32)>,
    /// Which value a block was looked at for, and the last place found for it there.
    seen: SecondaryMap<Block, (PackedOption<Value>, u32)>,
    /// Blocks at whose beginning the value lives, and whose predecessors are to be
    /// looked at.
    entered: Vec<Block>,
    steps: u32,
    /// The sum of how many steps each value lives for.
    sum: u64,
}

impl<'c> Lives<'c> {
    /// Finds all uses.
    fn new(context: &'c Context) -> Self {
        let Context { func, domtree, .. } = context;
        let mut ranges = SecondaryMap::<_, (u32, u32)>::new();
        let mut last_uses = SecondaryMap::<_, u32>::new();
        let mut uses = std_alloc::vec![(Block::from_u32(0), 0, 0)];
        let mut steps = 0;
        for &block in domtree.cfg_rpo() {
            steps += 1;
            let begin = steps;
            for inst in func.layout.block_insts(block) {
                steps += 1;
                for operand in func.dfg.inst_values(inst) {
                    uses.push((block, steps, last_uses[operand]));
                    last_uses[operand] = uses.len() as u32 - 1;
                }
            }
            ranges[block] = (begin, steps);
        }
        let (seen, entered) = (SecondaryMap::new(), Vec::new());
        Self { context, ranges, last_uses, uses, seen, entered, steps, sum: 0 }
    }

    /// Adds up for how long a value lives that is made at this place.
    fn add(&mut self, value: Value, (block, made): (Block, u32)) {
        self.seen[block] = (value.into(), made);
        let mut next = self.last_uses[value];
        while next != 0 {
            let (user, at, before) = self.uses[next as usize];
            next = before;
            self.extend(value, user, at);
            while let Some(entered) = self.entered.pop() {
                for edge in self.context.cfg.pred_iter(entered) {
                    self.extend(value, edge.block, self.ranges[edge.block].1);
                }
            }
        }
    }

    /// Has a value live in a block until there.
    fn extend(&mut self, value: Value, block: Block, until: u32) {
        let (seen_for, last) = &mut self.seen[block];
        if *seen_for != value.into() {
            (*seen_for, *last) = (value.into(), self.ranges[block].0 - 1);
            self.entered.push(block);
        }
        self.sum += u64::from(until.saturating_sub(*last));
        *last = until.max(*last);
    }
}
