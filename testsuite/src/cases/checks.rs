//! Bounds checks that cover several accesses, and locals whose values are known
//! across blocks and loops: nothing may trap too early, too late, or
//! differently from each operator on its own.

use crate::support::{Setup, instance};
use alloc::format;
use alloc::string::String;
use kernref::{Error, Instance, Store, Trap};

const END: u32 = 1 << 16;

fn call(
    store: &mut Store<()>,
    instance: &Instance,
    name: &str,
    args: (u32, u32),
) -> Result<u32, Trap> {
    let func = instance.get_typed_func::<(u32, u32), u32>(&mut *store, name).unwrap();
    func.call(store, args).map_err(|error| match error {
        Error::Trap(trap) => trap,
        other => panic!("{other}"),
    })
}

/// Each function accesses `$p`, does something, and accesses `$p` further out.
const BETWEEN: &str = r#"(module (memory (export "m") 1 2) (global $g (mut i32) (i32.const 0))
    (func (export "store") (param $p i32) (param $q i32) (result i32)
        (drop (i32.load (local.get $p)))
        (i32.store (local.get $q) (i32.const 7))
        (i32.load offset=4 (local.get $p)))
    (func (export "store8") (param $p i32) (param $q i32) (result i32)
        (drop (i32.load8_u (local.get $p)))
        (i32.store8 (local.get $q) (i32.const 7))
        (i32.load8_u offset=4 (local.get $p)))
    (func (export "own store") (param $p i32) (param i32) (result i32)
        (i32.store (local.get $p) (i32.const 7))
        (i32.store offset=4 (local.get $p) (i32.const 8))
        (i32.load (local.get $p)))
    (func (export "copy") (param $p i32) (param $q i32) (result i32)
        (drop (i32.load (local.get $p)))
        (memory.fill (local.get $q) (i32.const 7) (i32.const 4))
        (i32.load offset=4 (local.get $p)))
    (func (export "global") (param $p i32) (param i32) (result i32)
        (drop (i32.load (local.get $p)))
        (global.set $g (i32.const 7))
        (i32.load offset=4 (local.get $p)))
    (func (export "g") (param i32 i32) (result i32) (global.get $g))
    (func (export "divide") (param $p i32) (param $q i32) (result i32)
        (drop (i32.load (local.get $p)))
        (drop (i32.div_u (i32.const 1) (local.get $q)))
        (i32.load offset=4 (local.get $p)))
    (func (export "grow") (param $p i32) (param $q i32) (result i32)
        (drop (i32.load (local.get $p)))
        (drop (memory.grow (local.get $q)))
        (i32.load offset=4 (local.get $p)))
    (func (export "leave") (param $p i32) (param $q i32) (result i32)
        (drop (i32.load (local.get $p)))
        (if (local.get $q) (then (return (i32.const 1))))
        (i32.load offset=4 (local.get $p)))
    (func (export "silent") (param $p i32) (param i32) (result i32)
        (i32.add (i32.load8_u (local.get $p)) (i32.add
            (i32.load16_u offset=1 (local.get $p)) (i32.load offset=4 (local.get $p))))))"#;

pub fn what_happens_between_two_accesses_is_seen(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, BETWEEN);
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let (last, outside) = (END - 4, Err(Trap::MemoryOutOfBounds));
        for (name, at) in [("store", last), ("store8", END - 1), ("copy", last)] {
            memory.write(&mut store, 8, &[0; 4]).unwrap();
            assert_eq!(call(&mut store, &instance, name, (at, 8)), outside, "{name}");
            assert_eq!(memory.data(&store).unwrap()[8], 7, "{name}");
            assert!(call(&mut store, &instance, name, (at - 4, 8)).is_ok(), "{name}");
        }
        assert_eq!(call(&mut store, &instance, "own store", (last, 0)), outside);
        assert_eq!(memory.data(&store).unwrap()[last as usize], 7);
        assert_eq!(call(&mut store, &instance, "global", (last, 0)), outside);
        assert_eq!(call(&mut store, &instance, "g", (0, 0)), Ok(7));
        let zero = Err(Trap::IntegerDivisionByZero);
        assert_eq!(call(&mut store, &instance, "divide", (last, 0)), zero);
        assert_eq!(call(&mut store, &instance, "divide", (last, 1)), outside);
        assert_eq!(call(&mut store, &instance, "leave", (last, 1)), Ok(1));
        assert_eq!(call(&mut store, &instance, "leave", (last, 0)), outside);
        for at in END - 7..END + 2 {
            assert_eq!(call(&mut store, &instance, "silent", (at, 0)), outside);
        }
        assert!(call(&mut store, &instance, "silent", (END - 8, 0)).is_ok());
        assert_eq!(call(&mut store, &instance, "silent", (u32::MAX, 0)), outside);
        assert_eq!(call(&mut store, &instance, "grow", (last, 0)), outside);
        assert_eq!(call(&mut store, &instance, "grow", (last, 1)), Ok(0));
    });
}

