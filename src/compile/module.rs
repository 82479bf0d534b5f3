//! [`compile`]: a module from bytes to [`Artifact`].

use super::budget::{Budget, FunctionBudget};
use super::code_key::CodeKey;
use super::emit::CodeBuffer;
use super::func::Translated;
use super::listing::{Listing, Piece, Unwatched, Watch};
use super::poll::{CompilePhase, CompileProgress, Poll};
use super::settings::CompileSettings;
use super::signature::builtin_signature;
use super::stack_limit;
use super::translator::ModuleEnv;
use super::validate::{self, Contents};
use super::workbench::Workbench;
use super::{func, shim, signature};
use crate::abi::{FuncIndex, TypeIndex, VmOffsets};
use crate::artifact::{
    Artifact, ArtifactParts, CodeFlavor, FuncType, FunctionCode, ImportKind, ModuleInfo, NO_ESCAPE,
    ShimCode,
};
use crate::error::{Error, LimitError, Result};
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::CallConv;
use std_alloc::vec::Vec;
use wasmparser::FunctionBody;

/// The most bytes of a body that is optimized. Few programs have one that is
/// longer, which mostly is too large for other reasons, too.
const OPTIMIZED_BYTES: u64 = 1 << 17;

/// The most operators of such a body that become ten machine instructions or more.
/// Each takes up to 12 KiB of heap then, and a fifth of it the linear way.
const OPTIMIZED_STEPS: u32 = 1 << 9;

/// Compiles a module for this machine.
///
/// # Errors
/// [`Error::Malformed`] with the byte offset if the bytes are not a valid
/// module; [`Error::Unsupported`] naming the proposals if they need some that are
/// off or that Kernref lacks; [`Error::Limit`] if a limit is reached. All of
/// this is found before anything is compiled, except for what the code
/// generator cannot do and limits on what it is given.
pub fn compile(wasm: &[u8], settings: &CompileSettings) -> Result<Artifact> {
    watched(wasm, settings, &mut Unwatched, &mut Poll::new(wasm.len(), None))
}

/// Compiles as [`compile`] does, and asks now and then whether to go on.
///
/// # Errors
/// Those of [`compile`], and what was answered.
pub fn supervised(
    wasm: &[u8],
    settings: &CompileSettings,
    ask: &mut dyn FnMut(CompileProgress) -> Result<()>,
) -> Result<Artifact> {
    watched(wasm, settings, &mut Unwatched, &mut Poll::new(wasm.len(), Some(ask)))
}

/// Validates and translates as [`compile`] does, without making machine code,
/// and counts the instructions of the compiler's intermediate form. Shows what
/// the front end costs and how much it hands to the code generator.
///
/// # Errors
/// Those of [`compile`] that do not come from code generation.
pub fn count_instructions(wasm: &[u8], settings: &CompileSettings) -> Result<u64> {
    count(wasm, settings, |ir| ir.dfg.num_insts() as u64)
}

/// The same for the values of the intermediate form, among them those that
/// other values have replaced.
///
/// # Errors
/// Those of [`compile`] that do not come from code generation.
pub fn count_values(wasm: &[u8], settings: &CompileSettings) -> Result<u64> {
    count(wasm, settings, |ir| ir.dfg.num_values() as u64)
}

/// Adds up what `of` says about the IR of each body.
fn count(wasm: &[u8], settings: &CompileSettings, of: fn(&Function) -> u64) -> Result<u64> {
    let mut poll = Poll::new(wasm.len(), None);
    let Contents { info, bodies } = validate::contents(wasm, settings.features, &mut poll)?;
    Compiler::new(settings, &mut Unwatched, &mut poll)?.count(&info, &bodies, of)
}

/// What [`compile`] makes of a module, piece by piece in the order of the code.
///
/// # Errors
/// Those of [`compile`].
#[doc(hidden)]
pub fn listing(wasm: &[u8], settings: &CompileSettings) -> Result<Vec<Piece>> {
    let mut listing = Listing::default();
    watched(wasm, settings, &mut listing, &mut Poll::new(wasm.len(), None))?;
    Ok(listing.pieces)
}

/// Compiles, and shows the pieces.
pub(super) fn watched(
    wasm: &[u8],
    settings: &CompileSettings,
    watch: &mut impl Watch,
    poll: &mut Poll<'_>,
) -> Result<Artifact> {
    let Contents { info, bodies } = validate::contents(wasm, settings.features, poll)?;
    poll.begin(CompilePhase::Compiling);
    Compiler::new(settings, watch, poll)?.module(info, &bodies)
}

