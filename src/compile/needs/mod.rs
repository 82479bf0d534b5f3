//! [`Needs`]: which proposals a module needs that are not enabled, found while it
//! is validated with every proposal on.
//!
//! The validator would name only the first. So this looks where the validator
//! asks whether a proposal is on: operators have the proposal in the parser's
//! own list, types and sections are inspected. Where a proposal changes how
//! bytes are read, they are read again without it. Tests compare the result
//! with the validator: the module is valid with the proposals found, and with
//! none of them left out.

mod operators;

use super::declare::Failure;
use super::features::ParserFeatures as Features;
use super::pass::Reader;
use super::poll::Poll;
use wasmparser::{
    AbstractHeapType, BinaryReader, CompositeInnerType, CompositeType, ConstExpr, DataKind,
    ElementItems, ElementKind, FromReader, HeapType, Imports, MemoryType, Operator, Payload,
    RecGroup, RefType, SectionLimited, StorageType, TableInit, TableType, TypeRef, UnpackedIndex,
    ValType,
};

/// What is missing so far.
pub(super) struct Needs<'b> {
    wasm: &'b [u8],
    enabled: Features,
    missing: Features,
    first: Option<u64>,
    /// Where a reference to a type of the module was used first.
    indexed_reference: Option<u64>,
    types: u32,
    imported_globals: u32,
    tables: u32,
    memories: u32,
}

impl<'b> Needs<'b> {
    pub(super) fn new(wasm: &'b [u8], enabled: Features) -> Self {
        Self {
            wasm,
            enabled,
            missing: Features::empty(),
            first: None,
            indexed_reference: None,
            types: 0,
            imported_globals: 0,
            tables: 0,
            memories: 0,
        }
    }

    /// What is missing, and the offset of its first use.
    pub(super) fn missing(mut self) -> Option<(Features, u64)> {
        // Either proposal allows these.
        if let Some(offset) = self.indexed_reference
            && self.lacks(Features::GC)
        {
            self.need(Features::FUNCTION_REFERENCES, offset);
        }
        // Whoever switches vectors on needs floats for them.
        if self.missing.contains(Features::SIMD) && !self.enabled.contains(Features::FLOATS) {
            self.missing |= Features::FLOATS;
        }
        self.first.map(|offset| (self.missing, offset))
    }

    fn need(&mut self, feature: Features, offset: u64) {
        if !self.enabled.contains(feature) {
            self.missing |= feature;
            self.first = Some(self.first.map_or(offset, |first| first.min(offset)));
        }
    }

    fn need_if(&mut self, condition: bool, feature: Features, offset: u64) {
        if condition {
            self.need(feature, offset);
        }
    }

    /// Whether a feature is neither enabled nor known to be missing.
    fn lacks(&self, feature: Features) -> bool {
        !(self.enabled | self.missing).contains(feature)
    }

    fn val_type(&mut self, ty: ValType, offset: u64) {
        match ty {
            ValType::I32 | ValType::I64 => {}
            ValType::F32 | ValType::F64 => self.need(Features::FLOATS, offset),
            ValType::V128 => self.need(Features::SIMD, offset),
            ValType::Ref(ty) => self.ref_type(ty, offset),
        }
    }

    fn ref_type(&mut self, ty: RefType, offset: u64) {
        self.need(Features::REFERENCE_TYPES, offset);
        match ty.heap_type() {
            HeapType::Concrete(_) => {
                self.indexed_reference.get_or_insert(offset);
            }
            HeapType::Exact(_) => self.need(Features::CUSTOM_DESCRIPTORS, offset),
            HeapType::Abstract { shared, ty: heap } => {
                self.need_if(shared, Features::SHARED_EVERYTHING_THREADS, offset);
                use AbstractHeapType as H;
                match heap {
                    H::Func | H::Extern => {
                        self.need_if(!ty.is_nullable(), Features::FUNCTION_REFERENCES, offset);
                    }
                    H::Exn | H::NoExn => self.need(Features::EXCEPTIONS, offset),
                    H::Cont | H::NoCont => self.need(Features::STACK_SWITCHING, offset),
                    _ => self.need(Features::GC, offset),
                }
            }
        }
    }

