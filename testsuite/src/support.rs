//! What the cases share: engines, modules from text, and objects that record
//! their destruction.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernref::{
    Caller, Config, DeferralPolicy, Engine, ExternRef, Instance, Linker, Module, Rooted, Store,
};
use spin::Once;

/// What a host or kernel provides.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// A configuration with its memory providers.
    pub config: fn() -> Config,
    /// Makes an engine; a kernel also registers it with its fault handler.
    pub engine: fn(&Config) -> kernref::Result<Engine>,
    /// Turns a module's text into its binary; `None` if it is not available.
    pub assemble: fn(&str) -> Option<Vec<u8>>,
}

static HOOKS: Once<Hooks> = Once::new();

/// Must be called before any case runs.
pub fn install(hooks: Hooks) {
    HOOKS.call_once(|| hooks);
}

fn hooks() -> Hooks {
    *HOOKS.get().expect("`install` comes first")
}

/// The configuration that a case runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// When references are counted.
    pub policy: DeferralPolicy,
    /// Collect at every safepoint.
    pub zeal: bool,
    /// Slots of the arena, and thus entries of the activations table, unless
    /// the case sets its own number.
    pub slots: Option<u32>,
    /// Leave bounds checks of linear memories to the hardware.
    pub hardware_traps: bool,
    /// Compile every function as large ones are.
    pub as_if_large: bool,
}

impl Setup {
    /// Every case passes under each of these.
    pub const ALL: [Setup; 4] = {
        use DeferralPolicy::{CloneOnRead, ZeroCount};
        [
            Setup::new(ZeroCount, false),
            Setup::new(ZeroCount, true),
            Setup::new(CloneOnRead, false),
            Setup::new(CloneOnRead, true),
        ]
    };

    /// Every case also passes under each of these, where guard pages exist.
    pub const HARDWARE: [Setup; 2] =
        [Setup::ALL[0].with_hardware_traps(), Setup::ALL[3].with_hardware_traps()];

    /// Every case also passes under each of these.
    pub const LARGE: [Setup; 2] = [Setup::ALL[0].as_if_large(), Setup::ALL[3].as_if_large()];

    const fn new(policy: DeferralPolicy, zeal: bool) -> Self {
        Self { policy, zeal, slots: None, hardware_traps: false, as_if_large: false }
    }

    const fn as_if_large(self) -> Self {
        Self { as_if_large: true, ..self }
    }

    const fn with_hardware_traps(self) -> Self {
        Self { hardware_traps: true, ..self }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match (self.policy, self.as_if_large) {
            (_, false) => {}
            (DeferralPolicy::ZeroCount, true) => return "zero-count, as if large",
            (DeferralPolicy::CloneOnRead, true) => return "clone-on-read, zeal, as if large",
        }
        match (self.policy, self.zeal, self.hardware_traps) {
            (DeferralPolicy::ZeroCount, false, false) => "zero-count",
            (DeferralPolicy::ZeroCount, true, false) => "zero-count, zeal",
            (DeferralPolicy::CloneOnRead, false, false) => "clone-on-read",
            (DeferralPolicy::CloneOnRead, true, false) => "clone-on-read, zeal",
            (DeferralPolicy::ZeroCount, false, true) => "zero-count, guards",
            (DeferralPolicy::ZeroCount, true, true) => "zero-count, zeal, guards",
            (DeferralPolicy::CloneOnRead, false, true) => "clone-on-read, guards",
            (DeferralPolicy::CloneOnRead, true, true) => "clone-on-read, zeal, guards",
        }
    }

    pub(crate) fn config(self) -> Config {
        let mut config = (hooks().config)();
        config
            .deferral_policy(self.policy)
            .gc_zeal(NonZeroU32::new(u32::from(self.zeal)))
            .hardware_traps(self.hardware_traps)
            .compile_as_if_large(self.as_if_large)
            .cranelift_debug_verifier(true);
        if let Some(slots) = self.slots {
            config.reference_slots(slots);
        }
        config
    }

    pub(crate) fn engine(self) -> Engine {
        engine(&self.config()).unwrap()
    }

