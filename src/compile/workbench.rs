//! [`Workbench`]: where functions are made, one after another. It holds the
//! function under construction and everything needed to make it; the next
//! function reuses its memory.

use super::climb;
use super::code_key::CodeKey;
use super::settings::{self, CompileSettings, Way};
use super::sites::Sites;
use crate::error::{Error, LimitError, Result};
use core::convert::Infallible;
use core::mem;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::function::FunctionParameters;
use cranelift_codegen::ir::{Function, Signature, UserFuncName};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::{CodegenError, CompileError, CompiledCode, Context};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

/// The most values of a function that is optimized. Each takes up to 1500 bytes of
/// heap then, and up to 450 the linear way.
const OPTIMIZED_VALUES: usize = 1 << 17;
/// The most blocks of such a function.
const OPTIMIZED_BLOCKS: usize = 1 << 13;

/// The most entries that the branch tables of such a function have together. Each
/// that leads elsewhere than the one before it takes up to 2000 bytes of heap
/// then, more with values to pass on, and half of it the linear way.
const OPTIMIZED_TABLE_ENTRIES: usize = 1 << 10;

/// Values that the jumps of a function may pass on, for each instruction. Few
/// functions of programs pass on one.
const PASSED_PER_INSTRUCTION: usize = 4;
/// What they may pass on however few instructions there are.
const PASSED_ANYWAY: usize = 1 << 9;

/// A function under construction, and the tools.
pub(super) struct Workbench<'s> {
    settings: &'s CompileSettings,
    processor: u64,
    isa: OwnedTargetIsa,
    /// The same target for large functions, once there has been one.
    linear_isa: Option<OwnedTargetIsa>,
    context: Context,
    builder_context: FunctionBuilderContext,
    sites: Sites,
    /// How the function is compiled.
    way: Way,
    /// Its code, if nothing else of it was kept.
    only_code: Option<CompiledCode>,
}

impl<'s> Workbench<'s> {
    /// An empty bench for a processor with these features.
    pub(super) fn new(settings: &'s CompileSettings, processor: u64) -> Result<Self> {
        Ok(Self {
            settings,
            processor,
            isa: settings::isa(settings, processor, Way::AsSet)?,
            linear_isa: None,
            context: Context::new(),
            builder_context: FunctionBuilderContext::new(),
            sites: Sites::default(),
            way: Way::AsSet,
            only_code: None,
        })
    }

    /// Makes the IR of a function: `body` writes it and hands the builder back.
    pub(super) fn function(
        &mut self,
        key: CodeKey,
        signature: Signature,
        body: impl for<'b> FnOnce(FunctionBuilder<'b>, &'b mut Sites) -> FunctionBuilder<'b>,
    ) {
        let Ok(()) = self.try_function(key, signature, |builder, sites| {
            Ok::<_, Infallible>((body(builder, sites), ()))
        });
    }

    /// The same for a `body` that may fail or that returns something.
    pub(super) fn try_function<R, E>(
        &mut self,
        key: CodeKey,
        signature: Signature,
        body: impl for<'b> FnOnce(
            FunctionBuilder<'b>,
            &'b mut Sites,
        ) -> Result<(FunctionBuilder<'b>, R), E>,
    ) -> Result<R, E> {
        self.context.clear();
        self.only_code = None;
        self.sites.clear();
        self.way = if self.settings.as_if_large { Way::Linear } else { Way::AsSet };
        let func = &mut self.context.func;
        func.name = UserFuncName::User(key.into());
        func.signature = signature;
        let builder = FunctionBuilder::new(func, &mut self.builder_context);
        let (mut builder, found) = body(builder, &mut self.sites)?;
        builder.seal_all_blocks();
        builder.finalize(self.isa.frontend_config());
        Ok(found)
    }

