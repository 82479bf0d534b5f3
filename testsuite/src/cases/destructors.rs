//! Destructors: what they may do, and that each runs exactly once and never
//! recursively. Revoked capabilities.

use crate::support::{Census, Counted, Maybe, Setup, instance, linked, number, tools};
use alloc::sync::Arc;
use alloc::vec::Vec;
use kernref::{Caller, ExternRef, Linker, Misuse, Rooted, Store, Val};
use spin::Mutex;

const KEEPER: &str = r#"(module
    (table (export "t") 8 externref)
    (global $g (export "g") (mut externref) (ref.null extern))
    (func (export "nothing") (param externref))
    (func (export "keep") (param externref) (global.set $g (local.get 0))))"#;

/// An object that owns the next one.
struct Link {
    _counted: Counted,
    _next: Maybe,
}

fn chain(census: &Census, len: u32) -> ExternRef {
    let mut next = None;
    for number in 0..len {
        let link = Link { _counted: census.counted(number), _next: next };
        next = Some(ExternRef::new(link).unwrap());
    }
    next.unwrap()
}

pub fn a_long_chain_needs_no_stack(setup: Setup) {
    const LEN: u32 = 100_000;
    setup.each_engine(|engine| {
        let census = Census::default();
        drop(chain(&census, LEN));
        assert_eq!((census.alive(), census.released()), (0, LEN as usize));
        let (mut store, instance) = instance(engine, KEEPER);
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        nothing.call(&mut store, chain(&census, LEN)).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 2 * LEN as usize));
        let keep = instance.get_typed_func::<Maybe, ()>(&mut store, "keep").unwrap();
        keep.call(&mut store, Some(chain(&census, LEN))).unwrap();
        assert_eq!(census.alive(), LEN as usize);
        drop(store);
        assert_eq!((census.alive(), census.released()), (0, 3 * LEN as usize));
    });
}

/// An object that owns several.
struct Branch {
    _counted: Counted,
    _below: Vec<ExternRef>,
}

fn tree(census: &Census, depth: u32) -> ExternRef {
    let below = match depth {
        0 => Vec::new(),
        _ => (0..3).map(|_| tree(census, depth - 1)).collect(),
    };
    ExternRef::new(Branch { _counted: census.counted(depth), _below: below }).unwrap()
}

pub fn a_tree_goes_at_once(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        let (root, shared) = (tree(&census, 6), tree(&census, 2));
        assert_eq!(census.alive(), 1093 + 13);
        let both = ExternRef::new((root, shared.clone())).unwrap();
        nothing.call(&mut store, both).unwrap();
        // The shared part stays until its other holder goes.
        assert_eq!(census.alive(), 13);
        drop(shared);
        assert_eq!((census.alive(), census.released()), (0, 1106));
    });
}

/// Makes and drops other objects while it is destroyed, `left` generations of them.
struct Restless {
    counted: Counted,
    census: Census,
}

impl Drop for Restless {
    fn drop(&mut self) {
        let left = self.counted.number;
        if left == 0 {
            return;
        }
        for _ in 0..2 {
            let counted = self.census.counted(left - 1);
            let next = ExternRef::new(Restless { counted, census: self.census.clone() }).unwrap();
            assert_eq!(next.clone().strong_count(), 2);
            drop(next);
        }
    }
}

pub fn a_destructor_makes_and_drops_objects(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(engine, KEEPER);
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        for generations in [0, 1, 7] {
            let before = census.released();
            let counted = census.counted(generations);
            let restless = Restless { counted, census: census.clone() };
            nothing.call(&mut store, ExternRef::new(restless).unwrap()).unwrap();
            assert_eq!(census.alive(), 0);
            assert_eq!(census.released() - before, (2 << generations) - 1);
        }
        assert_eq!(store.gc_stats().slots_used, 0);
    });
}

/// Calls into another store while it is destroyed.
struct Visitor {
    _counted: Counted,
    other: Arc<Mutex<Store<()>>>,
    func: kernref::TypedFunc<Maybe, ()>,
    parcel: Maybe,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut other = self.other.lock();
        self.func.call(&mut *other, self.parcel.take()).unwrap();
    }
}