    fn rec_group(&mut self, group: RecGroup, offset: u64) {
        self.need_if(group.is_explicit_rec_group(), Features::GC, offset);
        let start = self.types;
        for ty in group.into_types() {
            self.types += 1;
            self.need_if(!ty.is_final || !ty.supertype_idxs.is_empty(), Features::GC, offset);
            self.composite_type(&ty.composite_type, start, offset);
        }
    }

    fn composite_type(&mut self, ty: &CompositeType, group_start: u32, offset: u64) {
        self.need_if(ty.shared, Features::SHARED_EVERYTHING_THREADS, offset);
        let described = ty.descriptor_idx.is_some() || ty.describes_idx.is_some();
        self.need_if(described, Features::CUSTOM_DESCRIPTORS, offset);
        let mut component = |ty: ValType| {
            self.val_type(ty, offset);
            // A type that refers to itself, or to its group.
            if let ValType::Ref(ty) = ty
                && let HeapType::Concrete(index) | HeapType::Exact(index) = ty.heap_type()
                && let UnpackedIndex::Module(index) = index
            {
                self.need_if(index >= group_start, Features::GC, offset);
            }
        };
        let mut stored = |ty: StorageType| {
            if let StorageType::Val(ty) = ty {
                component(ty);
            }
        };
        match &ty.inner {
            CompositeInnerType::Func(ty) => {
                ty.params().iter().chain(ty.results()).for_each(|ty| component(*ty));
                self.need_if(ty.results().len() > 1, Features::MULTI_VALUE, offset);
            }
            CompositeInnerType::Array(ty) => {
                stored(ty.0.element_type);
                self.need(Features::GC, offset);
            }
            CompositeInnerType::Struct(ty) => {
                ty.fields.iter().for_each(|field| stored(field.element_type));
                self.need(Features::GC, offset);
            }
            CompositeInnerType::Cont(_) => self.need(Features::STACK_SWITCHING, offset),
        }
    }

    fn import(&mut self, ty: TypeRef, offset: u64) {
        match ty {
            TypeRef::Func(_) => {}
            TypeRef::FuncExact(_) => self.need(Features::CUSTOM_DESCRIPTORS, offset),
            TypeRef::Table(ty) => self.table(ty, offset),
            TypeRef::Memory(ty) => self.memory(ty, offset),
            TypeRef::Global(ty) => {
                self.imported_globals += 1;
                self.global(ty, offset);
            }
            TypeRef::Tag(_) => self.need(Features::EXCEPTIONS, offset),
        }
    }

    fn table(&mut self, ty: TableType, offset: u64) {
        self.tables += 1;
        self.need_if(self.tables > 1, Features::REFERENCE_TYPES, offset);
        if ty.element_type != RefType::FUNCREF {
            self.ref_type(ty.element_type, offset);
        }
        self.need_if(ty.table64, Features::MEMORY64, offset);
        self.need_if(ty.shared, Features::SHARED_EVERYTHING_THREADS, offset);
    }

    fn memory(&mut self, ty: MemoryType, offset: u64) {
        self.memories += 1;
        self.need_if(self.memories > 1, Features::MULTI_MEMORY, offset);
        self.need_if(ty.memory64, Features::MEMORY64, offset);
        self.need_if(ty.shared, Features::THREADS, offset);
        self.need_if(ty.page_size_log2.is_some(), Features::CUSTOM_PAGE_SIZES, offset);
    }

    fn global(&mut self, ty: wasmparser::GlobalType, offset: u64) {
        self.val_type(ty.content_type, offset);
        self.need_if(ty.shared, Features::SHARED_EVERYTHING_THREADS, offset);
    }

    fn element(&mut self, element: wasmparser::Element<'b>, offset: u64) -> Result<(), Failure> {
        match element.kind {
            ElementKind::Active { offset_expr, .. } => self.const_expr(&offset_expr)?,
            ElementKind::Passive | ElementKind::Declared => {
                self.need(Features::BULK_MEMORY, offset);
            }
        }
        if let ElementItems::Expressions(ty, items) = element.items {
            self.ref_type(ty, offset);
            for item in items {
                self.const_expr(&item?)?;
            }
        }
        Ok(())
    }

