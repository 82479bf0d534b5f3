//! What happens when memory runs out.

use crate::running::{engine, module};
use kernref::{Error, ExternRef, Linker, Memory, MemoryType, Store, Trap, Val};
use kernref_qemu::{frames, heap};
use kernref_testsuite::Setup;

const HOARD: &str = include_str!("guests/hoard.wat");

pub fn a_full_machine_refuses_to_grow(setup: Setup) {
    let before = frames::available();
    let engine = engine(setup, |_| {});
    let mut store = Store::new(&engine, ()).expect("a store");
    let ty = MemoryType { minimum: 0, maximum: None, memory64: false };
    let memory = Memory::new(&mut store, ty).expect("a memory");
    // 64 MiB at a time, then single pages, until the machine is full.
    let mut step = 1024;
    while step > 0 {
        match memory.grow(&mut store, step) {
            Ok(_) => {}
            Err(Error::OutOfMemory { .. }) => step /= 4,
            Err(other) => panic!("{other}"),
        }
    }
    let size = memory.data_size(&store).expect("of this store");
    assert!(size > 256 << 20 && frames::available() < 64, "{size} bytes");
    memory.write(&mut store, size - 4, b"last").expect("in bounds");
    let second =
        Memory::new(&mut store, MemoryType { minimum: 16, maximum: None, memory64: false });
    assert!(matches!(second, Err(Error::OutOfMemory { .. })));
    drop(store);
    drop(engine);
    assert_eq!(frames::available(), before, "frames, those of page tables among them");
}

pub fn small_allocations_only(setup: Setup) {
    let engine = engine(setup, |_| {});
    let module = module(&engine, HOARD);
    let used = heap::usage().0;
    let mut refused = 0;
    for bytes in [0, 16, 64, 128, 256, 1024, 4096, 1 << 20] {
        let outcome = heap::refusing_larger_than(bytes, || {
            let mut linker = Linker::<()>::new(&engine);
            linker.func_wrap("h", "make", || ExternRef::new([0_u64; 4]))?;
            let mut store = Store::new(&engine, ())?;
            let instance = linker.instantiate(&mut store, &module)?;
            instance.get_typed_func::<u32, u32>(&mut store, "hoard")?.call(&mut store, 1000)
        });
        match outcome {
            Ok(count) => assert!(count > 0),
            Err(Error::OutOfMemory { .. } | Error::Limit(_)) => refused += 1,
            Err(other) => panic!("with {bytes} bytes: {other}"),
        }
        assert_eq!(heap::usage().0, used, "leaked with {bytes} bytes");
    }
    assert!(refused > 2, "only {refused} refusals");
}

pub fn small_arenas(setup: Setup) {
    for slots in [1, 2, 3, 8] {
        let engine = engine(setup, |config| {
            config.reference_slots(slots);
        });
        let mut linker = Linker::<()>::new(&engine);
        linker.func_wrap("h", "make", || ExternRef::new(1_u8)).expect("a new name");
        let mut store = Store::new(&engine, ()).expect("a store");
        let instance = linker.instantiate(&mut store, &module(&engine, HOARD)).expect("instance");
        let hoard = instance.get_typed_func::<u32, u32>(&mut store, "hoard").expect("hoard");
        let outcome = hoard.call(&mut store, 100);
        let expected =
            matches!(outcome, Err(Error::Limit(_) | Error::Trap(Trap::ReferenceArenaFull)));
        assert!(expected, "{outcome:?}");
        let kept = instance.get_table(&mut store, "kept").expect("kept");
        assert_eq!(kept.size(&store).expect("of this store"), u64::from(slots));
        kept.fill(&mut store, 0, Val::ExternRef(None), u64::from(slots)).expect("in bounds");
        assert_eq!(store.gc_stats().slots_used, 0);
    }
}
