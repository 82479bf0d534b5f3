//! Where a branch table goes: through a table of the code generator, or, where few
//! runs of entries have the same target, by searching for the run. Each entry
//! of a table is an edge, and takes a thousand bytes while it is compiled.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockCall, InstBuilder, JumpTableData, Value};
use cranelift_frontend::FunctionBuilder;
use std_alloc::vec::Vec;

/// Runs are searched if they have at least so many entries on average. A search
/// among eight takes three comparisons, a table a comparison and a jump that the
/// processor has to guess.
const ENTRIES_PER_RUN: usize = 16;

/// Goes on at the block with this index in `blocks`, or else at `default`. None of
/// them has parameters. With `needs_landings`, what a jump through the table leads to
/// begins with a landing instruction.
pub(super) fn branch(
    builder: &mut FunctionBuilder<'_>,
    index: Value,
    (blocks, default): (&[Block], Block),
    needs_landings: bool,
) {
    let runs = runs(blocks, default);
    if runs.len() == 1 || runs.len() * ENTRIES_PER_RUN <= blocks.len() {
        return search(builder, index, &runs);
    }
    let pool = &mut builder.func.dfg.value_lists;
    // On aarch64 the code generator jumps to the default through the table as well,
    // and puts a landing instruction only where an entry leads.
    let last = needs_landings.then_some(&default);
    let blocks: Vec<_> =
        blocks.iter().chain(last).map(|block| BlockCall::new(*block, [], pool)).collect();
    let default = BlockCall::new(default, [], pool);
    let table = builder.create_jump_table(JumpTableData::new(default, &blocks));
    builder.ins().br_table(index, table);
}

/// Each target, and the first index of those that lead there; at least one.
fn runs(blocks: &[Block], default: Block) -> Vec<(u32, Block)> {
    let mut runs: Vec<(u32, Block)> = Vec::new();
    for (at, block) in blocks.iter().chain([&default]).enumerate() {
        if runs.last().is_none_or(|(_, last)| last != block) {
            runs.push((at as u32, *block));
        }
    }
    runs
}

/// Halves the runs until one is left.
fn search(builder: &mut FunctionBuilder<'_>, index: Value, runs: &[(u32, Block)]) {
    let (low, high) = runs.split_at(runs.len() / 2);
    let Some((first, _)) = high.first() else { return };
    if low.is_empty() {
        builder.ins().jump(high[0].1, &[]);
        return;
    }
    let is_high =
        builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, index, i64::from(*first));
    let mut side = |half: &[(u32, Block)]| match half {
        [(_, target)] => (*target, false),
        _ => (builder.create_block(), true),
    };
    let (low_block, high_block) = (side(low), side(high));
    builder.ins().brif(is_high, high_block.0, &[], low_block.0, &[]);
    for ((block, is_own), half) in [(low_block, low), (high_block, high)] {
        if is_own {
            builder.switch_to_block(block);
            builder.seal_block(block);
            search(builder, index, half);
        }
    }
}
