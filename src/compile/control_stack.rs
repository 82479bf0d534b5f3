//! Control frames: one per open block, loop or if, and one for the function.

use crate::abi::TypeIndex;
use crate::artifact::{ModuleInfo, ValType};
use cranelift_codegen::ir::{Block, Value};
use std_alloc::vec::Vec;

/// Parameters and results of a block.
#[derive(Clone, Copy)]
pub(super) enum BlockSignature {
    /// Neither.
    Empty,
    /// No parameters, one result.
    Result([ValType; 1]),
    /// Those of a function type.
    Function(TypeIndex),
}

impl BlockSignature {
    pub(super) fn params<'a>(&self, info: &'a ModuleInfo) -> &'a [ValType] {
        match self {
            Self::Empty | Self::Result(_) => &[],
            Self::Function(ty) => info.types[ty.index()].params(),
        }
    }

    pub(super) fn results<'a>(&'a self, info: &'a ModuleInfo) -> &'a [ValType] {
        match self {
            Self::Empty => &[],
            Self::Result(ty) => ty,
            Self::Function(ty) => info.types[ty.index()].results(),
        }
    }
}

/// What kind of construct a frame stands for.
pub(super) enum FrameKind {
    /// A block, or the function itself.
    Block,
    /// A loop and the block at its head.
    Loop { header: Block },
    /// An `if` whose `else` has not been seen: where it would start, and the
    /// parameters it starts with.
    If { otherwise: Block, params: Vec<Value> },
    /// The part after `else`.
    Else,
    /// Opened in unreachable code; nothing is translated inside.
    Unreachable,
}

/// One open construct.
pub(super) struct ControlFrame {
    pub(super) kind: FrameKind,
    pub(super) signature: BlockSignature,
    /// Operands below the construct's parameters.
    pub(super) height: usize,
    /// Where control goes after the construct, with its results. Undefined
    /// for [`FrameKind::Unreachable`].
    pub(super) exit: Block,
    /// Whether any branch goes to `exit`.
    pub(super) exit_used: bool,
}
