//! scratch
use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Value};

pub(super) struct Climbs { pub(super) all: u64, pub(super) exact: u64, pub(super) merges: u64, pub(super) insts: u64, pub(super) blocks: u64, pub(super) max: u32 }

pub(super) fn climbs(context: &mut Context) -> Climbs {
    context.compute_cfg();
    context.compute_domtree();
    let func = &context.func;
    let mut depth = SecondaryMap::<Block, u32>::with_default(0);
    let mut available = SecondaryMap::<Value, u32>::with_default(0);
    let mut c = Climbs { all: 0, exact: 0, merges: 0, insts: 0, blocks: 0, max: 0 };
    for &block in context.domtree.cfg_rpo() {
        let d = context.domtree.idom(block).map_or(0, |i| depth[i] + 1);
        depth[block] = d;
        c.max = c.max.max(d);
        c.blocks += 1;
        for &v in func.dfg.block_params(block) { available[v] = d; }
        for inst in func.layout.block_insts(block) {
            c.insts += 1;
            let op = func.dfg.insts[inst].opcode();
            let pure = !(op.is_branch() || op.is_call() || op.can_load() || op.can_store() || op.other_side_effects() || op.can_trap());
            if pure {
                let a = func.dfg.inst_values(inst).map(|v| available[func.dfg.resolve_aliases(v)]).max().unwrap_or(0);
                for &r in func.dfg.inst_results(inst) { available[r] = a; }
                c.all += u64::from(d);
                let m = func.dfg.inst_values(inst).map(|v| available[func.dfg.resolve_aliases(v)]).min().unwrap_or(0); c.exact += u64::from(d - m);
            } else {
                for &r in func.dfg.inst_results(inst) { available[r] = d; }
            }
        }
    }
    for &block in context.domtree.cfg_rpo() {
        let top = context.domtree.idom(block).map_or(0, |i| depth[i]);
        let preds: Vec<_> = context.cfg.pred_iter(block).collect();
        if preds.len() > 1 {
        for p in preds { c.merges += u64::from(depth[p.block].saturating_sub(top)); }
        }
    }
    c
}
use std_alloc::vec::Vec;