    /// How much its jumps may pass on besides the `operands` that the body itself
    /// has for them, if that is less than they do. Each value that is passed on costs
    /// as much as an instruction, and with many locals there can be hundreds for
    /// each jump.
    pub(super) fn passes_too_much(&self, operands: u64) -> Option<u64> {
        let func = &self.context.func;
        let locals = PASSED_PER_INSTRUCTION * func.dfg.num_insts() + PASSED_ANYWAY;
        let most = locals.saturating_add(operands as usize);
        let terminators = func.layout.blocks().filter_map(|block| func.layout.last_inst(block));
        let passed = |inst| {
            let targets = func.dfg.insts[inst]
                .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
            targets.iter().map(|target| target.len(&func.dfg.value_lists)).sum::<usize>()
        };
        (terminators.map(passed).sum::<usize>() > most).then_some(locals as u64)
    }

    /// The function as it stands: the IR that was made, or what compiling left of it.
    pub(super) fn ir(&self) -> &Function {
        &self.context.func
    }

    /// The same, to be changed before it is compiled again.
    pub(super) fn ir_mut(&mut self) -> &mut Function {
        &mut self.context.func
    }

    /// Its checks and calls.
    pub(super) fn sites(&self) -> &Sites {
        &self.sites
    }

    /// Asks for the function's machine code as text, too.
    pub(super) fn want_text(&mut self) {
        self.context.set_disasm(true);
    }

    /// The function is compiled the linear way.
    pub(super) fn compile_linearly(&mut self) {
        self.way = Way::Linear;
    }

    /// Makes machine code of the function.
    pub(super) fn compile(&mut self) -> Result<()> {
        let isa = match self.way {
            Way::AsSet => &self.isa,
            Way::Linear => {
                // A copy has no room to spare; what grew has as much as it uses. What
                // earlier functions left is given back.
                let wants_text = self.context.want_disasm;
                self.context = Context::for_function(self.context.func.clone());
                self.context.set_disasm(wants_text);
                self.builder_context = FunctionBuilderContext::new();
                match &mut self.linear_isa {
                    Some(isa) => isa,
                    none => none.insert(settings::isa(self.settings, self.processor, Way::Linear)?),
                }
            }
        };
        match self.context.compile(&**isa, &mut ControlPlane::default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(codegen_error(&error)),
        }
    }

    /// Whether the function, as it was made, is to be compiled the linear way.
    pub(super) fn is_large(&mut self) -> bool {
        let dfg = &self.context.func.dfg;
        dfg.num_values() > OPTIMIZED_VALUES
            || dfg.num_blocks() > OPTIMIZED_BLOCKS
            || dfg.jump_tables.values().map(|table| table.as_slice().len()).sum::<usize>()
                > OPTIMIZED_TABLE_ENTRIES
            || climb::is_deep(&mut self.context)
    }

    /// The machine code of the function.
    pub(super) fn compiled(&self) -> Result<&CompiledCode> {
        let code = self.only_code.as_ref().or(self.context.compiled_code());
        code.ok_or(Error::Bug("nothing has been compiled"))
    }

    /// Gives back all else of a large function, before more is made of its code.
    pub(super) fn keep_only_code(&mut self) {
        if self.way == Way::Linear {
            self.only_code = self.context.take_compiled_code();
            let names = mem::replace(&mut self.context.func.params, FunctionParameters::new());
            self.context = Context::new();
            self.context.func.params = names;
        }
    }

    /// What the machine code calls.
    pub(super) fn names(&self) -> &FunctionParameters {
        &self.context.func.params
    }
}

fn codegen_error(error: &CompileError<'_>) -> Error {
    match error.inner {
        CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge => LimitError {
            what: "size of a function's machine code",
            requested: u64::MAX,
            limit: u64::from(u32::MAX),
        }
        .into(),
        CodegenError::Unsupported(_) => Error::Bug("the code generator lacks an operation"),
        CodegenError::Verifier(_) => Error::Bug("the translator made ill-formed code"),
        _ => Error::Bug("the code generator failed"),
    }
}