/// Each function makes a check on some paths only, then a smaller access.
const PATHS: &str = r#"(module (memory 1)
    (func (export "then") (param $p i32) (param $q i32) (result i32)
        (if (local.get $q) (then (drop (i32.load offset=8 (local.get $p)))))
        (i32.load offset=4 (local.get $p)))
    (func (export "other") (param $p i32) (param $q i32) (result i32)
        (if (result i32) (i32.eqz (local.get $q))
            (then (i32.const 0)) (else (i32.load offset=8 (local.get $p))))
        (i32.add (i32.load offset=4 (local.get $p))))
    (func (export "from then to else") (param $p i32) (param $q i32) (result i32)
        (if (result i32) (local.get $q)
            (then (i32.load offset=8 (local.get $p)))
            (else (i32.load offset=4 (local.get $p)))))
    (func (export "block") (param $p i32) (param $q i32) (result i32)
        (block $b
            (br_if $b (i32.eqz (local.get $q)))
            (drop (i32.load offset=8 (local.get $p))))
        (i32.load offset=4 (local.get $p)))
    (func (export "table") (param $p i32) (param $q i32) (result i32)
        (block $b (block $c (br_table $b $c (local.get $q)))
            (drop (i32.load offset=8 (local.get $p))))
        (i32.load offset=4 (local.get $p)))
    (func (export "loop") (param $p i32) (param $q i32) (result i32)
        (block $b (loop $l
            (br_if $b (i32.eqz (local.get $q)))
            (drop (i32.load offset=8 (local.get $p)))
            (local.set $q (i32.const 0))
            (br $l)))
        (i32.load offset=4 (local.get $p))))"#;

pub fn a_check_counts_on_its_own_path_only(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, PATHS);
        let outside = Err(Trap::MemoryOutOfBounds);
        for name in ["then", "other", "from then to else", "block", "table", "loop"] {
            for (at, q, expected) in [
                (END - 12, 1, Ok(0)),
                (END - 8, 1, outside),
                (END - 8, 0, Ok(0)),
                (END - 7, 0, outside),
                (u32::MAX, 0, outside),
            ] {
                let found = call(&mut store, &instance, name, (at, q));
                assert_eq!(found, expected, "{name} {at} {q}");
            }
        }
    });
}

/// Locals that change in code a single pass has not reached yet.
const LOCALS: &str = r#"(module (memory 1)
    (func (export "walk") (param $p i32) (param $n i32) (result i32)
        (drop (i32.load (local.get $p)))
        (loop $l
            (drop (i32.load (local.get $p)))
            (local.set $p (i32.add (local.get $p) (i32.const 0x1000)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $p))
    (func (export "fibonacci") (param $a i32) (param $n i32) (result i32) (local $b i32) (local $c i32)
        (local.set $b (i32.const 1))
        (loop $l
            (local.set $c (i32.add (local.get $a) (local.get $b)))
            (local.set $a (local.get $b))
            (local.set $b (local.get $c))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $a))
    (func (export "inner") (param $x i32) (param $n i32) (result i32) (local $i i32) (local $sum i32)
        (loop $outer
            (local.set $sum (i32.add (local.get $sum) (local.get $x)))
            (local.set $i (i32.const 3))
            (loop $inner
                (local.set $sum (i32.add (local.get $sum) (local.get $x)))
                (if (i32.eq (local.get $i) (i32.const 2))
                    (then (local.set $x (i32.add (local.get $x) (i32.const 10)))))
                (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.add (local.get $sum) (local.get $x)))
    (func (export "arms") (param $x i32) (param $n i32) (result i32)
        (if (local.get $n)
            (then (local.set $x (i32.const 20)))
            (else (local.set $x (i32.add (local.get $x) (i32.const 1)))))
        (block $b
            (br_if $b (local.get $n))
            (local.set $x (i32.mul (local.get $x) (i32.const 3))))
        (local.get $x))
    (func (export "after a branch") (param $x i32) (param $n i32) (result i32)
        (block $b
            (block $dead (br $dead (local.set $x (i32.const 99))))
            (local.set $x (i32.const 5))
            (br_if $b (local.get $n))
            (local.set $x (i32.const 6)))
        (local.get $x)))"#;

pub fn locals_change_where_they_are_assigned(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, LOCALS);
        let mut is = |name: &str, args: (u32, u32), expected: Result<u32, Trap>| {
            assert_eq!(call(&mut store, &instance, name, args), expected, "{name} {args:?}");
        };
        is("walk", (0, 16), Ok(END));
        is("walk", (0, 17), Err(Trap::MemoryOutOfBounds));
        is("walk", (END - 4, 1), Ok(END + 0xffc));
        is("walk", (END - 4, 2), Err(Trap::MemoryOutOfBounds));
        is("fibonacci", (0, 10), Ok(55));
        // 1 + 1 + 1 + 11, then 11 + 11 + 11 + 21, and 21.
        is("inner", (1, 2), Ok(14 + 54 + 21));
        is("arms", (1, 1), Ok(20));
        is("arms", (1, 0), Ok(6));
        is("after a branch", (1, 1), Ok(5));
        is("after a branch", (1, 0), Ok(6));
    });
}

