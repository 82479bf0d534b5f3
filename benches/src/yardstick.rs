//! `cranelift-wasm` as a yardstick for translation: the minimal environment in
//! which it translates Rust's output for `wasm32-unknown-unknown`. Memory is
//! checked against a length that may change, as in Kernref; calls of the
//! runtime and through tables are as simple as possible.

use cranelift_codegen_old::cursor::FuncCursor;
use cranelift_codegen_old::entity::PrimaryMap;
use cranelift_codegen_old::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen_old::ir::{
    AbiParam, ArgumentPurpose, ExtFuncData, ExternalName, FuncRef, Function, GlobalValueData, Inst,
    InstBuilder, MemFlags, SigRef, Signature, Type, UserExternalName, UserFuncName, Value,
};
use cranelift_codegen_old::isa::{CallConv, TargetFrontendConfig};
use cranelift_wasm::wasmparser::{
    FuncValidator, FunctionBody, UnpackedIndex, ValidatorResources, WasmFeatures,
};
use cranelift_wasm::{
    ConstExpr, DataIndex, ElemIndex, EngineOrModuleTypeIndex, FuncEnvironment, FuncIndex,
    FuncTranslator, FunctionBuilder, Global, GlobalIndex, GlobalVariable, Heap, HeapData,
    HeapStyle, Memory, MemoryIndex, ModuleEnvironment, Table, TableIndex, TargetEnvironment,
    TypeConvert, TypeIndex, WasmFuncType, WasmHeapType, WasmResult, WasmValType, translate_module,
};
use target_lexicon_old::PointerWidth;

const CONFIG: TargetFrontendConfig = TargetFrontendConfig {
    default_call_conv: CallConv::SystemV,
    pointer_width: PointerWidth::U64,
    page_size_align_log2: 12,
};
/// Offsets of fields in a context.
const BASE: i32 = 0;
const LENGTH: i32 = 8;
const FUNCS: i32 = 16;
const GLOBALS: i32 = 64;

/// Validates and translates a module; returns the number of instructions.
pub fn translate(wasm: &[u8]) -> u64 {
    let mut module = Module {
        declared: Declared::default(),
        translator: FuncTranslator::new(),
        function: Function::new(),
        imported_funcs: 0,
        bodies: 0,
        instructions: 0,
    };
    translate_module(wasm, &mut module).expect("it is valid");
    module.instructions
}

#[derive(Default)]
struct Declared {
    signatures: Vec<Signature>,
    funcs: Vec<TypeIndex>,
    globals: Vec<Type>,
}

struct Module {
    declared: Declared,
    translator: FuncTranslator,
    function: Function,
    imported_funcs: usize,
    bodies: usize,
    instructions: u64,
}

fn value_type(ty: &WasmValType) -> Type {
    match ty {
        WasmValType::I32 => I32,
        WasmValType::F32 => F32,
        WasmValType::F64 => F64,
        WasmValType::V128 => I8X16,
        WasmValType::I64 | WasmValType::Ref(_) => I64,
    }
}

/// An environment method that the guests do not need.
macro_rules! unneeded {
    ($($name:ident($($ty:ty),*) $(-> $result:ty)?;)+) => {$(
        fn $name(&mut self $(, _: $ty)*) -> WasmResult<unneeded!(@ $($result)?)> {
            unimplemented!("{}", stringify!($name))
        }
    )+};
    (@) => { () };
    (@ $result:ty) => { $result };
}

/// A declaration that translation does not need.
macro_rules! ignored {
    ($($name:ident($($ty:ty),*);)+) => {$(
        fn $name(&mut self $(, _: $ty)*) -> WasmResult<()> {
            Ok(())
        }
    )+};
}

