//! What a store has is counted as a whole: the limiter bounds it, instances pay fuel
//! for it, a failure leaves nothing of it, and an operator can see it.

use crate::support::{Census, Setup, assemble, linked, module, tools};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernref::alloc::{HeapMemorySource, LinearMemory, MemorySource};
use kernref::{
    Config, Engine, Error, ExternRef, Global, GlobalType, Instance, LimitError, Memory, MemoryType,
    Module, OwnedRooted, Store, StoreFigures, StoreLimits, StoreLimitsBuilder, Trap, ValType,
};

const PAGE: usize = 64 << 10;

fn limited(engine: &Engine, bytes: usize) -> Store<StoreLimits> {
    let limits = StoreLimitsBuilder::new().store_size(bytes).build();
    let mut store = Store::new(engine, limits).unwrap();
    store.limiter(|limits| limits).unwrap();
    store
}

fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// A module with so many globals.
fn globals(engine: &Engine, count: u32) -> Module {
    let mut entries = leb(count);
    for _ in 0..count {
        // An immutable i64, 0.
        entries.extend([0x7e, 0, 0x42, 0, 0x0b]);
    }
    let mut bytes = b"\0asm\x01\0\0\0\x06".to_vec();
    bytes.extend(leb(entries.len() as u32));
    bytes.extend(entries);
    Module::new(engine, bytes).unwrap()
}

fn bytes_refused(outcome: kernref::Result<impl Sized>) -> LimitError {
    match outcome {
        Err(Error::Limit(found)) if found.what.starts_with("bytes of a store") => found,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("allowed"),
    }
}

pub fn what_is_refused_leaves_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = limited(engine, 1 << 20);
        let empty = store.figures();
        // 16 bytes each.
        let found = bytes_refused(Instance::new(&mut store, &globals(engine, 70_000), &[]));
        assert!(found.requested > 70_000 * 16 && found.limit == 0, "{found:?}");
        for text in [
            "(module (memory 16))",
            "(module (memory 8) (table 80000 funcref))",
            "(module (global externref (ref.null extern)) (table 1000 externref) (memory 8) (memory 8))",
        ] {
            bytes_refused(Instance::new(&mut store, &module(engine, text), &[]));
            assert_eq!(store.figures(), empty, "{text}");
        }
        // Many small ones.
        let small = globals(engine, 500);
        let mut instances = 0;
        while let Ok(_instance) = Instance::new(&mut store, &small, &[]) {
            instances += 1;
        }
        assert!((100..132).contains(&instances), "{instances} times 8000 bytes");
        assert!(store.figures().guest_bytes <= 1 << 20);
    });
}

pub fn what_grows_is_counted(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = limited(engine, 10 * PAGE);
        let text = r#"(module (memory $m 1) (memory $n 1) (table $t 8 externref)
            (func (export "m") (param i32) (result i32) (memory.grow $m (local.get 0)))
            (func (export "n") (param i32) (result i32) (memory.grow $n (local.get 0)))
            (func (export "t") (param i32) (result i32)
                (table.grow $t (ref.null extern) (local.get 0))))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        let [m, n, t] = ["m", "n", "t"]
            .map(|name| instance.get_typed_func::<i32, i32>(&mut store, name).unwrap());
        // Together, not each.
        assert_eq!(m.call(&mut store, 5).unwrap(), 1);
        assert_eq!(n.call(&mut store, 5).unwrap(), -1);
        assert_eq!(n.call(&mut store, 2).unwrap(), 1);
        let before = store.figures();
        assert_eq!((before.memory_bytes, before.memories), (9 * PAGE, 2));
        assert_eq!(n.call(&mut store, 1).unwrap(), -1);
        assert_eq!(store.figures().guest_bytes, before.guest_bytes);
        // What remains is less than a page, less the instance.
        assert_eq!(t.call(&mut store, 16_380).unwrap(), -1);
        assert_eq!(t.call(&mut store, 11_000).unwrap(), 8);
        assert_eq!(store.figures().table_elements, 11_008);
        assert_eq!(store.figures().reference_places, 11_008);
        // Half as much again would be too much; what is asked for is not.
        assert_eq!(t.call(&mut store, 2_000).unwrap(), 11_008);
        assert_eq!(t.call(&mut store, 6_000).unwrap(), -1);
        assert!(store.figures().guest_bytes <= 10 * PAGE);
        // The host's, too.
        bytes_refused(Memory::new(
            &mut store,
            MemoryType { minimum: 1, maximum: None, memory64: false },
        ));
        assert_eq!(store.figures().memories, 2);
    });
}

pub fn a_refused_global_leaves_no_cell_and_no_reference(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let mut store = limited(engine, 40);
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: true };
        let mut made = Vec::new();
        let refused = loop {
            match Global::new(&mut store, ty, census.object(1).into()) {
                Ok(global) => made.push(global),
                refused => break refused,
            }
        };
        bytes_refused(refused);
        assert_eq!(made.len(), 2, "16 bytes each");
        store.gc().unwrap();
        let figures = store.figures();
        assert_eq!((figures.host_items, figures.reference_places), (2, 2));
        assert_eq!((census.alive(), figures.references.slots_used), (2, 2));
    });
}

