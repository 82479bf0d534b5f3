//! Structured control: blocks, loops, conditionals, branches, return.

use super::dispatch;
use crate::abi::{Trap, TypeIndex};
use crate::artifact::ValType;
use crate::compile::assignments::LARGE_TABLE;
use crate::compile::control_stack::{BlockSignature, ControlFrame, FrameKind};
use crate::compile::declare::val_type;
use crate::compile::op::done::Done;
use crate::compile::translator::Translator;
use crate::error::{Error, Result};
use cranelift_codegen::ir::{Block, InstBuilder};
use hashbrown::HashMap;
use std_alloc::vec::Vec;
use wasmparser::{BlockType, BrTable, Operator};

pub(super) fn translate(t: &mut Translator<'_, '_>, op: &Operator<'_>) -> Result<Done> {
    match op {
        Operator::Block { blockty } => block(t, signature(*blockty)?),
        Operator::Loop { blockty } => open_loop(t, signature(*blockty)?),
        Operator::If { blockty } => open_if(t, signature(*blockty)?),
        Operator::Else => otherwise(t),
        Operator::End => end(t),
        Operator::Br { relative_depth } => {
            let (target, count) = branch_target(t, *relative_depth);
            t.jump_with_top(target, count);
            t.reachable = false;
        }
        Operator::BrIf { relative_depth } => {
            let condition = t.pop();
            let (target, count) = branch_target(t, *relative_depth);
            let args = t.top_args(count);
            let next = t.builder.create_block();
            t.builder.ins().brif(condition, target, &args, next, &[]);
            t.builder.switch_to_block(next);
            t.builder.seal_block(next);
        }
        Operator::BrTable { targets } => branch_table(t, targets)?,
        Operator::Return => {
            let outermost = t.control.len() as u32 - 1;
            let (target, count) = branch_target(t, outermost);
            t.jump_with_top(target, count);
            t.reachable = false;
        }
        Operator::Unreachable => t.trap_always(Trap::UnreachableCodeReached),
        _ => return Ok(Done::NotMine),
    }
    Ok(Done::Seen)
}

/// Follows the nesting of code that cannot be reached.
pub(super) fn translate_unreachable(t: &mut Translator<'_, '_>, op: &Operator<'_>) {
    match op {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
            t.control.push(ControlFrame {
                kind: FrameKind::Unreachable,
                signature: BlockSignature::Empty,
                height: t.stack.len(),
                exit: Block::from_u32(0),
                exit_used: false,
            });
        }
        Operator::Else => otherwise(t),
        Operator::End => end(t),
        _ => {}
    }
}

fn signature(ty: BlockType) -> Result<BlockSignature> {
    Ok(match ty {
        BlockType::Empty => BlockSignature::Empty,
        BlockType::Type(ty) => BlockSignature::Result([val_type(ty)?]),
        BlockType::FuncType(index) => BlockSignature::Function(TypeIndex(index)),
    })
}

fn push_frame(t: &mut Translator<'_, '_>, kind: FrameKind, signature: BlockSignature) {
    let info = t.env.info;
    let exit = t.block_with_params(signature.results(info));
    let height = t.stack.len() - signature.params(info).len();
    t.control.push(ControlFrame { kind, signature, height, exit, exit_used: false });
}

fn block(t: &mut Translator<'_, '_>, signature: BlockSignature) {
    t.facts.open_scope();
    push_frame(t, FrameKind::Block, signature);
}

fn open_loop(t: &mut Translator<'_, '_>, signature: BlockSignature) {
    let params = signature.params(t.env.info);
    let header = t.block_with_params(params);
    t.jump_with_top(header, params.len());
    push_frame(t, FrameKind::Loop { header }, signature);
    t.stack.truncate(t.stack.len() - params.len());
    t.builder.switch_to_block(header);
    t.facts.open_loop();
    push_block_params(t, header);
    t.interruption_check();
}

fn open_if(t: &mut Translator<'_, '_>, signature: BlockSignature) {
    let condition = t.pop();
    let count = signature.params(t.env.info).len();
    let params = t.stack[t.stack.len() - count..].to_vec();
    t.operands_passed += t.stack.len() as u64;
    let (then, otherwise) = (t.builder.create_block(), t.builder.create_block());
    t.builder.ins().brif(condition, then, &[], otherwise, &[]);
    t.builder.seal_block(then);
    t.builder.seal_block(otherwise);
    push_frame(t, FrameKind::If { otherwise, params }, signature);
    t.builder.switch_to_block(then);
    t.facts.open_scope();
}

