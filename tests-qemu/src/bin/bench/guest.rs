//! A guest, and the host functions that guests may import.

use core::sync::atomic::{AtomicI64, Ordering};
use kernref::{
    Caller, DeferralPolicy, Engine, Error, ExternRef, Instance, InterruptHandle, Linker, Module,
    OwnedRooted, Result, Rooted, Store, WasmParams, WasmResults,
};
use kernref_qemu::{embedder, faults, payload};

use crate::measure;

/// More than any row uses, so that only `gc` collects.
const SLOTS: u32 = 16_384;

/// Instruction count of the last collection.
static COLLECTING: AtomicI64 = AtomicI64::new(0);

/// The object that host functions return: as a handle the host owns, and as a
/// root kept in the store.
struct Data {
    object: ExternRef,
    root: Option<OwnedRooted>,
}

/// An instance in its own store.
pub struct Guest {
    store: Store<Data>,
    instance: Instance,
}

impl Guest {
    /// Instantiates the file `name`.
    ///
    /// # Errors
    /// Kernref's errors; [`Error::Bug`] if there is no such file.
    pub fn new(policy: DeferralPolicy, name: &str) -> Result<Self> {
        let files = payload::read().files;
        let (_, wasm) =
            files.iter().find(|(file, _)| *file == name).ok_or(Error::Bug("no such guest"))?;
        let mut config = embedder::config();
        config.deferral_policy(policy).reference_slots(SLOTS).gc_threshold(Some(SLOTS));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap("h", "nop", || ())?;
        linker.func_wrap("h", "take", |_: Option<Rooted>| ())?;
        linker.func_wrap("h", "give", |caller: Caller<'_, Data>| caller.data().object.clone())?;
        linker.func_wrap("h", "lend", |caller: Caller<'_, Data>| {
            caller.data().root.as_ref().map(OwnedRooted::to_rooted)
        })?;
        linker.func_wrap("h", "gc", |mut caller: Caller<'_, Data>| {
            let mut outcome = Ok(());
            let count = measure::of(|| outcome = caller.gc());
            COLLECTING.store(count, Ordering::Relaxed);
            outcome
        })?;
        let object = ExternRef::new(7_u32)?;
        let mut store = Store::new(&engine, Data { object: object.clone(), root: None })?;
        let root = OwnedRooted::new(&mut store, object)?;
        store.data_mut().root = Some(root);
        let instance = linker.instantiate(&mut store, &Module::new(&engine, wasm)?)?;
        Ok(Self { store, instance })
    }

    /// What ends the guest.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.store.interrupt_handle()
    }

    /// As long as this lives, the timer's interrupts end the guest if that was asked for.
    ///
    /// # Errors
    /// Those of [`faults::watch`].
    pub fn watch(&self) -> Result<faults::Watch> {
        faults::watch(self.store.engine())
    }

    /// The root kept in the store.
    pub fn root(&self) -> Option<Rooted> {
        self.store.data().root.as_ref().map(OwnedRooted::to_rooted)
    }

    /// Wraps an exported function as a closure.
    ///
    /// # Errors
    /// If there is no export of that name and type.
    pub fn func<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<impl FnMut(P) -> Result<R>> {
        let func = self.instance.get_typed_func::<P, R>(&mut self.store, name)?;
        let store = &mut self.store;
        Ok(move |params| func.call(&mut *store, params))
    }
}

/// Instruction count of the last collection that a guest requested.
pub fn collecting() -> i64 {
    COLLECTING.load(Ordering::Relaxed)
}