pub fn a_destructor_calls_into_another_store(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut other, keeper) = instance(engine, KEEPER);
        let func = keeper.get_typed_func::<Maybe, ()>(&mut other, "keep").unwrap();
        let global = keeper.get_global(&mut other, "g").unwrap();
        let other = Arc::new(Mutex::new(other));
        let visitor = |parcel| {
            let other = Arc::clone(&other);
            let parcel = Some(census.object(parcel));
            let visitor = Visitor { _counted: census.counted(0), other, func, parcel };
            ExternRef::new(visitor).unwrap()
        };
        let mut linker = tools(engine);
        linker.func_wrap("h", "noop", || ()).unwrap();
        let (mut store, instance) = linked(
            &linker,
            census.clone(),
            r#"(module
                (import "h" "gc" (func $gc))
                (import "h" "noop" (func $noop))
                (func $drop (param externref))
                (func (export "run") (param externref externref)
                    (call $drop (local.get 0)) (call $gc) (call $noop)
                    (call $drop (local.get 1))))"#,
        );
        let run = instance.get_typed_func::<(ExternRef, ExternRef), ()>(&mut store, "run").unwrap();
        run.call(&mut store, (visitor(1), visitor(2))).unwrap();
        // The second parcel replaced the first in the other store.
        assert_eq!((census.alive(), census.released()), (1, 3));
        let kept = global.get(&*other.lock()).unwrap();
        assert_eq!(kept.extern_ref().flatten().map(number), Some(2));
        drop((kept, store));
        global.set(&mut *other.lock(), Val::ExternRef(None)).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 4));
    });
}

/// An object that owns a store.
struct Tenant {
    _counted: Counted,
    _store: Mutex<Store<()>>,
}

pub fn an_object_owns_a_store_that_owns_objects(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut object = census.object(0);
        for depth in 1..=20 {
            let (mut store, instance) = instance(engine, KEEPER);
            let keep = instance.get_typed_func::<Maybe, ()>(&mut store, "keep").unwrap();
            keep.call(&mut store, Some(object)).unwrap();
            let tenant = Tenant { _counted: census.counted(depth), _store: Mutex::new(store) };
            object = ExternRef::new(tenant).unwrap();
        }
        assert_eq!(census.alive(), 21);
        let (mut store, instance) = instance(engine, KEEPER);
        let nothing = instance.get_typed_func::<ExternRef, ()>(&mut store, "nothing").unwrap();
        nothing.call(&mut store, object).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 21));
    });
}

pub fn one_object_in_several_stores(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let object = census.object(1);
        let mut stores = Vec::new();
        for at in 0..5 {
            let (mut store, instance) = instance(engine, KEEPER);
            let keep = instance.get_typed_func::<Maybe, ()>(&mut store, "keep").unwrap();
            keep.call(&mut store, Some(object.clone())).unwrap();
            stores.push((store, keep));
            assert_eq!(object.strong_count(), at + 2);
        }
        drop(object);
        let (mut first, keep) = stores.pop().unwrap();
        keep.call(&mut first, None).unwrap();
        assert_eq!(census.alive(), 1);
        while let Some((store, _)) = stores.pop() {
            assert_eq!(census.alive(), 1);
            drop(store);
        }
        assert_eq!((census.alive(), census.released()), (0, 1));
        drop(first);
        assert_eq!(census.released(), 1);
    });
}

pub fn objects_that_wait_for_each_other(setup: Setup) {
    // Each is in the store and is also owned by the previous one: the store's
    // handle may go before or after the owner's.
    setup.each_engine(|engine| {
        for backwards in [false, true] {
            let census = Census::default();
            let (mut store, instance) = instance(engine, KEEPER);
            let table = instance.get_table(&mut store, "t").unwrap();
            let mut next = None;
            for at in 0..8 {
                let link = Link { _counted: census.counted(at), _next: next };
                let object = ExternRef::new(link).unwrap();
                let place = if backwards { 7 - at } else { at };
                table.set(&mut store, place.into(), object.clone().into()).unwrap();
                next = Some(object);
            }
            drop(next);
            assert_eq!(census.alive(), 8);
            table.fill(&mut store, 0, Val::ExternRef(None), 8).unwrap();
            assert_eq!((census.alive(), census.released()), (0, 8), "{backwards}");
        }
    });
}

