//! Calls from the host: types, arities, dynamic values.

use crate::support::{Census, Setup, instance, module};
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use kernref::{Error, ExternRef, Func, Instance, Misuse, Store, Val};

pub fn scalars_cross_unchanged(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "i32") (param i32) (result i32) local.get 0)
                (func (export "i64") (param i64) (result i64) local.get 0)
                (func (export "f32") (param f32) (result f32) local.get 0)
                (func (export "f64") (param f64) (result f64) local.get 0)
                (func (export "v128") (param v128) (result v128) local.get 0)
                (func (export "sum") (param i32 i64 f32 f64) (result f64)
                    (f64.add (f64.add (f64.convert_i32_s (local.get 0)) (f64.convert_i64_s (local.get 1)))
                             (f64.add (f64.promote_f32 (local.get 2)) (local.get 3)))))"#,
        );
        macro_rules! identity {
            ($name:literal, $ty:ty, $value:expr) => {{
                let func = instance.get_typed_func::<$ty, $ty>(&mut store, $name).unwrap();
                assert_eq!(func.call(&mut store, $value).unwrap(), $value);
            }};
        }
        identity!("i32", i32, -7);
        identity!("i32", u32, u32::MAX);
        identity!("i64", i64, i64::MIN);
        identity!("i64", u64, u64::MAX - 1);
        identity!("f32", f32, -0.25);
        identity!("f64", f64, 1e300);
        identity!("v128", u128, 0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        let sum = instance.get_typed_func::<(i32, i64, f32, f64), f64>(&mut store, "sum").unwrap();
        assert_eq!(sum.call(&mut store, (1, 2, 0.5, 0.25)).unwrap(), 3.75);
        // A NaN's payload survives, because floats cross as bits.
        let nan = f64::from_bits(0x7ff8_0000_dead_beef);
        let f64s = instance.get_typed_func::<f64, f64>(&mut store, "f64").unwrap();
        assert_eq!(f64s.call(&mut store, nan).unwrap().to_bits(), nan.to_bits());
    });
}

pub fn several_results(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "swap") (param i32 i64) (result i64 i32 f32)
                local.get 1 local.get 0 f32.const 1.5))"#,
        );
        let swap =
            instance.get_typed_func::<(i32, i64), (i64, i32, f32)>(&mut store, "swap").unwrap();
        assert_eq!(swap.call(&mut store, (1, 2)).unwrap(), (2, 1, 1.5));
        let mut results = [Val::I32(0), Val::I32(0), Val::I32(0)];
        swap.func().call(&mut store, &[Val::I32(3), Val::I64(4)], &mut results).unwrap();
        assert_eq!((results[0].i64(), results[1].i32()), (Some(4), Some(3)));
        assert_eq!(results[2].f32(), Some(1.5));
    });
}

pub fn sixteen_and_more_parameters(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "last16") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (result i64)
                    local.get 15)
                (func (export "ends") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32 i32)
                    local.get 0 local.get 19))"#,
        );
        type Sixteen =
            (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i64);
        let last = instance.get_typed_func::<Sixteen, i64>(&mut store, "last16").unwrap();
        let args = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -16);
        assert_eq!(last.call(&mut store, args).unwrap(), -16);
        let ends = instance.get_func(&mut store, "ends").unwrap();
        let params: Vec<Val> = (100..120).map(Val::I32).collect();
        let mut results = [Val::I32(0), Val::I32(0)];
        ends.call(&mut store, &params, &mut results).unwrap();
        assert_eq!((results[0].i32(), results[1].i32()), (Some(100), Some(119)));
    });
}

pub fn types_are_checked_before_the_call(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "f") (param i32) (result i64) i64.const 1))"#,
        );
        let func = instance.get_func(&mut store, "f").unwrap();
        let arity = func.typed::<(), i64>(&store).map(|_| ());
        assert!(matches!(arity, Err(Error::Misuse(Misuse::WrongArity))));
        let ty = func.typed::<i64, i64>(&store).map(|_| ());
        assert!(matches!(ty, Err(Error::Misuse(Misuse::WrongType))));
        let mut one = [Val::I32(0)];
        let wrong = func.call(&mut store, &[Val::I64(0)], &mut one);
        assert!(matches!(wrong, Err(Error::Misuse(Misuse::WrongType))));
        let few = func.call(&mut store, &[], &mut one);
        assert!(matches!(few, Err(Error::Misuse(Misuse::WrongArity))));
        let none = func.call(&mut store, &[Val::I32(0)], &mut []);
        assert!(matches!(none, Err(Error::Misuse(Misuse::WrongArity))));
        assert_eq!(func.ty(&store).unwrap().to_string(), "(func (param i32) (result i64))");
    });
}

pub fn handles_of_another_store_are_refused(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, r#"(module (func (export "f")))"#);
        let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let mut other = Store::new(engine, ()).unwrap();
        assert!(matches!(func.call(&mut other, ()), Err(Error::Misuse(Misuse::WrongStore))));
        assert!(instance.get_export(&mut other, "f").is_none());
        let passing = Func::wrap(&mut other, |_: Option<Func>| ()).unwrap();
        let passing = passing.typed::<Option<Func>, ()>(&other).unwrap();
        let outcome = passing.call(&mut other, Some(*func.func()));
        assert!(matches!(outcome, Err(Error::Misuse(Misuse::WrongStore))));
        drop(store);
        assert!(matches!(func.call(&mut other, ()), Err(Error::Misuse(Misuse::WrongStore))));
    });
}

pub fn modules_of_another_engine_are_refused(setup: Setup) {
    setup.each_engine(|engine| {
        let other = crate::support::engine(engine.config()).unwrap();
        let module = module(engine, "(module)");
        let mut store = Store::new(&other, ()).unwrap();
        let outcome = Instance::new(&mut store, &module, &[]);
        assert!(matches!(outcome, Err(Error::Misuse(Misuse::WrongEngine))));
    });
}

