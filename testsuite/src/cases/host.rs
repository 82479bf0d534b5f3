//! Host functions: wrapped closures, dynamic ones, callers, errors, panics.

use crate::support::{Setup, linked, module};
use alloc::format;
use alloc::string::ToString;
use kernref::{
    Caller, Error, Extern, Func, FuncType, Instance, Linker, Misuse, Store, Trap, Val, ValType,
};

pub fn wrapped_closures_with_every_kind_of_result(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<u32>::new(engine);
        linker.func_wrap("h", "none", || ()).unwrap();
        linker.func_wrap("h", "one", |a: i32, b: i64| i64::from(a) + b).unwrap();
        linker.func_wrap("h", "two", |a: f32, b: f64| (b, a)).unwrap();
        linker.func_wrap("h", "ok", |a: u32| -> kernref::Result<u32> { Ok(a + 1) }).unwrap();
        linker
            .func_wrap("h", "data", |mut caller: Caller<'_, u32>, add: u32| {
                *caller.data_mut() += add;
                *caller.data()
            })
            .unwrap();
        linker.func_wrap("h", "v128", |v: u128| !v).unwrap();
        let (mut store, instance) = linked(
            &linker,
            40,
            r#"(module
                (import "h" "none" (func $none))
                (import "h" "one" (func $one (param i32 i64) (result i64)))
                (import "h" "two" (func $two (param f32 f64) (result f64 f32)))
                (import "h" "ok" (func $ok (param i32) (result i32)))
                (import "h" "data" (func $data (param i32) (result i32)))
                (import "h" "v128" (func $v128 (param v128) (result v128)))
                (func (export "run") (result i64 f64 f32 i32 i32)
                    call $none
                    i32.const -1 i64.const 43 call $one
                    f32.const 1.5 f64.const 2.5 call $two
                    i32.const 6 call $ok
                    i32.const 2 call $data)
                (func (export "not") (param v128) (result v128) local.get 0 call $v128))"#,
        );
        let run = instance.get_typed_func::<(), (i64, f64, f32, i32, i32)>(&mut store, "run");
        assert_eq!(run.unwrap().call(&mut store, ()).unwrap(), (42, 2.5, 1.5, 7, 42));
        assert_eq!(*store.data(), 42);
        let not = instance.get_typed_func::<u128, u128>(&mut store, "not").unwrap();
        assert_eq!(not.call(&mut store, 1 << 100).unwrap(), !(1 << 100));
    });
}

pub fn sixteen_parameters_and_results(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        type Four = (i32, i32, i32, i32);
        linker
            .func_wrap(
                "h",
                "f",
                |a: i32,
                 _: i64,
                 _: f32,
                 _: f64,
                 b: i32,
                 _: i32,
                 _: i32,
                 _: i32,
                 c: i32,
                 _: i32,
                 _: i32,
                 _: i32,
                 _: i32,
                 _: i32,
                 _: i32,
                 d: i32|
                 -> Four { (a, b, c, d) },
            )
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "f" (func $f
                    (param i32 i64 f32 f64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
                    (result i32 i32 i32 i32)))
                (func (export "run") (result i32 i32 i32 i32)
                    i32.const 1 i64.const 2 f32.const 3 f64.const 4
                    i32.const 5 i32.const 6 i32.const 7 i32.const 8
                    i32.const 9 i32.const 10 i32.const 11 i32.const 12
                    i32.const 13 i32.const 14 i32.const 15 i32.const 16
                    call $f))"#,
        );
        let run = instance.get_typed_func::<(), Four>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), (1, 5, 9, 16));
    });
}

pub fn dynamic_functions(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let ty = FuncType::new([ValType::I32, ValType::F64], [ValType::F64, ValType::I32]).unwrap();
        linker
            .func_new("h", "swap", ty.try_clone().unwrap(), |_, params, results| {
                results.clone_from_slice(&[params[1].clone(), params[0].clone()]);
                Ok(())
            })
            .unwrap();
        linker.func_new("h", "bad", ty, |_, _, _| Ok(())).unwrap();
        let wrong = FuncType::new([], [ValType::I32]).unwrap();
        linker
            .func_new("h", "wrong", wrong, |_, _, results| {
                results[0] = Val::I64(1);
                Ok(())
            })
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "swap" (func $swap (param i32 f64) (result f64 i32)))
                (import "h" "bad" (func $bad (param i32 f64) (result f64 i32)))
                (import "h" "wrong" (func $wrong (result i32)))
                (func (export "swap") (result f64 i32) i32.const 3 f64.const 0.5 call $swap)
                (func (export "zeros") (result f64 i32) i32.const 3 f64.const 0.5 call $bad)
                (func (export "wrong") (result i32) call $wrong))"#,
        );
        let swap = instance.get_typed_func::<(), (f64, i32)>(&mut store, "swap").unwrap();
        assert_eq!(swap.call(&mut store, ()).unwrap(), (0.5, 3));
        let zeros = instance.get_typed_func::<(), (f64, i32)>(&mut store, "zeros").unwrap();
        assert_eq!(zeros.call(&mut store, ()).unwrap(), (0.0, 0));
        let wrong = instance.get_typed_func::<(), i32>(&mut store, "wrong").unwrap();
        let outcome = wrong.call(&mut store, ());
        assert!(matches!(outcome, Err(Error::Misuse(Misuse::WrongType))));
    });
}