macro_rules! converts_plain_types {
    ($ty:ty) => {
        impl TypeConvert for $ty {
            fn lookup_heap_type(&self, _: UnpackedIndex) -> WasmHeapType {
                unimplemented!("types of references")
            }
            fn lookup_type_index(&self, _: UnpackedIndex) -> EngineOrModuleTypeIndex {
                unimplemented!("types of references")
            }
        }
        impl TargetEnvironment for $ty {
            fn target_config(&self) -> TargetFrontendConfig {
                CONFIG
            }
            fn heap_access_spectre_mitigation(&self) -> bool {
                false
            }
            fn proof_carrying_code(&self) -> bool {
                false
            }
            fn reference_type(&self, _: WasmHeapType) -> (Type, bool) {
                (I64, false)
            }
        }
    };
}

converts_plain_types!(Module);
converts_plain_types!(Body<'_>);

impl<'data> ModuleEnvironment<'data> for Module {
    fn declare_type_func(&mut self, ty: WasmFuncType) -> WasmResult<()> {
        let mut signature = Signature::new(CallConv::Fast);
        signature.params.push(AbiParam::special(I64, ArgumentPurpose::VMContext));
        signature.params.extend(ty.params().iter().map(|ty| AbiParam::new(value_type(ty))));
        signature.returns.extend(ty.returns().iter().map(|ty| AbiParam::new(value_type(ty))));
        self.declared.signatures.push(signature);
        Ok(())
    }

    fn declare_func_import(&mut self, ty: TypeIndex, _: &str, _: &str) -> WasmResult<()> {
        self.declared.funcs.push(ty);
        self.imported_funcs += 1;
        Ok(())
    }

    fn declare_func_type(&mut self, ty: TypeIndex) -> WasmResult<()> {
        self.declared.funcs.push(ty);
        Ok(())
    }

    fn declare_global(&mut self, global: Global, _: ConstExpr) -> WasmResult<()> {
        self.declared.globals.push(value_type(&global.wasm_ty));
        Ok(())
    }

    fn define_function_body(
        &mut self,
        mut validator: FuncValidator<ValidatorResources>,
        body: FunctionBody<'data>,
    ) -> WasmResult<()> {
        let index = self.imported_funcs + self.bodies;
        self.bodies += 1;
        let ty = self.declared.funcs[index];
        self.function.clear();
        self.function.name = UserFuncName::user(0, index as u32);
        self.function.signature = self.declared.signatures[ty.as_u32() as usize].clone();
        let mut environment = Body { declared: &self.declared, heaps: PrimaryMap::new() };
        let Self { translator, function, .. } = self;
        translator.translate_body(&mut validator, body, function, &mut environment)?;
        self.instructions += self.function.dfg.num_insts() as u64;
        Ok(())
    }

    fn wasm_features(&self) -> WasmFeatures {
        WasmFeatures::default()
    }

    ignored! {
        declare_table(Table);
        declare_memory(Memory);
        declare_func_export(FuncIndex, &'data str);
        declare_table_export(TableIndex, &'data str);
        declare_memory_export(MemoryIndex, &'data str);
        declare_global_export(GlobalIndex, &'data str);
        declare_start_func(FuncIndex);
        declare_table_elements(TableIndex, Option<GlobalIndex>, u32, Box<[FuncIndex]>);
        declare_passive_element(ElemIndex, Box<[FuncIndex]>);
        declare_passive_data(DataIndex, &'data [u8]);
        declare_data_initialization(MemoryIndex, Option<GlobalIndex>, u64, &'data [u8]);
    }
    unneeded! {
        declare_table_import(Table, &'data str, &'data str);
        declare_memory_import(Memory, &'data str, &'data str);
        declare_global_import(Global, &'data str, &'data str);
    }
}

struct Body<'m> {
    declared: &'m Declared,
    heaps: PrimaryMap<Heap, HeapData>,
}

fn context(func: &Function) -> Value {
    func.special_param(ArgumentPurpose::VMContext).expect("the first parameter")
}

/// A call of the runtime, through a pointer in the context.
fn call_runtime(mut pos: FuncCursor<'_>, args: &[Value], has_result: bool) -> Option<Value> {
    let context = context(pos.func);
    let target = pos.ins().load(I64, MemFlags::trusted(), context, FUNCS);
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(I64));
    let types = args.iter().map(|arg| AbiParam::new(pos.func.dfg.value_type(*arg)));
    signature.params.extend(types);
    signature.returns.extend(has_result.then(|| AbiParam::new(I32)));
    let signature = pos.func.import_signature(signature);
    let args: Vec<_> = [context].into_iter().chain(args.iter().copied()).collect();
    let call = pos.ins().call_indirect(signature, target, &args);
    pos.func.dfg.inst_results(call).first().copied()
}

impl FuncEnvironment for Body<'_> {
    fn param_needs_stack_map(&self, _: &Signature, _: usize) -> bool {
        false
    }
    fn sig_ref_result_needs_stack_map(&self, _: SigRef, _: usize) -> bool {
        false
    }
    fn func_ref_result_needs_stack_map(&self, _: &Function, _: FuncRef, _: usize) -> bool {
        false
    }
    fn is_wasm_parameter(&self, signature: &Signature, index: usize) -> bool {
        signature.params[index].purpose == ArgumentPurpose::Normal
    }

    fn make_global(&mut self, func: &mut Function, at: GlobalIndex) -> WasmResult<GlobalVariable> {
        let gv = func.create_global_value(GlobalValueData::VMContext);
        let offset = (GLOBALS + at.as_u32() as i32 * 16).into();
        let ty = self.declared.globals[at.as_u32() as usize];
        Ok(GlobalVariable::Memory { gv, offset, ty })
    }

    fn heaps(&self) -> &PrimaryMap<Heap, HeapData> {
        &self.heaps
    }

    fn make_heap(&mut self, func: &mut Function, _: MemoryIndex) -> WasmResult<Heap> {
        let context = func.create_global_value(GlobalValueData::VMContext);
        let mut field = |offset: i32, flags: MemFlags| {
            let (base, offset) = (context, offset.into());
            func.create_global_value(GlobalValueData::Load {
                base,
                offset,
                global_type: I64,
                flags,
            })
        };
        let base = field(BASE, MemFlags::trusted().with_readonly());
        let bound_gv = field(LENGTH, MemFlags::trusted());
        Ok(self.heaps.push(HeapData {
            base,
            min_size: 0,
            max_size: None,
            offset_guard_size: 0,
            style: HeapStyle::Dynamic { bound_gv },
            index_type: I32,
            memory_type: None,
            page_size_log2: 16,
        }))
    }

    fn make_indirect_sig(&mut self, func: &mut Function, ty: TypeIndex) -> WasmResult<SigRef> {
        Ok(func.import_signature(self.declared.signatures[ty.as_u32() as usize].clone()))
    }

    fn make_direct_func(&mut self, func: &mut Function, index: FuncIndex) -> WasmResult<FuncRef> {
        let ty = self.declared.funcs[index.as_u32() as usize];
        let signature = self.make_indirect_sig(func, ty)?;
        let name = UserExternalName { namespace: 0, index: index.as_u32() };
        let name = ExternalName::user(func.declare_imported_user_function(name));
        Ok(func.import_function(ExtFuncData { name, signature, colocated: true }))
    }

    fn translate_call(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        _: FuncIndex,
        callee: FuncRef,
        args: &[Value],
    ) -> WasmResult<Inst> {
        let args: Vec<_> = [context(builder.func)].iter().chain(args).copied().collect();
        Ok(builder.ins().call(callee, &args))
    }

    fn translate_call_indirect(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        _: TableIndex,
        _: TypeIndex,
        signature: SigRef,
        callee: Value,
        args: &[Value],
    ) -> WasmResult<Option<Inst>> {
        let context = context(builder.func);
        let table = builder.ins().load(I64, MemFlags::trusted(), context, FUNCS);
        let index = builder.ins().uextend(I64, callee);
        let offset = builder.ins().ishl_imm(index, 3);
        let entry = builder.ins().iadd(table, offset);
        let code = builder.ins().load(I64, MemFlags::trusted(), entry, 0);
        let args: Vec<_> = [context].iter().chain(args).copied().collect();
        Ok(Some(builder.ins().call_indirect(signature, code, &args)))
    }

    fn translate_memory_grow(
        &mut self,
        pos: FuncCursor<'_>,
        _: MemoryIndex,
        _: Heap,
        delta: Value,
    ) -> WasmResult<Value> {
        Ok(call_runtime(pos, &[delta], true).expect("it has a result"))
    }

    fn translate_memory_size(
        &mut self,
        pos: FuncCursor<'_>,
        _: MemoryIndex,
        _: Heap,
    ) -> WasmResult<Value> {
        Ok(call_runtime(pos, &[], true).expect("it has a result"))
    }

    fn translate_memory_copy(
        &mut self,
        pos: FuncCursor<'_>,
        _: MemoryIndex,
        _: Heap,
        _: MemoryIndex,
        _: Heap,
        to: Value,
        from: Value,
        len: Value,
    ) -> WasmResult<()> {
        call_runtime(pos, &[to, from, len], false);
        Ok(())
    }

    fn translate_memory_fill(
        &mut self,
        pos: FuncCursor<'_>,
        _: MemoryIndex,
        _: Heap,
        to: Value,
        value: Value,
        len: Value,
    ) -> WasmResult<()> {
        call_runtime(pos, &[to, value, len], false);
        Ok(())
    }

    unneeded! {
        translate_return_call_indirect(
            &mut FunctionBuilder<'_>, TableIndex, TypeIndex, SigRef, Value, &[Value]);
        translate_return_call_ref(&mut FunctionBuilder<'_>, SigRef, Value, &[Value]);
        translate_call_ref(&mut FunctionBuilder<'_>, SigRef, Value, &[Value]) -> Inst;
        translate_memory_init(FuncCursor<'_>, MemoryIndex, Heap, u32, Value, Value, Value);
        translate_data_drop(FuncCursor<'_>, u32);
        translate_table_size(FuncCursor<'_>, TableIndex) -> Value;
        translate_table_grow(FuncCursor<'_>, TableIndex, Value, Value) -> Value;
        translate_table_get(&mut FunctionBuilder<'_>, TableIndex, Value) -> Value;
        translate_table_set(&mut FunctionBuilder<'_>, TableIndex, Value, Value);
        translate_table_copy(FuncCursor<'_>, TableIndex, TableIndex, Value, Value, Value);
        translate_table_fill(FuncCursor<'_>, TableIndex, Value, Value, Value);
        translate_table_init(FuncCursor<'_>, u32, TableIndex, Value, Value, Value);
        translate_elem_drop(FuncCursor<'_>, u32);
        translate_ref_null(FuncCursor<'_>, WasmHeapType) -> Value;
        translate_ref_is_null(FuncCursor<'_>, Value) -> Value;
        translate_ref_func(FuncCursor<'_>, FuncIndex) -> Value;
        translate_custom_global_get(&mut FunctionBuilder<'_>, GlobalIndex) -> Value;
        translate_custom_global_set(&mut FunctionBuilder<'_>, GlobalIndex, Value);
        translate_atomic_wait(FuncCursor<'_>, MemoryIndex, Heap, Value, Value, Value) -> Value;
        translate_atomic_notify(FuncCursor<'_>, MemoryIndex, Heap, Value, Value) -> Value;
        translate_ref_i31(FuncCursor<'_>, Value) -> Value;
        translate_i31_get_s(FuncCursor<'_>, Value) -> Value;
        translate_i31_get_u(FuncCursor<'_>, Value) -> Value;
    }
}
