//! [`Translator`]: the state of translating one function, and the small
//! operations that all operator families share.
//!
//! Invariants: `stack` holds the operands of reachable code only; every value
//! on it that needs a stack map has been declared to need one; vectors on it
//! are of type [`VECTOR`].

use super::assignments::Assignments;
use super::budget::Made;
use super::code_key::CodeKey;
use super::control_stack::ControlFrame;
use super::locals::Locals;
use super::outlined::Outlined;
use super::path_facts::PathFacts;
use super::regions::Regions;
use super::repeats::{Key, Repeats};
use super::settings::CompileSettings;
use super::signature::{self, NEVER_REACHED, POINTER, VECTOR, builtin_signature, plain};
use super::sites::{SiteKind, Sites};
use crate::abi::{Builtin, FuncIndex, Trap, TypeIndex, VmOffsets};
use crate::artifact::{ModuleInfo, ValType};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{
    Block, BlockArg, FuncRef, Inst, InstBuilder, MemFlagsData, SigRef, Signature, Type, Value,
    types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use hashbrown::HashMap;
use std_alloc::vec::Vec;

/// What functions of one module have in common.
#[derive(Clone, Copy)]
pub(super) struct ModuleEnv<'a> {
    pub(super) info: &'a ModuleInfo,
    pub(super) offsets: &'a VmOffsets,
    pub(super) settings: &'a CompileSettings,
}

/// State of translating one function.
pub(super) struct Translator<'f, 'm> {
    pub(super) builder: FunctionBuilder<'f>,
    pub(super) sites: &'f mut Sites,
    pub(super) env: ModuleEnv<'m>,
    pub(super) regions: Regions,
    /// The instance context: the function's first parameter.
    pub(super) context: Value,
    pub(super) stack: Vec<Value>,
    pub(super) control: Vec<ControlFrame>,
    pub(super) locals: Locals,
    pub(super) reachable: bool,
    /// Whether few instructions matter more than fast ones.
    pub(super) is_large: bool,
    /// Whether the body makes calls other than to raise traps, and so needs a
    /// stack check.
    pub(super) makes_calls: bool,
    /// Whether it makes tail calls with many arguments.
    pub(super) has_wide_tail_call: bool,
    /// How many locals need stack maps, and how many values that need them have
    /// been operands.
    pub(super) reference_locals: u64,
    reference_operands: u64,
    /// References that may be live at each call so far, added up.
    pub(super) references_over_calls: u64,
    /// Operands of jumps and calls so far, with those kept for later at each.
    pub(super) operands_passed: u64,
    /// Operators that become many machine instructions.
    pub(super) of_many_steps: u32,
    /// Fuel used since it was last written back.
    pub(super) pending_fuel: u32,
    pub(super) facts: PathFacts,
    pub(super) repeats: Repeats,
    /// Types of indirect calls.
    pub(super) indirectly_called: Vec<TypeIndex>,
    internal_signatures: HashMap<TypeIndex, SigRef>,
    functions: HashMap<CodeKey, FuncRef>,
}

impl<'f, 'm> Translator<'f, 'm> {
    pub(super) fn new(
        builder: FunctionBuilder<'f>,
        sites: &'f mut Sites,
        env: ModuleEnv<'m>,
        context: Value,
        assignments: Assignments,
    ) -> Self {
        let regions = Regions::new(builder.func);
        Self {
            builder,
            env,
            regions,
            context,
            stack: Vec::new(),
            control: Vec::new(),
            locals: Locals::default(),
            reachable: true,
            is_large: false,
            makes_calls: false,
            has_wide_tail_call: false,
            reference_locals: 0,
            reference_operands: 0,
            references_over_calls: 0,
            operands_passed: 0,
            of_many_steps: 0,
            pending_fuel: 0,
            facts: PathFacts::new(assignments),
            repeats: Repeats::default(),
            indirectly_called: Vec::new(),
            sites,
            internal_signatures: HashMap::new(),
            functions: HashMap::new(),
        }
    }

