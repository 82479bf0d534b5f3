//! Linear memories: access, growth, bulk operations, several of them.

use crate::support::{Setup, instance, module};
use alloc::sync::Arc;
use kernref::alloc::{HeapMemorySource, MemorySource, PoolLimits, PoolingMemorySource};
use kernref::{Error, Instance, Memory, MemoryType, Misuse, Store, Trap};

pub fn the_host_reads_and_writes(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, 5).unwrap();
        let ty = MemoryType { minimum: 1, maximum: Some(3), memory64: false };
        let memory = Memory::new(&mut store, ty).unwrap();
        memory.write(&mut store, 65530, b"kernel").unwrap();
        let mut buffer = [0; 6];
        memory.read(&store, 65530, &mut buffer).unwrap();
        assert_eq!(&buffer, b"kernel");
        for offset in [65531, usize::MAX - 2, usize::MAX] {
            let outside = memory.read(&store, offset, &mut buffer);
            assert!(matches!(outside, Err(Error::Misuse(Misuse::OutOfBounds))));
            let outside = memory.write(&mut store, offset, &buffer);
            assert!(matches!(outside, Err(Error::Misuse(Misuse::OutOfBounds))));
        }
        assert_eq!(memory.grow(&mut store, 2).unwrap(), 1);
        assert!(matches!(memory.grow(&mut store, 1), Err(Error::Limit(_))));
        assert!(matches!(memory.grow(&mut store, u64::MAX), Err(Error::Limit(_))));
        assert_eq!((memory.size(&store).unwrap(), memory.data_size(&store).unwrap()), (3, 196_608));
        let (bytes, data) = memory.data_and_store_mut(&mut store).unwrap();
        assert_eq!((bytes[65530], *data), (b'k', 5));
        assert_eq!(memory.ty(&store).unwrap(), MemoryType { minimum: 3, ..ty });
    });
}

pub fn wasm_and_host_share_it(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let ty = MemoryType { minimum: 1, maximum: None, memory64: false };
        let memory = Memory::new(&mut store, ty).unwrap();
        let text = r#"(module
            (import "" "m" (memory $m 1))
            (memory $own (export "own") 1 2)
            (data $d "abcdef")
            (func (export "load") (param i32) (result i32) (i32.load8_u $m (local.get 0)))
            (func (export "grow") (param i32) (result i32) (memory.grow $m (local.get 0)))
            (func (export "size") (result i32) (memory.size $m))
            (func (export "copy") (param i32 i32 i32)
                (memory.copy $own $m (local.get 0) (local.get 1) (local.get 2)))
            (func (export "fill") (param i32 i32 i32)
                (memory.fill $m (local.get 0) (local.get 1) (local.get 2)))
            (func (export "init") (param i32 i32 i32)
                (memory.init $m $d (local.get 0) (local.get 1) (local.get 2)))
            (func (export "dropped") data.drop $d))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[memory.into()]).unwrap();
        let own = instance.get_memory(&mut store, "own").unwrap();
        let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
        let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
        memory.write(&mut store, 10, &[42]).unwrap();
        assert_eq!(load.call(&mut store, 10).unwrap(), 42);
        assert!(load.call(&mut store, 65536).is_err());
        assert_eq!(grow.call(&mut store, 1).unwrap(), 1);
        assert_eq!(load.call(&mut store, 65536).unwrap(), 0);
        assert_eq!(grow.call(&mut store, 65535).unwrap(), -1);
        assert_eq!(grow.call(&mut store, -1).unwrap(), -1);
        assert_eq!(memory.size(&store).unwrap(), 2);
        let bulk = |store: &mut Store<()>, name, args: (u32, u32, u32)| {
            let func = instance.get_typed_func::<(u32, u32, u32), ()>(&mut *store, name).unwrap();
            func.call(store, args).map_err(|error| error.as_trap().unwrap())
        };
        let outside = Err(Trap::MemoryOutOfBounds);
        bulk(&mut store, "copy", (0, 10, 2)).unwrap();
        assert_eq!(own.data(&store).unwrap()[..2], [42, 0]);
        assert_eq!(bulk(&mut store, "copy", (65536, 0, 0)), Ok(()));
        assert_eq!(bulk(&mut store, "copy", (65535, 0, 2)), outside);
        assert_eq!(bulk(&mut store, "copy", (0, u32::MAX, u32::MAX)), outside);
        bulk(&mut store, "fill", (3, 0x1ff, 4)).unwrap();
        assert_eq!(memory.data(&store).unwrap()[2..8], [0, 255, 255, 255, 255, 0]);
        assert_eq!(bulk(&mut store, "fill", (131_070, 1, 3)), outside);
        bulk(&mut store, "init", (0, 2, 4)).unwrap();
        assert_eq!(&memory.data(&store).unwrap()[..4], b"cdef");
        assert_eq!(bulk(&mut store, "init", (0, 3, 4)), outside);
        instance
            .get_typed_func::<(), ()>(&mut store, "dropped")
            .unwrap()
            .call(&mut store, ())
            .unwrap();
        assert_eq!(bulk(&mut store, "init", (0, 0, 1)), outside);
        assert_eq!(bulk(&mut store, "init", (0, 0, 0)), Ok(()));
        let size = instance.get_typed_func::<(), i32>(&mut store, "size").unwrap();
        assert_eq!(size.call(&mut store, ()).unwrap(), 2);
    });
}

