//! [`is_deep`]: whether the optimizer would spend more on looking for places than
//! on the code itself.
//!
//! Two searches of the code generator go up the dominator tree, block by block:
//! for the block in which a new value could be made at the earliest, and for the
//! block that dominates all predecessors of another. In a function that is deep
//! everywhere that is a product of its size and its depth.

use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Inst, Opcode, Value};

/// Blocks to climb for each instruction. A step takes some ten machine
/// instructions, all else that is done for an instruction 2000 at least. In
/// programs, few instructions are this deep.
const STEPS_PER_INSTRUCTION: u64 = 96;

/// Whether the searches would take more than [`STEPS_PER_INSTRUCTION`] on
/// average. Leaves the control flow graph and the dominator tree in `context`.
pub(super) fn is_deep(context: &mut Context) -> bool {
    // No path is longer than there are blocks.
    if context.func.dfg.num_blocks() as u64 <= STEPS_PER_INSTRUCTION {
        return false;
    }
    context.compute_cfg();
    context.compute_domtree();
    let (instructions, steps) = steps(context);
    steps > STEPS_PER_INSTRUCTION * instructions
}

/// How many instructions there are, and how many steps they take together.
fn steps(context: &Context) -> (u64, u64) {
    let Context { func, domtree, cfg, .. } = context;
    let mut depths = SecondaryMap::<Block, u32>::new();
    // Of the blocks in which values are made, or could be.
    let mut available = SecondaryMap::<Value, u32>::new();
    let (mut instructions, mut steps) = (0, 0);
    // Dominators come before what they dominate.
    for &block in domtree.cfg_rpo() {
        let depth = domtree.idom(block).map_or(0, |above| depths[above].saturating_add(1));
        depths[block] = depth;
        for &parameter in func.dfg.block_params(block) {
            available[parameter] = depth;
        }
        for inst in func.layout.block_insts(block) {
            instructions += 1;
            let at = match can_move(func.dfg.insts[inst].opcode()) {
                true => {
                    let (highest, lowest) = operands(func, inst, &available);
                    // What it is rewritten to may depend on fewer operands.
                    steps += u64::from(depth.saturating_sub(highest));
                    lowest
                }
                false => depth,
            };
            for &result in func.dfg.inst_results(inst) {
                available[result] = at;
            }
        }
    }
    for &block in domtree.cfg_rpo() {
        let top = domtree.idom(block).map_or(0, |above| depths[above]);
        let predecessors = cfg.pred_iter(block).map(|edge| edge.block);
        let climbs = predecessors.map(|from| u64::from(depths[from].saturating_sub(top)));
        steps += climbs.sum::<u64>();
    }
    (instructions, steps)
}

/// Whether the optimizer may make a value elsewhere.
fn can_move(opcode: Opcode) -> bool {
    !(opcode.is_branch()
        || opcode.is_call()
        || opcode.can_load()
        || opcode.can_store()
        || opcode.can_trap()
        || opcode.other_side_effects())
}

/// The depths of an instruction's operands: the least and the greatest.
fn operands(func: &Function, inst: Inst, available: &SecondaryMap<Value, u32>) -> (u32, u32) {
    let of = |value| available[func.dfg.resolve_aliases(value)];
    let mut depths = func.dfg.inst_values(inst).map(of);
    let first = depths.next().unwrap_or(0);
    depths.fold((first, first), |(least, most), depth| (least.min(depth), most.max(depth)))
}