fn fuel(config: &mut Config) {
    config.consume_fuel(true);
}

pub fn instances_cost_fuel_in_proportion(setup: Setup) {
    setup.each_config(fuel, |engine| {
        let cost = |module: &Module| {
            let mut store = Store::new(engine, ()).unwrap();
            store.set_fuel(1 << 30).unwrap();
            Instance::new(&mut store, module, &[]).unwrap();
            let figures = store.figures();
            assert_eq!(figures.fuel_left, Some(store.get_fuel().unwrap()));
            let cost = figures.fuel_consumed.unwrap();
            // One unit less does not suffice, and nothing is left behind.
            let mut store = Store::new(engine, ()).unwrap();
            store.set_fuel(cost - 1).unwrap();
            let outcome = Instance::new(&mut store, module, &[]).map(|_| ());
            assert_eq!(outcome.unwrap_err().as_trap(), Some(Trap::OutOfFuel));
            let StoreFigures { guest_bytes, instances, memories, tables, .. } = store.figures();
            assert_eq!((guest_bytes, instances, memories, tables), (0, 0, 0, 0));
            cost
        };
        let of = |text: &str| cost(&module(engine, text));
        let pages = |count: u32| of(&format!("(module (memory {count}))"));
        assert_eq!(pages(3) - pages(1), 2 * PAGE as u64 / 64);
        let elements = |count: u32| of(&format!("(module (table {count} externref) (memory 1))"));
        assert_eq!(elements(807) - elements(7), 100);
        assert_eq!(cost(&globals(engine, 1400)) - cost(&globals(engine, 400)), 16_000 / 64);
    });
}

pub fn an_operator_sees_what_a_guest_has(setup: Setup) {
    let setup = Setup { zeal: false, ..setup };
    let adjust = |config: &mut Config| {
        config.consume_fuel(true).reference_slots(200).gc_threshold(Some(150));
    };
    setup.each_config(adjust, |engine| {
        let linker = tools(engine);
        let text = r#"(module
            (import "h" "make" (func $make (param i32) (result externref)))
            (memory 2 5) (table $t 10 externref) (table 3 funcref)
            (global $g (mut externref) (ref.null extern))
            (func (export "run") (param $n i32)
                (loop $more
                    (table.set $t (i32.rem_u (local.get $n) (i32.const 10))
                        (call $make (local.get $n)))
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (drop (memory.grow (i32.const 1)))))"#;
        let mut store = Store::new(engine, Census::default()).unwrap();
        store.set_fuel(1 << 20).unwrap();
        let instance = linker.instantiate(&mut store, &module(engine, text)).unwrap();
        let run = instance.get_typed_func::<u32, ()>(&mut store, "run").unwrap();
        let before = store.figures();
        assert_eq!(before.references.collections, 0);
        run.call(&mut store, 1000).unwrap();
        let after = store.figures();
        assert_eq!(after.guest_bytes - before.guest_bytes, PAGE);
        assert_eq!((after.memory_bytes, after.memories), (3 * PAGE, 1));
        assert_eq!((after.table_elements, after.tables, after.instances), (13, 2, 1));
        assert_eq!(after.reference_places, 11);
        assert_eq!(after.reference_bytes, Store::<()>::reference_region_bytes(200).unwrap());
        assert_eq!((after.references.slots_used, store.data().alive()), (10, 10));
        let references = after.references;
        assert!(references.collections > 0 || references.released == 990);
        assert!((1..=300).contains(&references.longest_piece), "{references:?}");
        assert!((1..=200).contains(&references.most_drained), "{references:?}");
        // 10 operators and a call in each turn.
        let spent = after.fuel_consumed.unwrap() - before.fuel_consumed.unwrap();
        assert!((10_000..16_000).contains(&spent), "{spent}");
        // Setting it anew forgets nothing.
        store.set_fuel(5000).unwrap();
        assert_eq!(store.figures().fuel_consumed, after.fuel_consumed);
        run.call(&mut store, 1).unwrap();
        let last = store.figures();
        let used = 5000 - last.fuel_left.unwrap();
        assert_eq!(last.fuel_consumed.unwrap() - after.fuel_consumed.unwrap(), used);
    });
    setup.each_engine(|engine| {
        let (store, _) = linked(&tools(engine), Census::default(), "(module)");
        let figures = store.figures();
        assert_eq!((figures.fuel_consumed, figures.fuel_left), (None, None));
    });
}