pub fn memories_with_64_bit_addresses(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (memory (export "m") i64 1 4)
                (data (i64.const 65535) "\07")
                (func (export "load") (param i64) (result i32) (i32.load8_u (local.get 0)))
                (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))
                (func (export "fill") (param i64 i64)
                    (memory.fill (local.get 0) (i32.const 1) (local.get 1))))"#,
        );
        let load = instance.get_typed_func::<u64, u32>(&mut store, "load").unwrap();
        assert_eq!(load.call(&mut store, 65535).unwrap(), 7);
        for address in [65536, 1 << 32, u64::MAX] {
            assert!(load.call(&mut store, address).is_err());
        }
        let grow = instance.get_typed_func::<u64, i64>(&mut store, "grow").unwrap();
        assert_eq!(grow.call(&mut store, 3).unwrap(), 1);
        assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
        assert_eq!(grow.call(&mut store, u64::MAX).unwrap(), -1);
        let fill = instance.get_typed_func::<(u64, u64), ()>(&mut store, "fill").unwrap();
        fill.call(&mut store, (0, 4 * 65536)).unwrap();
        assert!(fill.call(&mut store, (1, 4 * 65536)).is_err());
        assert!(fill.call(&mut store, (u64::MAX, 2)).is_err());
        assert_eq!(load.call(&mut store, 200_000).unwrap(), 1);
    });
}

pub fn a_pool_hands_no_bytes_from_guest_to_guest(setup: Setup) {
    // Room to grow by one page.
    let source = HeapMemorySource::new(1 << 16);
    let limits = PoolLimits { memories: 2, ..PoolLimits::default() };
    let pool = Arc::new(PoolingMemorySource::new(source, limits).unwrap());
    let shared: Arc<dyn MemorySource> = pool.clone();
    setup.each_config(
        |config| {
            // The heap has no guard pages.
            config.memory_source(shared.clone()).hardware_traps(false);
        },
        |engine| {
            let text = r#"(module
                (memory (export "m") 1 4)
                (data (i32.const 40000) "own")
                (func (export "grow") (result i32) (memory.grow (i32.const 1)))
                (func (export "fill") (param i32)
                    (memory.fill (i32.const 0) (i32.const 0xa5) (local.get 0)))
                (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
            let module = module(engine, text);
            let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
            let mut bases = [core::ptr::null(); 6];
            for (round, base) in bases.iter_mut().enumerate() {
                let mut store = Store::new(engine, ()).unwrap();
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let memory = instance.get_memory(&mut store, "m").unwrap();
                let bytes = memory.data(&store).unwrap();
                *base = bytes.as_ptr();
                assert_eq!((bytes.len(), &bytes[40000..40003]), (1 << 16, &b"own"[..]));
                assert!(is_zero(&bytes[..40000]) && is_zero(&bytes[40003..]));
                let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
                assert!(load.call(&mut store, 1 << 16).is_err());
                let grows = round % 2 == 1;
                if grows {
                    let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
                    assert_eq!(grow.call(&mut store, ()).unwrap(), 1);
                    assert!(is_zero(&memory.data(&store).unwrap()[1 << 16..]));
                    assert_eq!(grow.call(&mut store, ()).unwrap(), -1);
                }
                let fill = instance.get_typed_func::<u32, ()>(&mut store, "fill").unwrap();
                fill.call(&mut store, (1 + u32::from(grows)) << 16).unwrap();
                assert_eq!(pool.kept_memories(), 0);
                drop(store);
                assert_eq!(pool.kept_bytes(), (1 + usize::from(grows)) << 16);
            }
            assert!(bases.iter().all(|base| *base == bases[0]), "it was always the same memory");
            assert_eq!(pool.clear(), 1);
        },
    );
}
