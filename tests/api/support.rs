//! What the cases share: engines, modules from text, objects that tell when
//! they are dropped.

use kernref::gc::{DeferralPolicy, ExternRef};
use kernref::{Config, Engine, Instance, Linker, Module, Store};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a case under every combination of policy and zeal.
pub fn each_engine(case: impl Fn(&Engine)) {
    each_config(|_| {}, case);
}

/// The same with further settings.
pub fn each_config(adjust: impl Fn(&mut Config), case: impl Fn(&Engine)) {
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        for zeal in [None, NonZeroU32::new(1)] {
            let mut config = Config::new();
            config.deferral_policy(policy).gc_zeal(zeal).cranelift_debug_verifier(true);
            adjust(&mut config);
            eprintln!("policy {policy:?}, zeal {zeal:?}");
            case(&Engine::new(&config).unwrap());
        }
    }
}

pub fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// An instance without imports in a store without data.
pub fn instance(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ()).unwrap();
    let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
    (store, instance)
}

/// An instance with imports from a linker.
pub fn linked<T: 'static>(linker: &Linker<T>, data: T, text: &str) -> (Store<T>, Instance) {
    let mut store = Store::new(linker.engine(), data).unwrap();
    let module = module(linker.engine(), text);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// Counts how many of its objects are alive.
#[derive(Clone, Default)]
pub struct Census(Arc<AtomicUsize>);

/// An object that is counted while it lives.
pub struct Counted {
    pub number: u32,
    census: Census,
}

impl Census {
    pub fn object(&self, number: u32) -> ExternRef {
        self.0.fetch_add(1, Ordering::Relaxed);
        ExternRef::new(Counted { number, census: self.clone() }).unwrap()
    }

    pub fn alive(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The number of an object.
pub fn number(reference: &ExternRef) -> u32 {
    reference.downcast_ref::<Counted>().unwrap().number
}