pub fn callers_see_the_importing_instance(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("h", "peek", |mut caller: Caller<'_, ()>| -> i32 {
                let memory = caller.get_export("mem").and_then(Extern::into_memory).unwrap();
                memory.data(&caller).unwrap()[0].into()
            })
            .unwrap();
        let text = |byte: u8| {
            format!(
                r#"(module
                    (import "h" "peek" (func $peek (result i32)))
                    (memory (export "mem") 1)
                    (data (i32.const 0) "\{byte:02x}")
                    (export "peek" (func $peek))
                    (func (export "run") (result i32) call $peek))"#
            )
        };
        let mut store = Store::new(engine, ()).unwrap();
        for byte in [7, 9] {
            let instance = linker.instantiate(&mut store, &module(engine, &text(byte))).unwrap();
            for name in ["run", "peek"] {
                let run = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
                assert_eq!(run.call(&mut store, ()).unwrap(), byte.into());
            }
        }
    });
}

pub fn the_host_can_call_its_own_functions(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, 1_u64).unwrap();
        let func = Func::wrap(&mut store, |mut caller: Caller<'_, u64>, x: u64| {
            assert!(caller.instance().is_none() && caller.get_export("x").is_none());
            *caller.data_mut() += x;
            *caller.data()
        })
        .unwrap();
        let typed = func.typed::<u64, u64>(&store).unwrap();
        assert_eq!(typed.call(&mut store, 2).unwrap(), 3);
        let mut results = [Val::I64(0)];
        func.call(&mut store, &[Val::I64(4)], &mut results).unwrap();
        assert_eq!(results[0].i64(), Some(7));
        let failing =
            Func::wrap(&mut store, || -> kernref::Result<()> { Err(Trap::NullReference.into()) });
        let failing = failing.unwrap().typed::<(), ()>(&store).unwrap();
        assert_eq!(failing.call(&mut store, ()).unwrap_err().as_trap(), Some(Trap::NullReference));
    });
}

pub fn functions_made_before_and_after_a_stub_exists(setup: Setup) {
    // A host function needs an exit stub of its type before Wasm can call it.
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let early = Func::wrap(&mut store, |x: i32| x + 1).unwrap();
        let text = r#"(module
            (type $t (func (param i32) (result i32)))
            (table (export "t") 2 funcref)
            (func (export "run") (param i32) (result i32)
                (call_indirect (type $t) (i32.const 5) (local.get 0))))"#;
        let instance = Instance::new(&mut store, &module(engine, text), &[]).unwrap();
        let late = Func::wrap(&mut store, |x: i32| x + 2).unwrap();
        let table = instance.get_table(&mut store, "t").unwrap();
        table.set(&mut store, 0, early.into()).unwrap();
        table.set(&mut store, 1, late.into()).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 0).unwrap(), 6);
        assert_eq!(run.call(&mut store, 1).unwrap(), 7);
    });
}

#[derive(Debug, PartialEq)]
struct Refusal(u32);

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "refused with {}", self.0)
    }
}

impl core::error::Error for Refusal {}

pub fn errors_of_host_functions_come_back_as_they_are(setup: Setup) {
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("h", "fail", |code: u32| -> kernref::Result<()> {
                Err(Error::host(Refusal(code)))
            })
            .unwrap();
        linker
            .func_wrap("h", "trap", || -> kernref::Result<()> { Err(Trap::OutOfFuel.into()) })
            .unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "fail" (func $fail (param i32)))
                (import "h" "trap" (func $trap))
                (func (export "fail") (param i32) local.get 0 call $fail)
                (func (export "trap") call $trap))"#,
        );
        let fail = instance.get_typed_func::<u32, ()>(&mut store, "fail").unwrap();
        for code in [5, 6] {
            match fail.call(&mut store, code) {
                Err(Error::Host(error)) => {
                    assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal(code)));
                }
                other => panic!("{other:?}"),
            }
        }
        let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").unwrap();
        assert_eq!(trap.call(&mut store, ()).unwrap_err().as_trap(), Some(Trap::OutOfFuel));
    });
}

