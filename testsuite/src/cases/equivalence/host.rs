//! The host's side: objects whose fate is tracked, and the functions programs call.

use super::model::{Id, Probe, ROOTS};
use crate::support::Maybe;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};
use kernref::{
    AsContextMut, Caller, Engine, Error, Extern, ExternRef, Linker, OwnedRooted, Rooted, Table,
    Trap, Val,
};

/// What has become of an object.
pub const UNBORN: u8 = 0;
pub const ALIVE: u8 = 1;
pub const RELEASED: u8 = 2;

/// The fate of every object that programs of one store make.
pub type Fates = Arc<[AtomicU8]>;

struct Tracked {
    id: Id,
    fates: Fates,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let before = self.fates[self.id as usize].swap(RELEASED, Ordering::Relaxed);
        assert_eq!(before, ALIVE, "object {} is released twice", self.id);
    }
}

/// The store's data.
pub struct World {
    pub fates: Fates,
    pub made: Id,
    pub probes: Vec<Probe>,
    pub probed: usize,
    roots: [Option<OwnedRooted>; ROOTS],
    /// A step was taken since the last full collection, so a mark may keep an
    /// object alive for one more collection (invariant G7 of `gc`).
    stepped: bool,
}

impl World {
    /// With room for `objects` objects.
    pub fn new(objects: usize) -> Self {
        let fates: Fates = (0..objects).map(|_| AtomicU8::new(UNBORN)).collect();
        let roots = [const { None }; ROOTS];
        World { fates, made: 0, probes: Vec::new(), probed: 0, roots, stepped: false }
    }

    pub fn make(&mut self) -> kernref::Result<ExternRef> {
        let tracked = Tracked { id: self.made, fates: Arc::clone(&self.fates) };
        let before = self.fates[self.made as usize].swap(ALIVE, Ordering::Relaxed);
        assert_eq!(before, UNBORN);
        self.made += 1;
        ExternRef::new(tracked)
    }

    pub fn alive(&self) -> BTreeSet<Id> {
        let is_alive = |id: &Id| self.fates[*id as usize].load(Ordering::Relaxed) == ALIVE;
        (0..self.made).filter(is_alive).collect()
    }
}

pub fn id(object: &ExternRef) -> Id {
    let tracked = object.downcast_ref::<Tracked>().unwrap();
    assert_eq!(tracked.fates[tracked.id as usize].load(Ordering::Relaxed), ALIVE);
    tracked.id
}

fn probe(
    mut caller: Caller<'_, World>,
    how: u32,
    locals: [Option<Rooted>; 4],
) -> kernref::Result<()> {
    let collects = how & 1 != 0;
    if collects {
        if core::mem::take(&mut caller.data_mut().stepped) {
            caller.gc()?;
        }
        caller.gc()?;
    }
    let mut found = [None; 4];
    for (found, local) in found.iter_mut().zip(locals) {
        *found = local.map(|local| local.get(&caller).map(id)).transpose()?;
    }
    let world = caller.data_mut();
    let alive = world.alive();
    let wanted = &world.probes[world.probed];
    world.probed += 1;
    assert_eq!(found, wanted.locals);
    assert!(alive.is_superset(&wanted.placed), "{alive:?} alive of {wanted:?}");
    assert!(!collects || alive.is_subset(&wanted.reachable), "{alive:?} alive of {wanted:?}");
    Ok(())
}

fn table(caller: &mut Caller<'_, World>, name: &str) -> Table {
    caller.get_export(name).and_then(Extern::into_table).unwrap()
}

/// Keeps one object in place of another, in its existing slot or in a new one.
fn root(mut caller: Caller<'_, World>, at: u32, object: Option<Rooted>) -> kernref::Result<()> {
    let new = match object {
        Some(object) if at < 2 => Some(object.to_owned_rooted(&mut caller)?),
        Some(object) => {
            let object = object.get(&caller)?.clone();
            Some(OwnedRooted::new(&mut caller, object)?)
        }
        None => None,
    };
    let old = core::mem::replace(&mut caller.data_mut().roots[at as usize], new);
    old.map_or(Ok(()), |old| old.unroot(&mut caller))
}

/// Calls an interpreter on the part of the program that belongs to this operation.
fn nest<P>(
    caller: &mut Caller<'_, World>,
    swallows: u32,
    callee: u32,
    range: (u32, u32),
    argument: P,
) -> kernref::Result<Maybe>
where
    (u32, u32, P): kernref::WasmParams,
{
    let run = table(caller, "f").get(&*caller, callee.into())?;
    let Val::FuncRef(Some(run)) = run else { panic!("{run:?} is no function") };
    let run = run.typed::<(u32, u32, P), Maybe>(&*caller)?;
    match run.call(caller, (range.0, range.1, argument)) {
        Err(Error::Trap(Trap::UnreachableCodeReached)) if swallows != 0 => Ok(None),
        outcome => outcome,
    }
}

pub fn linker(engine: &Engine) -> Linker<World> {
    type C<'a> = Caller<'a, World>;
    type R = Option<Rooted>;
    let mut linker = Linker::<World>::new(engine);
    linker.func_wrap("h", "make", |mut caller: C<'_>| caller.data_mut().make()).unwrap();
    let probing =
        |caller: C<'_>, how: u32, a: R, b: R, c: R, d: R| probe(caller, how, [a, b, c, d]);
    linker.func_wrap("h", "probe", probing).unwrap();
    let owned = |mut caller: C<'_>, swallows: u32, callee: u32, at: u32, end: u32, of: Maybe| {
        nest(&mut caller, swallows, callee, (at, end), of)
    };
    linker.func_wrap("h", "nest", owned).unwrap();
    let lent = |mut caller: C<'_>, swallows: u32, callee: u32, at: u32, end: u32, of: R| {
        // Either lent on as an argument, or rooted for the duration of the call.
        let Some(object) = of.filter(|_| callee == 0) else {
            return nest(&mut caller, swallows, callee, (at, end), of);
        };
        let root = object.to_owned_rooted(&mut caller)?;
        let lent = Some(root.to_rooted());
        let outcome = nest(&mut caller, swallows, callee, (at, end), lent);
        root.unroot(&mut caller)?;
        outcome
    };
    linker.func_wrap("h", "lend", lent).unwrap();
    linker.func_wrap("h", "gc", |mut caller: C<'_>| caller.gc()).unwrap();
    let step = |mut caller: C<'_>, budget: u32| -> kernref::Result<()> {
        caller.data_mut().stepped = true;
        caller.as_context_mut().gc_step(budget).map(|_| ())
    };
    linker.func_wrap("h", "step", step).unwrap();
    let set = |mut caller: C<'_>, at: u32, object: Maybe| -> kernref::Result<()> {
        table(&mut caller, "t").set(&mut caller, at.into(), object.into())
    };
    linker.func_wrap("h", "set", set).unwrap();
    linker.func_wrap("h", "root", root).unwrap();
    let rooted = |caller: C<'_>, at: u32| {
        caller.data().roots[at as usize].as_ref().map(OwnedRooted::to_rooted)
    };
    linker.func_wrap("h", "rooted", rooted).unwrap();
    let get = |mut caller: C<'_>, at: u32| -> kernref::Result<Maybe> {
        let element = table(&mut caller, "t").get(&caller, at.into())?;
        Ok(element.extern_ref().unwrap().cloned())
    };
    linker.func_wrap("h", "get", get).unwrap();
    linker
}