    pub(crate) fn each_engine(self, case: impl Fn(&Engine)) {
        self.each_config(|_| {}, case);
    }

    /// The same, with further settings.
    pub(crate) fn each_config(self, adjust: impl Fn(&mut Config), case: impl Fn(&Engine)) {
        let mut config = self.config();
        adjust(&mut config);
        case(&engine(&config).unwrap());
    }
}

pub(crate) fn engine(config: &Config) -> kernref::Result<Engine> {
    (hooks().engine)(config)
}

pub(crate) fn assemble(text: &str) -> Vec<u8> {
    (hooks().assemble)(text).expect("the text is a module that is known")
}

pub(crate) fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, assemble(text)).unwrap()
}

/// An instance without imports in a store without data.
pub(crate) fn instance(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ()).unwrap();
    let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
    (store, instance)
}

/// An instance with imports from a linker.
pub(crate) fn linked<T: 'static>(linker: &Linker<T>, data: T, text: &str) -> (Store<T>, Instance) {
    let mut store = Store::new(linker.engine(), data).unwrap();
    let module = module(linker.engine(), text);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// A reference or null.
pub(crate) type Maybe = Option<ExternRef>;

/// What most modules import from `h`:
///
/// | name | type | does |
/// |---|---|---|
/// | `make` | `i32 -> externref` | a counted object with this number |
/// | `number` | `externref -> i32` | its number |
/// | `count` | `externref -> i32` | how many handles there are to it |
/// | `use` | `externref ->` | nothing: the reference is alive up to here |
/// | `gc` | `->` | collects |
/// | `alive` | `-> i32` | collects; how many objects are alive |
pub(crate) fn tools(engine: &Engine) -> Linker<Census> {
    fn of<R>(
        caller: Caller<'_, Census>,
        object: Rooted,
        read: impl FnOnce(&ExternRef) -> R,
    ) -> kernref::Result<R> {
        Ok(read(object.get(&caller)?))
    }
    let mut linker = Linker::<Census>::new(engine);
    let make = |caller: Caller<'_, Census>, number: u32| caller.data().object(number);
    linker.func_wrap("h", "make", make).unwrap();
    let read = |caller: Caller<'_, Census>, object| of(caller, object, number);
    linker.func_wrap("h", "number", read).unwrap();
    let count = |caller: Caller<'_, Census>, object| {
        of(caller, object, |object| object.strong_count() as u32)
    };
    linker.func_wrap("h", "count", count).unwrap();
    linker.func_wrap("h", "use", |_: Option<Rooted>| ()).unwrap();
    linker.func_wrap("h", "gc", |mut caller: Caller<'_, Census>| caller.gc()).unwrap();
    let alive = |mut caller: Caller<'_, Census>| -> kernref::Result<u32> {
        caller.gc()?;
        Ok(caller.data().alive() as u32)
    };
    linker.func_wrap("h", "alive", alive).unwrap();
    linker
}

/// Counts how many of its objects are alive and how many have been released.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<Counts>);

#[derive(Default)]
struct Counts {
    alive: AtomicUsize,
    released: AtomicUsize,
}

/// An object that is counted while it is alive.
pub(crate) struct Counted {
    pub number: u32,
    census: Census,
}

impl Census {
    pub fn object(&self, number: u32) -> ExternRef {
        ExternRef::new(self.counted(number)).unwrap()
    }

    /// The same, to be embedded in another object.
    pub fn counted(&self, number: u32) -> Counted {
        self.0.alive.fetch_add(1, Ordering::Relaxed);
        Counted { number, census: self.clone() }
    }

    pub fn alive(&self) -> usize {
        self.0.alive.load(Ordering::Relaxed)
    }

    pub fn released(&self) -> usize {
        self.0.released.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.0.alive.fetch_sub(1, Ordering::Relaxed);
        self.census.0.released.fetch_add(1, Ordering::Relaxed);
    }
}

/// The number an object was made with.
pub(crate) fn number(reference: &ExternRef) -> u32 {
    reference.downcast_ref::<Counted>().unwrap().number
}