    fn const_expr(&mut self, expr: &ConstExpr<'b>) -> Result<(), Failure> {
        use Operator as O;
        for operator in expr.get_operators_reader().into_iter_with_offsets() {
            let (op, offset) = operator?;
            match op {
                O::I32Add | O::I32Sub | O::I32Mul | O::I64Add | O::I64Sub | O::I64Mul => {
                    self.need(Features::EXTENDED_CONST, offset);
                }
                O::GlobalGet { global_index } => {
                    let own = global_index >= self.imported_globals;
                    self.need_if(own, Features::GC, offset);
                }
                _ => {}
            }
            self.operator(offset, &op);
        }
        Ok(())
    }

    /// Reads a section again without 64-bit limits, if they are missing.
    fn limits<T: FromReader<'b>>(&mut self, section: &SectionLimited<'b, T>) {
        if !self.lacks(Features::MEMORY64) {
            return;
        }
        let range = section.range();
        let Some(bytes) = self.bytes(range.start, range.end) else { return };
        let without = Features::all().difference(Features::MEMORY64);
        let reader = BinaryReader::new_features(bytes, range.start, without);
        let Ok(items) = SectionLimited::<T>::new(reader) else { return };
        if items.into_iter().any(|item| item.is_err()) {
            self.need(Features::MEMORY64, range.start);
        }
    }

    fn bytes(&self, start: u64, end: u64) -> Option<&'b [u8]> {
        self.wasm.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

impl<'b> Reader<'b> for Needs<'b> {
    fn section(&mut self, payload: Payload<'b>, poll: &mut Poll<'_>) -> Result<(), Failure> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types.into_iter_with_offsets() {
                    poll.entry()?;
                    let (offset, group) = group?;
                    self.rec_group(group, offset);
                }
            }
            Payload::ImportSection(imports) => {
                self.limits(&imports);
                for group in imports.clone().into_iter_with_offsets() {
                    poll.entry()?;
                    let (offset, group) = group?;
                    let compact = !matches!(group, Imports::Single(..));
                    self.need_if(compact, Features::COMPACT_IMPORTS, offset);
                }
                for import in imports.into_imports_with_offsets() {
                    poll.entry()?;
                    let (offset, import) = import?;
                    self.import(import.ty, offset);
                }
            }
            Payload::TableSection(tables) => {
                self.limits(&tables);
                for table in tables.into_iter_with_offsets() {
                    poll.entry()?;
                    let (offset, table) = table?;
                    self.table(table.ty, offset);
                    if let TableInit::Expr(expr) = table.init {
                        self.need(Features::FUNCTION_REFERENCES, offset);
                        self.const_expr(&expr)?;
                    }
                }
            }
            Payload::MemorySection(memories) => {
                self.limits(&memories);
                for memory in memories.into_iter_with_offsets() {
                    poll.entry()?;
                    let (offset, memory) = memory?;
                    self.memory(memory, offset);
                }
            }
            Payload::TagSection(tags) => self.need(Features::EXCEPTIONS, tags.range().start),
            Payload::GlobalSection(globals) => {
                for global in globals.into_iter_with_offsets() {
                    poll.entry()?;
                    let (offset, global) = global?;
                    self.global(global.ty, offset);
                    self.const_expr(&global.init_expr)?;
                }
            }
            Payload::ElementSection(elements) => {
                for element in elements.into_iter_with_offsets() {
                    poll.entry()?;
                    let (offset, element) = element?;
                    self.element(element, offset)?;
                }
            }
            Payload::DataCountSection { range, .. } => {
                self.need(Features::BULK_MEMORY, range.start);
            }
            Payload::DataSection(segments) => {
                for segment in segments.into_iter_with_offsets() {
                    let (offset, segment) = segment?;
                    match segment.kind {
                        DataKind::Passive => self.need(Features::BULK_MEMORY, offset),
                        DataKind::Active { offset_expr, .. } => self.const_expr(&offset_expr)?,
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn locals(&mut self, offset: u64, ty: ValType) {
        self.val_type(ty, offset);
    }

    fn operator(&mut self, offset: u64, op: &Operator<'b>) {
        operators::needs(self, op, offset);
    }
}