fn otherwise(t: &mut Translator<'_, '_>) {
    let Some(mut frame) = t.control.pop() else { return };
    if let FrameKind::If { otherwise, params } = frame.kind {
        if t.reachable {
            t.jump_with_top(frame.exit, frame.signature.results(t.env.info).len());
            frame.exit_used = true;
        }
        t.stack.truncate(frame.height);
        t.stack.extend(params);
        t.builder.switch_to_block(otherwise);
        t.facts.close_scope();
        t.facts.open_scope();
        t.reachable = true;
        frame.kind = FrameKind::Else;
    }
    t.control.push(frame);
}

fn end(t: &mut Translator<'_, '_>) {
    let Some(mut frame) = t.control.pop() else { return };
    if matches!(frame.kind, FrameKind::Unreachable) {
        return;
    }
    let results = frame.signature.results(t.env.info).len();
    if t.reachable {
        t.jump_with_top(frame.exit, results);
        frame.exit_used = true;
    }
    let is_loop = matches!(frame.kind, FrameKind::Loop { .. });
    match frame.kind {
        // No `else`: the parameters are the results.
        FrameKind::If { otherwise, params } => {
            t.stack.truncate(frame.height);
            t.stack.extend(params);
            t.builder.switch_to_block(otherwise);
            t.jump_with_top(frame.exit, results);
            frame.exit_used = true;
        }
        FrameKind::Loop { header } => {
            t.builder.seal_block(header);
            t.facts.close_loop();
        }
        FrameKind::Block | FrameKind::Else | FrameKind::Unreachable => {}
    }
    if !is_loop {
        t.facts.close_scope();
    }
    t.stack.truncate(frame.height);
    t.reachable = frame.exit_used;
    if t.reachable {
        t.builder.seal_block(frame.exit);
        t.builder.switch_to_block(frame.exit);
        push_block_params(t, frame.exit);
    }
}

fn push_block_params(t: &mut Translator<'_, '_>, block: Block) {
    let params = t.builder.block_params(block);
    t.stack.extend_from_slice(params);
}

/// Where a branch goes, and how many operands it takes along.
fn branch_target(t: &mut Translator<'_, '_>, depth: u32) -> (Block, usize) {
    let info = t.env.info;
    let at = t.control.len() - 1 - depth as usize;
    let frame = &mut t.control[at];
    match frame.kind {
        FrameKind::Loop { header } => (header, frame.signature.params(info).len()),
        _ => {
            frame.exit_used = true;
            (frame.exit, frame.signature.results(info).len())
        }
    }
}

fn branch_table(t: &mut Translator<'_, '_>, targets: &BrTable<'_>) -> Result<()> {
    let broken = |_| Error::Bug("a validated branch table does not parse");
    let index = t.pop();
    let (default, count) = branch_target(t, targets.default());
    // Targets that take operands are reached through one block each, so that
    // a large table does not repeat its operands for every entry. So are all
    // targets of a large table: it would repeat locals, and the SSA builder reads
    // the table once for each target and local.
    let is_large = targets.len() > LARGE_TABLE;
    let mut relays: HashMap<u32, Block> = HashMap::new();
    let mut order: Vec<(Block, Block)> = Vec::new();
    let mut relay = |t: &mut Translator<'_, '_>, depth: u32, target: Block| -> Block {
        if count == 0 && !is_large {
            return target;
        }
        *relays.entry(depth).or_insert_with(|| {
            let block = t.builder.create_block();
            order.push((block, target));
            block
        })
    };
    let default = relay(t, targets.default(), default);
    let mut blocks = Vec::with_capacity(targets.len() as usize);
    for depth in targets.targets() {
        let depth = depth.map_err(broken)?;
        let (target, _) = branch_target(t, depth);
        blocks.push(relay(t, depth, target));
    }
    let needs_landings = t.env.settings.use_bti;
    dispatch::branch(&mut t.builder, index, (&blocks, default), needs_landings);
    for (block, target) in order {
        t.builder.switch_to_block(block);
        t.builder.seal_block(block);
        t.jump_with_top(target, count);
    }
    t.reachable = false;
    Ok(())
}

/// Opens the frame of the function itself.
pub(in crate::compile) fn open_function(t: &mut Translator<'_, '_>, ty: TypeIndex) {
    let results: &[ValType] = t.env.info.types[ty.index()].results();
    let exit = t.block_with_params(results);
    t.facts.open_scope();
    t.control.push(ControlFrame {
        kind: FrameKind::Block,
        signature: BlockSignature::Function(ty),
        height: 0,
        exit,
        exit_used: false,
    });
}