/// A copy and a fill of each length, once constant and once not.
fn bulk(len: u32, (memories, from): (&str, &str), address: &str) -> String {
    format!(
        r#"(module {memories}
        (func (export "copy") (param {address} {address})
            (memory.copy $a {from} (local.get 0) (local.get 1) ({address}.const {len})))
        (func (export "copy any") (param {address} {address} {address})
            (memory.copy $a {from} (local.get 0) (local.get 1) (local.get 2)))
        (func (export "fill") (param {address} i32)
            (memory.fill $a (local.get 0) (local.get 1) ({address}.const {len})))
        (func (export "fill any") (param {address} i32 {address})
            (memory.fill $a (local.get 0) (local.get 1) (local.get 2))))"#
    )
}

fn bytes(from: u8) -> [u8; 256] {
    core::array::from_fn(|at| from.wrapping_add((at * 7) as u8))
}

fn every_length<A>(setup: Setup, memories: (&str, &str), address: &str, number: fn(u64) -> A)
where
    A: kernref::ToWasm + Copy,
    (A, A): kernref::WasmParams,
    (A, A, A): kernref::WasmParams,
    (A, u32): kernref::WasmParams,
    (A, u32, A): kernref::WasmParams,
{
    let end = u64::from(END);
    setup.each_engine(|engine| {
        for len in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100] {
            let (mut store, instance) = instance(engine, &bulk(len, memories, address));
            let [a, b] = ["a", "b"].map(|name| instance.get_memory(&mut store, name).unwrap());
            let copy = instance.get_typed_func::<(A, A), ()>(&mut store, "copy").unwrap();
            let any = instance.get_typed_func::<(A, A, A), ()>(&mut store, "copy any").unwrap();
            let fill = instance.get_typed_func::<(A, u32), ()>(&mut store, "fill").unwrap();
            let fill_any =
                instance.get_typed_func::<(A, u32, A), ()>(&mut store, "fill any").unwrap();
            let (size, len) = (len as usize, u64::from(len));
            let edge = end - 256;
            for (to, from) in [(0, 3), (3, 0), (5, 5), (100, 8), (0, 256 - len), (256 - len, 1)] {
                a.write(&mut store, edge as usize, &bytes(1)).unwrap();
                b.write(&mut store, edge as usize, &bytes(1)).unwrap();
                let mut expected = bytes(1);
                expected.copy_within(from as usize..from as usize + size, to as usize);
                let args = (number(edge + to), number(edge + from));
                copy.call(&mut store, args).unwrap();
                assert_eq!(a.data(&store).unwrap()[edge as usize..], expected, "{len} {to} {from}");
                a.write(&mut store, edge as usize, &bytes(1)).unwrap();
                b.write(&mut store, edge as usize, &bytes(1)).unwrap();
                any.call(&mut store, (args.0, args.1, number(len))).unwrap();
                assert_eq!(a.data(&store).unwrap()[edge as usize..], expected, "{len} {to} {from}");
            }
            for value in [0x1a5, 0xffff_ff00] {
                let mut expected = bytes(9);
                expected[256 - size..].fill(value as u8);
                a.write(&mut store, edge as usize, &bytes(9)).unwrap();
                fill.call(&mut store, (number(end - len), value)).unwrap();
                assert_eq!(a.data(&store).unwrap()[edge as usize..], expected, "{len}");
                a.write(&mut store, edge as usize, &bytes(9)).unwrap();
                fill_any.call(&mut store, (number(end - len), value, number(len))).unwrap();
                assert_eq!(a.data(&store).unwrap()[edge as usize..], expected, "{len}");
            }
            // One byte too far, or very far: it traps and writes nothing.
            a.write(&mut store, edge as usize, &bytes(9)).unwrap();
            for far in [end - len + 1, end + 1, u64::MAX - 1, u64::MAX] {
                let (near, far, len) = (number(0), number(far), number(len));
                for outcome in [
                    copy.call(&mut store, (far, near)),
                    copy.call(&mut store, (near, far)),
                    any.call(&mut store, (far, near, len)),
                    any.call(&mut store, (near, far, len)),
                    fill.call(&mut store, (far, 3)),
                    fill_any.call(&mut store, (far, 3, len)),
                ] {
                    assert!(matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds))));
                }
            }
            let outcome = fill_any.call(&mut store, (number(8), 3, number(u64::MAX)));
            assert!(matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds))));
            assert_eq!(a.data(&store).unwrap()[edge as usize..], bytes(9));
            assert!(a.data(&store).unwrap()[..64].iter().all(|byte| *byte == 0));
        }
    });
}

