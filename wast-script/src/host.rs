//! What scripts import: the module `spectest`, and the externrefs they name.

use crate::matching::Numbered;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, Ordering};
use kernref::{
    AsContextMut, Extern, ExternRef, FuncType, Global, GlobalType, Linker, Memory, MemoryType,
    RefType, Result, Table, TableType, Val, ValType,
};

/// Counts the objects behind a script's externrefs.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<AtomicI64>);

impl Census {
    /// Makes an object.
    pub(crate) fn object(&self, number: u32) -> Result<ExternRef> {
        // Counted first: a refused allocation drops the value, which uncounts it.
        self.0.fetch_add(1, Ordering::Relaxed);
        ExternRef::new(Numbered { number, census: self.clone() })
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Number of objects alive; negative if one was dropped twice.
    pub(crate) fn alive(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Defines `spectest` like the reference interpreter.
pub(crate) fn define_spectest(
    linker: &mut Linker<()>,
    mut store: impl AsContextMut<Data = ()>,
) -> Result<()> {
    use ValType::{F32, F64, I32, I64};
    let functions: [(&str, &[ValType]); 7] = [
        ("print", &[]),
        ("print_i32", &[I32]),
        ("print_i64", &[I64]),
        ("print_f32", &[F32]),
        ("print_f64", &[F64]),
        ("print_i32_f32", &[I32, F32]),
        ("print_f64_f64", &[F64, F64]),
    ];
    for (name, params) in functions {
        let ty = FuncType::new(params.iter().copied(), [])?;
        linker.func_new("spectest", name, ty, |_, _, _| Ok(()))?;
    }
    let globals = [
        ("global_i32", Val::I32(666)),
        ("global_i64", Val::I64(666)),
        ("global_f32", Val::F32(666.6_f32.to_bits())),
        ("global_f64", Val::F64(666.6_f64.to_bits())),
    ];
    for (name, value) in globals {
        let ty = GlobalType { content: value.ty(), mutable: false };
        let global = Global::new(&mut store, ty, value)?;
        linker.define(&mut store, "spectest", name, Extern::Global(global))?;
    }
    for (name, table64) in [("table", false), ("table64", true)] {
        let ty = TableType { element: RefType::FUNCREF, minimum: 10, maximum: Some(20), table64 };
        let table = Table::new(&mut store, ty, Val::FuncRef(None))?;
        linker.define(&mut store, "spectest", name, Extern::Table(table))?;
    }
    let ty = MemoryType { minimum: 1, maximum: Some(2), memory64: false };
    let memory = Memory::new(&mut store, ty)?;
    linker.define(&mut store, "spectest", "memory", Extern::Memory(memory))?;
    Ok(())
}