pub fn what_a_source_backs_is_counted(setup: Setup) {
    setup.each_config(
        |config| {
            _ = config
                .hardware_traps(false)
                .memory_source(Arc::new(HeapMemorySource::new(4 * PAGE)))
        },
        |engine| {
            let mut store = limited(engine, 16 * PAGE);
            let instance = Instance::new(&mut store, &module(engine, "(module (memory 1 9))"), &[]);
            instance.unwrap();
            let one = store.figures().guest_bytes;
            assert!((5 * PAGE..6 * PAGE).contains(&one), "{one}: the source backs five pages");
            let many = format!("(module {})", "(memory 0 9)".repeat(4));
            let found = bytes_refused(Instance::new(&mut store, &module(engine, &many), &[]));
            assert_eq!(found.limit as usize / PAGE, 13, "two of them, and what was there");
            assert_eq!(store.figures().guest_bytes, one);
        },
    );
}

/// Commits pages until there are no more.
struct Scarce {
    inner: HeapMemorySource,
    left: AtomicUsize,
}

// SAFETY: what another source does.
unsafe impl MemorySource for Scarce {
    fn reserve(&self, minimum: usize, maximum: usize) -> kernref::Result<LinearMemory> {
        self.inner.reserve(minimum, maximum)
    }

    unsafe fn commit(&self, memory: &mut LinearMemory, bytes: usize) -> kernref::Result<()> {
        let more = bytes - memory.committed_bytes;
        let take = |left: usize| left.checked_sub(more);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map_err(|_| Error::OutOfMemory { bytes: more })?;
        // SAFETY: passed on to the caller.
        unsafe { self.inner.commit(memory, bytes) }
    }

    unsafe fn release(&self, memory: LinearMemory) {
        // SAFETY: passed on to the caller.
        unsafe { self.inner.release(memory) }
    }
}

pub fn what_a_growth_took_that_was_given_up_is_counted(setup: Setup) {
    const MIB: usize = 1 << 20;
    let scarce = || Scarce { inner: HeapMemorySource::new(8 * MIB), left: (5 * MIB).into() };
    setup.each_config(
        |config| _ = config.hardware_traps(false).memory_source(Arc::new(scarce())),
        |engine| {
            let mut store = limited(engine, 64 * MIB);
            let text = r#"(module (memory 0 128)
                (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
            let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
            let grow = instance.get_typed_func::<u32, i32>(&mut store, "grow").unwrap();
            let before = store.figures().guest_bytes;
            assert_eq!(grow.call(&mut store, 128).unwrap(), -1);
            let held = store.figures().guest_bytes - before;
            assert!((4 * MIB..=5 * MIB).contains(&held), "{held} bytes of 5 MiB are held");
            // It is there for the next growth, and not counted twice.
            assert_eq!(grow.call(&mut store, (held / PAGE) as u32).unwrap(), 0);
            assert_eq!(store.figures().guest_bytes - before, held);
        },
    );
}

pub fn a_table_near_its_limit_does_not_move_each_time(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = limited(engine, 1 << 20);
        let text = r#"(module (table $t 100000 funcref)
            (func (export "grow") (result i32) (table.grow $t (ref.null func) (i32.const 1))))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
        let (mut moves, mut grown) = (0, 0);
        let mut bytes = store.figures().guest_bytes;
        while grow.call(&mut store, ()).unwrap() != -1 {
            let now = store.figures().guest_bytes;
            (moves, grown) = (moves + u32::from(now != bytes), grown + 1);
            bytes = now;
        }
        assert!(grown > 30_000, "{grown} elements fit");
        assert!(moves < 40, "moved {moves} times for {grown} elements");
    });
}

pub fn roots_are_counted(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = limited(engine, PAGE);
        let object = ExternRef::new(1_u32).unwrap();
        let mut roots = Vec::new();
        let refused = loop {
            match OwnedRooted::new(&mut store, object.clone()) {
                Ok(root) => roots.push(root),
                Err(error) => break error,
            }
        };
        bytes_refused(Err::<(), _>(refused));
        assert!(roots.len() <= PAGE / 16, "{} roots in 64 KiB", roots.len());
    });
}

pub fn constant_expressions_cost_fuel_and_have_a_limit(setup: Setup) {
    let sums = |count: usize, of: usize| {
        let adds = of / 2;
        let sum =
            format!("(global i32 {}{})", "i32.const 3 ".repeat(adds + 1), "i32.add ".repeat(adds));
        format!("(module {})", sum.repeat(count))
    };
    setup.each_config(
        |config| _ = config.consume_fuel(true),
        |engine| {
            let mut store = Store::new(engine, ()).unwrap();
            store.set_fuel(100_000).unwrap();
            let long = module(engine, &sums(100, 126));
            Instance::new(&mut store, &long, &[]).unwrap();
            let used = 100_000 - store.get_fuel().unwrap();
            assert!((1400..2500).contains(&used), "{used} units for 12 700 operations");
            store.set_fuel(1000).unwrap();
            let error = Instance::new(&mut store, &long, &[]).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::OutOfFuel));
            match Module::new(engine, assemble(&sums(1, 128))) {
                Err(Error::Limit(found)) => {
                    assert_eq!(found.what, "operations of a constant expression");
                }
                other => panic!("{other:?}"),
            }
        },
    );
}