    /// What has been made so far.
    pub(super) fn made(&self) -> Made {
        let values = self.builder.func.dfg.num_values() as u64;
        Made {
            values,
            operands: self.operands_passed,
            references_over_calls: self.references_over_calls,
        }
    }

    /// What `key` stands for: made by `make`, unless this block has made it already.
    pub(super) fn repeated(
        &mut self,
        key: Key,
        make: impl FnOnce(&mut FunctionBuilder<'f>) -> Value,
    ) -> Value {
        let block = self.builder.current_block();
        if let Some(value) = self.repeats.find(key, block) {
            return value;
        }
        let value = make(&mut self.builder);
        self.repeats.note(key, block, value);
        value
    }

    /// An integer constant.
    pub(super) fn integer(&mut self, ty: Type, value: i64) -> Value {
        self.repeated(Key::Constant(ty, value as u64), |builder| builder.ins().iconst(ty, value))
    }

    /// A constant of type f32, or, if `ty` is not that, f64.
    pub(super) fn float(&mut self, ty: Type, bits: u64) -> Value {
        let is_large = self.is_large;
        self.repeated(Key::Constant(ty, bits), |builder| match ty {
            // The code generator stores a constant once for each use.
            types::F32 if is_large => {
                let bits = builder.ins().iconst(types::I32, bits as i64);
                builder.ins().bitcast(types::F32, MemFlagsData::new(), bits)
            }
            _ if is_large => {
                let bits = builder.ins().iconst(types::I64, bits as i64);
                builder.ins().bitcast(types::F64, MemFlagsData::new(), bits)
            }
            types::F32 => builder.ins().f32const(Ieee32::with_bits(bits as u32)),
            _ => builder.ins().f64const(Ieee64::with_bits(bits)),
        })
    }

    /// Pushes a value that needs no stack map.
    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Pushes a value of type `ty`, and tells Cranelift if frames must expose
    /// it.
    pub(super) fn push_typed(&mut self, value: Value, ty: ValType) {
        if ty.needs_stack_map() {
            self.reference_operands += 1;
            self.builder.declare_value_needs_stack_map(value);
        }
        self.stack.push(value);
    }

    /// Pops a value. Validation guarantees that there is one.
    pub(super) fn pop(&mut self) -> Value {
        debug_assert!(!self.stack.is_empty(), "validated code never pops an empty stack");
        self.stack.pop().unwrap_or(self.context)
    }

    pub(super) fn pop2(&mut self) -> (Value, Value) {
        let second = self.pop();
        (self.pop(), second)
    }

    pub(super) fn pop3(&mut self) -> (Value, Value, Value) {
        let third = self.pop();
        let (first, second) = self.pop2();
        (first, second, third)
    }

    /// Pops a vector in the shape an operator wants.
    pub(super) fn pop_vector(&mut self, ty: Type) -> Value {
        let value = self.pop();
        self.cast_vector(value, ty)
    }

    /// Pushes a vector of any shape.
    pub(super) fn push_vector(&mut self, value: Value) {
        let value = self.cast_vector(value, VECTOR);
        self.stack.push(value);
    }

    fn cast_vector(&mut self, value: Value, ty: Type) -> Value {
        if self.builder.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        self.builder.ins().bitcast(ty, flags, value)
    }

    /// Appends a block parameter for each type.
    pub(super) fn block_with_params(&mut self, params: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for ty in params {
            let value = self.builder.append_block_param(block, signature::value_type(*ty));
            if ty.needs_stack_map() {
                self.reference_operands += 1;
                self.builder.declare_value_needs_stack_map(value);
            }
        }
        block
    }

    /// Jumps with the top `count` operands, which stay on the stack.
    pub(super) fn jump_with_top(&mut self, target: Block, count: usize) {
        let args = self.top_args(count);
        self.builder.ins().jump(target, &args);
    }

    /// The top `count` operands as block arguments.
    pub(super) fn top_args(&mut self, count: usize) -> Vec<BlockArg> {
        self.operands_passed += self.stack.len() as u64;
        let from = self.stack.len().saturating_sub(count);
        self.stack[from..].iter().map(|value| BlockArg::Value(*value)).collect()
    }

    /// Traps when `condition` is non-zero. No block ends here: what code is made
    /// of many checks stays linear.
    pub(super) fn trap_if(&mut self, condition: Value, trap: Trap) {
        self.sites.check(&mut self.builder, condition, trap, self.facts.position);
    }

    /// Traps always; what follows is unreachable.
    pub(super) fn trap_always(&mut self, trap: Trap) {
        let raise = self.function_ref(CodeKey::Raise, || plain(CallConv::Tail, &[], &[]));
        self.sites.call(&mut self.builder, SiteKind::Raise(trap), self.facts.position, |builder| {
            builder.ins().call(raise, &[]);
        });
        self.builder.ins().trap(NEVER_REACHED);
        self.reachable = false;
    }

    /// A call that the current operator makes: `make` inserts it.
    pub(super) fn call_site(
        &mut self,
        make: impl FnOnce(&mut FunctionBuilder<'f>) -> Inst,
    ) -> Inst {
        self.sites.call(&mut self.builder, SiteKind::Call, self.facts.position, make)
    }

    /// What every call that needs a stack map begins or ends with.
    pub(super) fn note_call(&mut self) {
        self.makes_calls = true;
        // An upper bound: whether they are live is not known yet.
        let operands = self.reference_operands.min(self.stack.len() as u64);
        self.references_over_calls += self.reference_locals + operands;
    }

    /// Calls a builtin through its stub. A safepoint.
    pub(super) fn call_builtin(&mut self, builtin: Builtin, args: &[Value]) -> Value {
        self.note_call();
        let callee = self.builtin_ref(builtin);
        let mut all = Vec::with_capacity(args.len() + 1);
        all.push(self.context);
        all.extend_from_slice(args);
        let call = self.call_site(|builder| builder.ins().call(callee, &all));
        self.builder.inst_results(call)[0]
    }

    /// Calls the stub, which may give a result.
    pub(super) fn outlined(&mut self, what: Outlined, operands: &[Value]) -> Option<Value> {
        self.note_call();
        let stub = self.function_ref(CodeKey::Outlined(what), || what.signature());
        let args: Vec<_> = core::iter::once(self.context).chain(operands.iter().copied()).collect();
        let call = self.call_site(|builder| builder.ins().call(stub, &args));
        self.builder.inst_results(call).first().copied()
    }

    fn builtin_ref(&mut self, builtin: Builtin) -> FuncRef {
        self.function_ref(CodeKey::Builtin(builtin), || builtin_signature(builtin, CallConv::Tail))
    }

    /// A reference for a direct call to a function that the module defines.
    pub(super) fn defined_function(&mut self, func: FuncIndex) -> FuncRef {
        let info = self.env.info;
        self.function_ref(CodeKey::Function(func), || signature::internal(info.func_type(func)))
    }

    pub(super) fn function_ref(
        &mut self,
        key: CodeKey,
        signature: impl FnOnce() -> Signature,
    ) -> FuncRef {
        if let Some(found) = self.functions.get(&key) {
            return *found;
        }
        let function = key.import(&mut self.builder, signature());
        self.functions.insert(key, function);
        function
    }

    /// The internal signature of a function type of the module.
    pub(super) fn internal_signature(&mut self, ty: TypeIndex) -> SigRef {
        if let Some(found) = self.internal_signatures.get(&ty) {
            return *found;
        }
        let signature = signature::internal(&self.env.info.types[ty.index()]);
        let signature = self.builder.import_signature(signature);
        self.internal_signatures.insert(ty, signature);
        signature
    }

    /// Extends an index of a 32-bit memory or table; passes a 64-bit one.
    pub(super) fn widen_index(&mut self, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) == POINTER {
            return value;
        }
        self.builder.ins().uextend(types::I64, value)
    }

    /// In zeal mode, gives the store a chance to collect.
    pub(super) fn zeal_safepoint(&mut self) {
        if self.env.settings.zeal {
            self.call_builtin(Builtin::ZealSafepoint, &[]);
        }
    }
}