pub fn a_capability_is_taken_back(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut linker = Linker::<()>::new(engine);
        let look = |caller: Caller<'_, ()>, object: Rooted| -> kernref::Result<u32> {
            let object = object.get(&caller)?;
            Ok(match object.downcast_ref::<Counted>() {
                Ok(counted) => counted.number,
                Err(Misuse::Revoked) => 1000,
                Err(other) => return Err(other.into()),
            })
        };
        linker.func_wrap("h", "look", look).unwrap();
        linker.func_wrap("h", "revoke", |object: ExternRef| object.revoke()).unwrap();
        let text = r#"(module
            (import "h" "look" (func $look (param externref) (result i32)))
            (import "h" "revoke" (func $revoke (param externref)))
            (global $g (mut externref) (ref.null extern))
            (func (export "keep") (param externref) (global.set $g (local.get 0)))
            (func (export "look") (result i32) (call $look (global.get $g)))
            (func (export "revoke") (call $revoke (global.get $g))))"#;
        let (mut first, one) = linked(&linker, (), text);
        let (mut second, two) = linked(&linker, (), text);
        let object = census.object(7);
        let keep = one.get_typed_func::<Maybe, ()>(&mut first, "keep").unwrap();
        keep.call(&mut first, Some(object.clone())).unwrap();
        let keep_two = two.get_typed_func::<Maybe, ()>(&mut second, "keep").unwrap();
        keep_two.call(&mut second, Some(object.clone())).unwrap();
        let look = one.get_typed_func::<(), u32>(&mut first, "look").unwrap();
        let look_two = two.get_typed_func::<(), u32>(&mut second, "look").unwrap();
        assert_eq!(look.call(&mut first, ()).unwrap(), 7);
        assert!(!object.is_revoked());
        let revoke = two.get_typed_func::<(), ()>(&mut second, "revoke").unwrap();
        for _ in 0..2 {
            revoke.call(&mut second, ()).unwrap();
            // Whoever holds it, in whichever store.
            assert_eq!(look.call(&mut first, ()).unwrap(), 1000);
            assert_eq!(look_two.call(&mut second, ()).unwrap(), 1000);
            assert!(object.is_revoked());
            assert_eq!(object.downcast_ref::<Counted>().err(), Some(Misuse::Revoked));
        }
        // It is still counted, and goes with the last handle.
        assert_eq!(census.alive(), 1);
        drop((object, first));
        assert_eq!(census.alive(), 1);
        keep_two.call(&mut second, None).unwrap();
        assert_eq!((census.alive(), census.released()), (0, 1));
    });
}

pub fn objects_know_their_type(_: Setup) {
    let census = Census::default();
    let object = census.object(3);
    assert_eq!(object.downcast_ref::<u32>().err(), Some(Misuse::WrongReferent));
    assert_eq!(number(&object), 3);
    assert!(object.type_name().ends_with("Counted"), "{}", object.type_name());
    let word = ExternRef::new(5_u64).unwrap();
    assert_eq!(word.downcast_ref::<u64>(), Ok(&5));
    assert_eq!(word.downcast_ref::<i64>().err(), Some(Misuse::WrongReferent));
    assert!(!word.ptr_eq(&ExternRef::new(5_u64).unwrap()) && word.ptr_eq(&word.clone()));
    #[repr(align(128))]
    struct Aligned(u8);
    for at in 0..20 {
        let aligned = ExternRef::new(Aligned(at)).unwrap();
        let value = aligned.downcast_ref::<Aligned>().unwrap();
        assert_eq!((core::ptr::from_ref(value).addr() % 128, value.0), (0, at));
    }
    let unit = ExternRef::new(()).unwrap();
    assert_eq!((unit.downcast_ref::<()>(), unit.strong_count()), (Ok(&()), 1));
}
