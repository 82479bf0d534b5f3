//! What the compiler makes of a module, as text, for tests that compare it with
//! a stored copy. Ordinary compilation pays nothing for this: it is watched by
//! [`Unwatched`], which does nothing.

use super::code_key::{Bulk, CodeKey};
use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::Function;
use std_alloc::format;
use std_alloc::string::{String, ToString};
use std_alloc::vec::Vec;

/// Sees every function that is compiled.
pub(super) trait Watch {
    /// Whether machine code is wanted as text too.
    const WANTS_TEXT: bool = false;
    /// The IR, before the optimizer has seen it.
    fn made(&mut self, key: CodeKey, ir: &Function);
    /// The machine code of the function shown last, and what compiling left of its IR.
    fn compiled(&mut self, ir: &Function, code: &CompiledCode);
}

/// Ignores everything.
pub(super) struct Unwatched;

impl Watch for Unwatched {
    fn made(&mut self, _: CodeKey, _: &Function) {}
    fn compiled(&mut self, _: &Function, _: &CompiledCode) {}
}

/// One function, shim or stub of a module.
#[derive(Debug)]
pub struct Piece {
    /// What it is: `function 0`, `exit stub of type 1`, `stub of memory_grow`.
    pub name: String,
    /// Cranelift's IR as it reaches the optimizer.
    pub ir: String,
    /// Machine code of this processor, in Cranelift's notation.
    pub machine_code: String,
}

/// Keeps everything it is shown.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) pieces: Vec<Piece>,
}

impl Watch for Listing {
    const WANTS_TEXT: bool = true;

    fn made(&mut self, key: CodeKey, ir: &Function) {
        let mut text = ir.display().to_string();
        // The IR refers to callees by number: say what they are.
        for (_, name) in ir.params.user_named_funcs().iter() {
            if let Some(callee) = CodeKey::of_name(name) {
                let written = format!("{name} ");
                let said = format!("{name} \"{}\" ", title(callee));
                text = text.replace(&format!("colocated {written}"), &format!("colocated {said}"));
            }
        }
        self.pieces.push(Piece { name: title(key), ir: text, machine_code: String::new() });
    }

    fn compiled(&mut self, _: &Function, code: &CompiledCode) {
        if let (Some(piece), Some(text)) = (self.pieces.last_mut(), &code.vcode) {
            piece.machine_code.clone_from(text);
        }
    }
}

fn title(key: CodeKey) -> String {
    match key {
        CodeKey::Function(func) => format!("function {}", func.0),
        CodeKey::Builtin(builtin) => format!("stub of {}", builtin.name()),
        CodeKey::EntryShim(ty) => format!("entry shim of type {}", ty.0),
        CodeKey::ExitStub(ty) => format!("exit stub of type {}", ty.0),
        CodeKey::Bulk(Bulk::Copy(to, from)) => format!("stub of memory.copy {} {}", to.0, from.0),
        CodeKey::Outlined(what) => format!("stub of {}", what.name()),
        CodeKey::Bulk(Bulk::Fill(memory)) => format!("stub of memory.fill {}", memory.0),
        CodeKey::Raise => "raise thunk".to_string(),
    }
}