pub fn copies_and_fills_of_every_length(setup: Setup) {
    let one = r#"(memory $a (export "a") (export "b") 1)"#;
    every_length(setup, (one, "$a"), "i32", |number| number as u32);
    let two = r#"(memory $a (export "a") 1) (memory $b (export "b") 1)"#;
    every_length(setup, (two, "$b"), "i32", |number| number as u32);
}

pub fn copies_and_fills_with_64_bit_addresses(setup: Setup) {
    let one = r#"(memory $a (export "a") (export "b") i64 1)"#;
    every_length(setup, (one, "$a"), "i64", |number| number);
}

pub fn offsets_near_the_end_of_64_bits(setup: Setup) {
    setup.each_engine(|engine| {
        for offset in [u64::MAX, u64::MAX - 1, u64::MAX - 63, u64::MAX - 64, u64::MAX - 65] {
            let wat = format!(
                r#"(module (memory i64 1) (func (export "load8") (param $p i64) (result i32)
                    (i32.load8_u offset={offset} (local.get $p))))"#
            );
            let (mut store, instance) = instance(engine, &wat);
            let load = instance.get_typed_func::<u64, u32>(&mut store, "load8").unwrap();
            // No carry, a carry to a valid address, and the last address.
            for at in [0, u64::MAX - offset, 1 + (u64::MAX - offset), 66, u64::MAX] {
                let outcome = load.call(&mut store, at);
                assert!(matches!(outcome, Err(Error::Trap(Trap::MemoryOutOfBounds))), "{at}");
            }
        }
    });
}

pub fn a_byte_then_a_wider_access_near_the_end_of_64_bits(setup: Setup) {
    // A check of one byte has nothing to add, and so no carry to test: it must not
    // be made to cover what a later access reaches.
    const BODIES: [&str; 4] = [
        "(drop (i32.load8_u (local.get 0))) (drop (i64.load offset=8 (local.get 0)))",
        "(drop (i32.load8_u (local.get 0))) (drop (i32.load8_u offset=65000 (local.get 0)))",
        "(i32.store8 (local.get 0) (i32.const 1)) (i64.store offset=100 (local.get 0) (i64.const 2))",
        "(i32.store8 (local.get 0) (i32.const 1)) (drop (i32.load16_u (local.get 0)))",
    ];
    setup.each_engine(|engine| {
        let functions: String = (BODIES.iter().enumerate())
            .map(|(at, body)| format!("(func (export \"f{at}\") (param i64) {body})"))
            .collect();
        let (mut store, instance) =
            instance(engine, &format!("(module (memory (export \"m\") i64 1) {functions})"));
        for (at, body) in BODIES.iter().enumerate() {
            let func = instance.get_typed_func::<u64, ()>(&mut store, &format!("f{at}")).unwrap();
            for index in [u64::MAX, u64::MAX - 1, u64::MAX - 7, u64::MAX - 107, u64::MAX - 64_999] {
                let outcome = func.call(&mut store, index);
                let found = outcome.map_err(|error| error.as_trap());
                assert_eq!(found, Err(Some(Trap::MemoryOutOfBounds)), "{body} at {index:#x}");
            }
            func.call(&mut store, 0).unwrap();
        }
        // Only what began at 0 was written.
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let written = memory.data(&store).unwrap().iter().filter(|byte| **byte != 0).count();
        assert_eq!(written, 2);
    });
}
