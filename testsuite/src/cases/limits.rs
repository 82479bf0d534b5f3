//! The embedder's limiter, and Kernref's own limits.

use crate::support::{Setup, module};
use alloc::vec::Vec;
use kernref::{Error, Instance, ResourceLimiter, Store, StoreLimits, StoreLimitsBuilder, Val};

const GROWER: &str = r#"(module
    (memory (export "m") 1)
    (table (export "t") 2 externref)
    (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "table") (param i32) (result i32)
        (table.grow (ref.null extern) (local.get 0))))"#;

pub fn fixed_limits(setup: Setup) {
    setup.each_engine(|engine| {
        let limits = StoreLimitsBuilder::new()
            .memory_size(3 << 16)
            .table_elements(10)
            .instances(2)
            .memories(2)
            .tables(2)
            .build();
        let mut store = Store::<StoreLimits>::new(engine, limits).unwrap();
        store.limiter(|limits| limits).unwrap();
        let grower = module(engine, GROWER);
        let instance = Instance::new(&mut store, &grower, &[]).unwrap();
        let memory = instance.get_typed_func::<i32, i32>(&mut store, "memory").unwrap();
        let table = instance.get_typed_func::<i32, i32>(&mut store, "table").unwrap();
        assert_eq!(memory.call(&mut store, 3).unwrap(), -1);
        assert_eq!(memory.call(&mut store, 2).unwrap(), 1);
        assert_eq!(memory.call(&mut store, 0).unwrap(), 3);
        assert_eq!(table.call(&mut store, 9).unwrap(), -1);
        assert_eq!(table.call(&mut store, 8).unwrap(), 2);
        let table = instance.get_table(&mut store, "t").unwrap();
        assert!(matches!(table.grow(&mut store, 1, Val::ExternRef(None)), Err(Error::Limit(_))));
        Instance::new(&mut store, &grower, &[]).unwrap();
        assert!(matches!(Instance::new(&mut store, &grower, &[]), Err(Error::Limit(_))));
        let big = module(engine, "(module (memory 4))");
        let mut other = Store::new(engine, limits).unwrap();
        other.limiter(|limits| limits).unwrap();
        assert!(matches!(Instance::new(&mut other, &big, &[]), Err(Error::Limit(_))));
        let small = module(engine, "(module (memory 2) (memory 1) (table 10 funcref))");
        Instance::new(&mut other, &small, &[]).unwrap();
    });
}

#[derive(Default)]
struct Asked(Vec<(usize, usize, Option<usize>)>);

impl ResourceLimiter for Asked {
    fn memory_growing(&mut self, from: usize, to: usize, maximum: Option<usize>) -> bool {
        self.0.push((from, to, maximum));
        true
    }

    fn table_growing(&mut self, from: usize, to: usize, maximum: Option<usize>) -> bool {
        self.0.push((from, to, maximum));
        true
    }
}

pub fn a_limiter_of_the_embedder(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, Asked::default()).unwrap();
        store.limiter(|asked| asked).unwrap();
        let text = r#"(module
            (memory 1 4)
            (table 2 8 funcref)
            (func (export "f") (drop (memory.grow (i32.const 2)))
                (drop (table.grow (ref.null func) (i32.const 3)))))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        func.call(&mut store, ()).unwrap();
        let page = 1 << 16;
        assert_eq!(
            store.data().0,
            [
                (0, page, Some(4 * page)),
                (0, 2, Some(8)),
                (page, 3 * page, Some(4 * page)),
                (2, 5, Some(8)),
            ]
        );
    });
}

pub fn kernrefs_own_limits(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        for text in ["(module (table 10000001 funcref))", "(module (memory i64 1048577))"] {
            let error = Instance::new(&mut store, &module(engine, text), &[]).unwrap_err();
            assert!(matches!(error, Error::Limit(_)), "{error}");
        }
    });
}