pub fn a_store_gives_its_data_back(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, String::from("a")).unwrap();
        store.data_mut().push('b');
        assert_eq!(store.into_data(), "ab");
    });
}

pub fn every_type_in_every_place(setup: Setup) {
    // Each position of a long list in turn, so that registers and stack both
    // carry each type.
    setup.each_engine(|engine| {
        const KINDS: [&str; 7] = ["i32", "f64", "externref", "i64", "v128", "f32", "funcref"];
        const COUNT: usize = 35;
        for shift in 0..KINDS.len() {
            let kind = |at: usize| KINDS[(at + shift) % KINDS.len()];
            let types: String = (0..COUNT).map(|at| format!("{} ", kind(at))).collect();
            let gets: String = (0..COUNT).map(|at| format!("(local.get {at}) ")).collect();
            let text = format!(
                r#"(module
                    (func $inner (param {types}) (result {types}) {gets})
                    (func (export "run") (param {types}) (result {types}) (call $inner {gets})))"#
            );
            let (mut store, instance) = instance(engine, &text);
            let census = Census::default();
            let run = instance.get_func(&mut store, "run").unwrap();
            let value = |at: usize| -> Val {
                let bits = 0x0101_0101_0101_0101_u64.wrapping_mul(at as u64 + 1);
                match kind(at) {
                    "i32" => Val::I32(bits as i32),
                    "i64" => Val::I64(bits as i64),
                    "f32" => Val::F32(bits as u32),
                    "f64" => Val::F64(bits),
                    "v128" => Val::V128(u128::from(bits) << 64 | u128::from(!bits)),
                    "externref" if at.is_multiple_of(2) => Val::ExternRef(None),
                    "externref" => census.object(at as u32).into(),
                    _ if at.is_multiple_of(2) => Val::FuncRef(None),
                    _ => run.into(),
                }
            };
            let params: Vec<Val> = (0..COUNT).map(value).collect();
            let mut results: Vec<Val> = (0..COUNT).map(|_| Val::I32(0)).collect();
            run.call(&mut store, &params, &mut results).unwrap();
            for (at, (sent, back)) in params.iter().zip(&results).enumerate() {
                let same = match (sent, back) {
                    (Val::I32(a), Val::I32(b)) => a == b,
                    (Val::I64(a), Val::I64(b)) => a == b,
                    (Val::F32(a), Val::F32(b)) => a == b,
                    (Val::F64(a), Val::F64(b)) => a == b,
                    (Val::V128(a), Val::V128(b)) => a == b,
                    (Val::FuncRef(a), Val::FuncRef(b)) => a.is_some() == b.is_some(),
                    (Val::ExternRef(None), Val::ExternRef(None)) => true,
                    (Val::ExternRef(Some(a)), Val::ExternRef(Some(b))) => a.ptr_eq(b),
                    _ => false,
                };
                assert!(same, "{at}: {sent:?} came back as {back:?}");
            }
            drop((params, results));
            assert_eq!(census.alive(), 0);
        }
    });
}

pub fn sixteen_typed_results(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "f") (param i32)
                (result i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64)
                (local.get 0) (i64.const 2) (f32.const 3) (f64.const 4)
                (i32.const 5) (i64.const 6) (f32.const 7) (f64.const 8)
                (i32.const 9) (i64.const 10) (f32.const 11) (f64.const 12)
                (i32.const 13) (i64.const 14) (f32.const 15) (f64.const 16)))"#,
        );
        type R = (i32, i64, f32, f64, i32, i64, f32, f64, i32, i64, f32, f64, i32, i64, f32, f64);
        let f = instance.get_typed_func::<i32, R>(&mut store, "f").unwrap();
        let found = f.call(&mut store, 1).unwrap();
        assert_eq!((found.0, found.1, found.2, found.3), (1, 2, 3.0, 4.0));
        assert_eq!((found.4, found.5, found.6, found.7), (5, 6, 7.0, 8.0));
        assert_eq!((found.8, found.9, found.10, found.11), (9, 10, 11.0, 12.0));
        assert_eq!((found.12, found.13, found.14, found.15), (13, 14, 15.0, 16.0));
    });
}

pub fn a_refused_call_moves_nothing(setup: Setup) {
    setup.each_engine(|engine| {
        let census = Census::default();
        let (mut store, instance) = instance(
            engine,
            r#"(module (func (export "f") (param externref funcref) (result i32) i32.const 1))"#,
        );
        let f = instance.get_func(&mut store, "f").unwrap();
        let mut other = Store::new(engine, ()).unwrap();
        let strange = Func::wrap(&mut other, || ()).unwrap();
        let object = || -> Val { census.object(1).into() };
        let mut one = [Val::I32(0)];
        for params in [
            &[object(), Val::FuncRef(Some(strange))][..],
            &[object(), object()],
            &[object()],
            &[object(), Val::FuncRef(None), object()],
            &[Val::FuncRef(None), object()],
        ] {
            assert!(matches!(f.call(&mut store, params, &mut one), Err(Error::Misuse(_))));
            assert_eq!(store.gc_stats().slots_used, 0);
        }
        let typed = f.typed::<(ExternRef, Func), i32>(&store).unwrap();
        let refused = typed.call(&mut store, (census.object(2), strange));
        assert!(matches!(refused, Err(Error::Misuse(Misuse::WrongStore))));
        assert_eq!((census.alive(), store.gc_stats().slots_used), (0, 0));
        f.call(&mut store, &[object(), Val::FuncRef(None)], &mut one).unwrap();
        assert_eq!((one[0].i32(), census.alive()), (Some(1), 0));
    });
}