struct Compiler<'a, 'p, W> {
    flavor: CodeFlavor,
    settings: &'a CompileSettings,
    bench: Workbench<'a>,
    code: CodeBuffer,
    watch: &'a mut W,
    poll: &'a mut Poll<'p>,
}

impl<'a, 'p, W: Watch> Compiler<'a, 'p, W> {
    fn new(
        settings: &'a CompileSettings,
        watch: &'a mut W,
        poll: &'a mut Poll<'p>,
    ) -> Result<Self> {
        let flavor = settings.flavor();
        Ok(Self {
            flavor,
            settings,
            bench: Workbench::new(settings, flavor.processor)?,
            code: CodeBuffer::new(settings),
            watch,
            poll,
        })
    }

    /// Translates the bodies one after another, and calls `then` after each
    /// with what is to be said about each.
    fn bodies(
        &mut self,
        info: &ModuleInfo,
        bodies: &[FunctionBody<'_>],
        mut then: impl FnMut(&mut Self, FuncIndex, Translated) -> Result<()>,
    ) -> Result<()> {
        let offsets = offsets(info)?;
        let env = ModuleEnv { info, offsets: &offsets, settings: self.settings };
        let mut budget = Budget::new(self.settings);
        for (index, body) in bodies.iter().enumerate() {
            let func = FuncIndex(info.counts.imported_funcs + index as u32);
            let range = body.range();
            let bytes = range.end.saturating_sub(range.start);
            let mut allowed = budget.begin(bytes);
            let mut is_large = self.settings.as_if_large || bytes > OPTIMIZED_BYTES;
            let mut translated = self.translate(env, func, (body, allowed, is_large))?;
            if let Some(most) = self.bench.passes_too_much(translated.made.operands) {
                allowed = allowed.with_locals_passed(most);
                translated = self.translate(env, func, (body, allowed, is_large))?;
            }
            let is_long = translated.of_many_steps > OPTIMIZED_STEPS;
            if !is_large && (is_long || self.bench.is_large()) {
                is_large = true;
                translated = self.translate(env, func, (body, allowed, is_large))?;
            }
            if is_large {
                self.bench.compile_linearly();
            }
            budget.end(translated.made);
            then(self, func, translated)?;
        }
        Ok(())
    }

    fn translate(
        &mut self,
        env: ModuleEnv<'_>,
        func: FuncIndex,
        body: (&FunctionBody<'_>, FunctionBudget, bool),
    ) -> Result<Translated> {
        let signature = signature::internal(env.info.func_type(func));
        self.bench.try_function(CodeKey::Function(func), signature, |builder, sites| {
            func::translate((builder, sites), env, func, body, self.poll)
        })
    }

    fn count(
        mut self,
        info: &ModuleInfo,
        bodies: &[FunctionBody<'_>],
        of: fn(&Function) -> u64,
    ) -> Result<u64> {
        let mut count = 0;
        self.bodies(info, bodies, |compiler, _, _| {
            count += of(compiler.bench.ir());
            Ok(())
        })?;
        Ok(count)
    }

    fn module(mut self, info: ModuleInfo, bodies: &[FunctionBody<'_>]) -> Result<Artifact> {
        let mut functions = Vec::with_capacity(bodies.len());
        let mut called_types = std_alloc::vec![false; info.types.len()];
        self.bodies(&info, bodies, |compiler, func, translated| {
            for ty in translated.indirectly_called {
                called_types[ty.index()] = true;
            }
            let (start, end) = compiler.finish(CodeKey::Function(func), 0)?;
            functions.push(FunctionCode { start, end });
            Ok(())
        })?;

        for import in &info.imports {
            if let ImportKind::Func(ty) = import.kind {
                called_types[ty.index()] = true;
            }
        }
        let entry_shims = self.entry_shims(&info)?;
        let exit_stubs = self.exit_stubs(&info, &called_types)?;
        self.stubs(&info)?;
        let code = self.code.finish()?;
        let flavor = self.flavor;
        Ok(Artifact::compiled(ArtifactParts {
            info,
            code: code.bytes,
            functions,
            entry_shims,
            exit_stubs,
            stack_maps: code.stack_maps,
            sites: code.sites,
            raise_thunk: code.raise_thunk,
            flavor,
        }))
    }

    /// Compiles and appends a function or shim. If it turns out to have a large
    /// frame, it is compiled once more, with a check before the frame is made;
    /// the parameter with this number is its context.
    fn finish(&mut self, key: CodeKey, context_param: usize) -> Result<(u32, u32)> {
        self.machine_code(key)?;
        if stack_limit::lacks_check(self.bench.ir(), self.bench.compiled()?) {
            stack_limit::check_before_frame(self.bench.ir_mut(), context_param)?;
            self.poll.longer_work()?;
            self.bench.compile()?;
            self.watch.compiled(self.bench.ir(), self.bench.compiled()?);
        }
        self.append(key)
    }

    fn machine_code(&mut self, key: CodeKey) -> Result<()> {
        self.poll.longer_work()?;
        self.watch.made(key, self.bench.ir());
        if W::WANTS_TEXT {
            self.bench.want_text();
        }
        self.bench.compile()?;
        self.watch.compiled(self.bench.ir(), self.bench.compiled()?);
        Ok(())
    }

    fn append(&mut self, key: CodeKey) -> Result<(u32, u32)> {
        self.bench.keep_only_code();
        self.code.append(key, self.bench.names(), self.bench.compiled()?, self.bench.sites())
    }

    fn entry_shims(&mut self, info: &ModuleInfo) -> Result<Vec<ShimCode>> {
        let mut wanted = std_alloc::vec![false; info.types.len()];
        for (index, ty) in info.funcs.iter().enumerate() {
            let func = FuncIndex(index as u32);
            if !info.is_imported_func(func) && info.escape_indices[index] != NO_ESCAPE {
                wanted[ty.index()] = true;
            }
        }
        self.per_type(info, &wanted, |compiler, index, ty| {
            let key = CodeKey::EntryShim(index);
            compiler.bench.function(key, shim::entry_shim_signature(), |builder, _| {
                shim::entry_shim(builder, ty)
            });
            compiler.finish(key, shim::ENTRY_SHIM_CONTEXT)?;
            Ok(key)
        })
    }

    fn exit_stubs(&mut self, info: &ModuleInfo, wanted: &[bool]) -> Result<Vec<ShimCode>> {
        self.per_type(info, wanted, |compiler, index, ty| {
            let key = CodeKey::ExitStub(index);
            compiler
                .bench
                .function(key, signature::internal(ty), |builder, _| shim::exit_stub(builder, ty));
            compiler.finish(key, 0)?;
            Ok(key)
        })
    }

    fn per_type(
        &mut self,
        info: &ModuleInfo,
        wanted: &[bool],
        mut emit: impl FnMut(&mut Self, TypeIndex, &FuncType) -> Result<CodeKey>,
    ) -> Result<Vec<ShimCode>> {
        let mut shims = Vec::new();
        for (index, content) in info.types.iter().enumerate().filter(|(index, _)| wanted[*index]) {
            let ty = TypeIndex(index as u32);
            let key = emit(self, ty, content)?;
            let start = self.code.start_of(key).ok_or(Error::Bug("a shim was not emitted"))?;
            shims.push(ShimCode { ty, start, end: self.code.len() });
        }
        Ok(shims)
    }

    /// Makes the stubs that are called, and those that they call in turn.
    fn stubs(&mut self, info: &ModuleInfo) -> Result<()> {
        let mut missing = self.code.missing_stubs();
        while !missing.is_empty() {
            for key in missing {
                self.stub(info, key)?;
            }
            missing = self.code.missing_stubs();
        }
        Ok(())
    }

    fn stub(&mut self, info: &ModuleInfo, key: CodeKey) -> Result<()> {
        match key {
            CodeKey::Builtin(builtin) => {
                let signature = builtin_signature(builtin, CallConv::Tail);
                self.bench.function(key, signature, |b, _| shim::builtin_stub(b, builtin));
            }
            CodeKey::Bulk(bulk) => {
                let offsets = offsets(info)?;
                let env = ModuleEnv { info, offsets: &offsets, settings: self.settings };
                self.bench.function(key, bulk.signature(info), |builder, sites| {
                    func::bulk_stub((builder, sites), env, bulk)
                });
            }
            CodeKey::Outlined(what) => {
                let offsets = offsets(info)?;
                let env = ModuleEnv { info, offsets: &offsets, settings: self.settings };
                self.bench.function(key, what.signature(), |builder, sites| {
                    func::outlined_stub((builder, sites), env, what)
                });
            }
            _ => return Err(Error::Bug("a stub of another kind")),
        }
        self.machine_code(key)?;
        if !stack_limit::is_small_stub(self.bench.compiled()?) {
            return Err(Error::Bug("a stub with a large frame"));
        }
        self.append(key)?;
        Ok(())
    }
}

fn offsets(info: &ModuleInfo) -> Result<VmOffsets> {
    info.offsets().ok_or_else(|| {
        let what = "bytes of instance context";
        LimitError { what, requested: u64::MAX, limit: i32::MAX as u64 }.into()
    })
}
