//! [`HostDef`]: a host function's definition, and [`HostContext`]: what generated
//! code reaches it through.
//!
//! Invariant: a definition's shim, closure and type belong together, and a
//! context's closure is that of the definition it keeps.

use super::raw_box::OwnedBox;
use crate::abi::{HOST_CONTEXT_MAGIC, ValRaw, VmContext, VmFuncRef, VmHostContext, VmStoreContext};
use crate::artifact::FuncType;
use crate::engine::Engine;
use crate::engine::limits;
use crate::engine::shared::Shared;
use crate::error::Result;
use core::ptr::NonNull;
use std_alloc::boxed::Box;

/// Runs a host function for generated code.
pub(crate) type HostCall = unsafe extern "C" fn(*mut VmHostContext, *mut ValRaw) -> u64;

/// A closure, whatever its type.
pub(crate) type Closure = Box<dyn core::any::Any + Send + Sync>;

/// A host function, independent of any store but not of the type of its data.
pub(crate) struct HostDef {
    engine: Engine,
    type_id: u32,
    ty: Shared<FuncType>,
    call: HostCall,
    closure: Closure,
}

impl HostDef {
    /// # Safety
    /// `call` is a shim for closures of the type that `closure` has, and for
    /// functions of type `ty`.
    pub(crate) unsafe fn new(
        engine: &Engine,
        ty: &FuncType,
        call: HostCall,
        closure: Closure,
    ) -> Result<Shared<Self>> {
        limits::PARAMS.check(ty.params().len() as u64)?;
        limits::RESULTS.check(ty.results().len() as u64)?;
        let type_id = engine.register_type(ty)?;
        let ty = engine.func_type(type_id)?;
        Shared::new(Self { engine: engine.clone(), type_id, ty, call, closure })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn type_id(&self) -> u32 {
        self.type_id
    }

    pub(crate) fn ty(&self) -> &FuncType {
        &self.ty
    }
}

impl Drop for HostDef {
    fn drop(&mut self) {
        self.engine.unregister_type(self.type_id);
    }
}

/// A host function's context as one importer sees it.
#[repr(C)]
pub(crate) struct HostContext {
    vm: VmHostContext,
    /// The closure inside `def`.
    closure: *const (),
    def: Shared<HostDef>,
}

/// The instance that called a host function, if one did.
#[derive(Clone, Copy)]
pub(crate) struct CallingInstance(*const VmContext);

impl CallingInstance {
    /// The instance's number in its store.
    pub(crate) fn index(self) -> Option<u32> {
        // SAFETY: null, or the context of an instance of the store in which the
        // call is in progress (V6).
        unsafe { self.0.as_ref() }.map(|context| context.instance)
    }
}

impl HostContext {
    pub(crate) fn new(
        def: Shared<HostDef>,
        index: u32,
        store: *mut VmStoreContext,
        caller: *mut VmContext,
    ) -> Self {
        let closure: *const (dyn core::any::Any + Send + Sync) = &raw const *def.closure;
        Self {
            vm: VmHostContext {
                magic: HOST_CONTEXT_MAGIC,
                host_func: index,
                store,
                call: def.call,
                caller,
            },
            closure: closure.cast(),
            def,
        }
    }

    /// What a host call needs: the closure, the store, and the calling instance.
    ///
    /// # Safety
    /// `context` is that of a host function of a live store.
    #[inline(always)]
    pub(crate) unsafe fn parts(
        context: *mut VmHostContext,
    ) -> (*const (), *mut VmStoreContext, CallingInstance) {
        // SAFETY: by this function's contract; every host function's context
        // is one of these.
        unsafe {
            let context = context.cast::<Self>();
            ((*context).closure, (*context).vm.store, CallingInstance((*context).vm.caller))
        }
    }

    pub(crate) fn def(&self) -> &Shared<HostDef> {
        &self.def
    }
}

/// A host function of a store that no instance imports (yet).
#[repr(C)]
pub(crate) struct StoreHostFunc {
    func_ref: VmFuncRef,
    context: HostContext,
}

impl StoreHostFunc {
    /// The host function number `index` of the store with context `vm`. `code`
    /// is the exit stub of its type, or null as long as there is none.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub(crate) fn new(
        def: Shared<HostDef>,
        index: u32,
        vm: NonNull<VmStoreContext>,
        code: *const u8,
    ) -> Result<OwnedBox<Self>> {
        let type_id = def.type_id();
        let context = HostContext::new(def, index, vm.as_ptr(), core::ptr::null_mut());
        let entry_shim = core::ptr::null();
        let vm_context = core::ptr::null_mut();
        let func_ref = VmFuncRef { code, context: vm_context, entry_shim, type_id, index };
        let func = OwnedBox::new(Self { func_ref, context })?;
        let pointer = func.as_non_null().as_ptr();
        // SAFETY: just allocated; the context is addressed where it now lies.
        unsafe { (*pointer).func_ref.context = (&raw mut (*pointer).context).cast() };
        Ok(func)
    }
}

/// The host context behind a func ref, if it is that of a host function.
///
/// # Safety
/// `func_ref` is alive.
pub(crate) unsafe fn host_context(func_ref: *const VmFuncRef) -> Option<*mut HostContext> {
    // SAFETY: a func ref's context is that of an instance or a host function;
    // both start with a magic number. Passed on to the caller.
    unsafe {
        let context = (*func_ref).context;
        ((*context).magic == HOST_CONTEXT_MAGIC).then(|| context.cast())
    }
}