pub fn errors_pass_through_many_activations(setup: Setup) {
    // The innermost error reaches the outermost caller unless a host function
    // in between handles it.
    setup.each_engine(|engine| {
        let mut linker = Linker::<Option<u32>>::new(engine);
        let nest = |mut caller: Caller<'_, Option<u32>>, depth: u32| -> kernref::Result<u32> {
            if depth == 0 {
                return Err(Error::host(Refusal(77)));
            }
            let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
            match run.typed::<u32, u32>(&caller)?.call(&mut caller, depth - 1) {
                Err(Error::Host(error)) if *caller.data() == Some(depth) => {
                    assert_eq!(error.downcast_ref::<Refusal>(), Some(&Refusal(77)));
                    Ok(1000)
                }
                outcome => outcome,
            }
        };
        linker.func_wrap("h", "nest", nest).unwrap();
        let text = r#"(module
            (import "h" "nest" (func $nest (param i32) (result i32)))
            (func (export "run") (param i32) (result i32)
                (i32.add (i32.const 1) (call $nest (local.get 0)))))"#;
        for depth in [0, 1, 6] {
            let (mut store, instance) = linked(&linker, None, text);
            let run = instance.get_typed_func::<u32, u32>(&mut store, "run").unwrap();
            for _ in 0..2 {
                match run.call(&mut store, depth) {
                    Err(Error::Host(error)) => assert_eq!(error.to_string(), "refused with 77"),
                    other => panic!("{other:?}"),
                }
            }
            for taker in 1..=depth {
                *store.data_mut() = Some(taker);
                let above = depth - taker + 1;
                assert_eq!(run.call(&mut store, depth).unwrap(), 1000 + above, "{taker}");
            }
        }
    });
}

pub fn a_dynamic_function_calls_itself(setup: Setup) {
    // Each activation has its own values.
    setup.each_engine(|engine| {
        let mut linker = Linker::<()>::new(engine);
        let types = || [ValType::I32, ValType::EXTERNREF];
        let ty = FuncType::new(types(), types()).unwrap();
        let nest = |mut caller: Caller<'_, ()>, params: &[Val], results: &mut [Val]| {
            let depth = params[0].i32().unwrap();
            if depth > 0 {
                let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                let mut inner = [Val::I32(0), Val::I32(0)];
                let params = [Val::I32(depth - 1), params[1].clone()];
                run.call(&mut caller, &params, &mut inner)?;
                results[0] = Val::I32(inner[0].i32().unwrap() + depth);
            }
            // The parameters are unchanged.
            assert_eq!(params[0].i32(), Some(depth));
            results[1] = params[1].clone();
            Ok(())
        };
        linker.func_new("h", "nest", ty, nest).unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "nest" (func $nest (param i32 externref) (result i32 externref)))
                (func (export "run") (param i32 externref) (result i32 externref)
                    (call $nest (local.get 0) (local.get 1))))"#,
        );
        let census = crate::support::Census::default();
        let run = instance.get_func(&mut store, "run").unwrap();
        let object = census.object(1);
        let mut results = [Val::I32(0), Val::I32(0)];
        run.call(&mut store, &[Val::I32(7), object.clone().into()], &mut results).unwrap();
        assert_eq!(results[0].i32(), Some(28));
        assert!(results[1].extern_ref().flatten().is_some_and(|back| back.ptr_eq(&object)));
        drop(results);
        assert_eq!(object.strong_count(), 1);
    });
}

pub fn wrong_results_of_dynamic_functions(setup: Setup) {
    setup.each_engine(|engine| {
        let census = crate::support::Census::default();
        let mut other = Store::new(engine, ()).unwrap();
        let strange = Func::wrap(&mut other, || ()).unwrap();
        let mut linker = Linker::<()>::new(engine);
        let counted = census.clone();
        let ty = FuncType::new([], [ValType::EXTERNREF, ValType::FUNCREF]).unwrap();
        let wrong = move |_: Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
            // A reference in the first place, and a function of another store.
            results[0] = counted.object(1).into();
            results[1] = strange.into();
            Ok(())
        };
        linker.func_new("h", "wrong", ty, wrong).unwrap();
        let (mut store, instance) = linked(
            &linker,
            (),
            r#"(module
                (import "h" "wrong" (func $wrong (result externref funcref)))
                (func (export "run") (call $wrong) drop drop))"#,
        );
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        for _ in 0..3 {
            let refused = run.call(&mut store, ());
            assert!(matches!(refused, Err(Error::Misuse(Misuse::WrongStore))), "{refused:?}");
            assert_eq!(census.alive(), 0);
        }
    });
}
