//! Linear memory at its edges: every access width, overflowing offsets, bulk
//! operations, segments, growth.

use crate::support::{Setup, instance, module};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use kernref::{Error, Instance, Memory, MemoryType, Store, Trap, TypedFunc};

const PAGE: u64 = 1 << 16;

/// Loads, with result type and width in bytes.
const LOADS: [(&str, &str, u64); 14] = [
    ("i32.load8_s", "i32", 1),
    ("i32.load8_u", "i32", 1),
    ("i32.load16_s", "i32", 2),
    ("i32.load16_u", "i32", 2),
    ("i32.load", "i32", 4),
    ("i64.load8_s", "i64", 1),
    ("i64.load8_u", "i64", 1),
    ("i64.load16_s", "i64", 2),
    ("i64.load16_u", "i64", 2),
    ("i64.load32_s", "i64", 4),
    ("i64.load32_u", "i64", 4),
    ("i64.load", "i64", 8),
    ("f32.load", "f32", 4),
    ("f64.load", "f64", 8),
];

/// Stores, with operand type and width in bytes.
const STORES: [(&str, &str, u64); 9] = [
    ("i32.store8", "i32", 1),
    ("i32.store16", "i32", 2),
    ("i32.store", "i32", 4),
    ("i64.store8", "i64", 1),
    ("i64.store16", "i64", 2),
    ("i64.store32", "i64", 4),
    ("i64.store", "i64", 8),
    ("f32.store", "f32", 4),
    ("f64.store", "f64", 8),
];

const OFFSETS: [u64; 5] = [0, 1, 65_528, 65_536, 0xffff_ffff];

/// One function per access and offset, named `name@offset`. Loads return their
/// bits as an i64; stores take theirs as one.
fn accesses(address: &str) -> String {
    let mut text = format!(
        r#"(module (memory (export "m") {} 1 2)
        (func (export "grow") (drop (memory.grow ({address}.const 1)))) "#,
        if address == "i64" { "i64" } else { "" }
    );
    for offset in OFFSETS {
        for (name, ty, _) in LOADS {
            let load = format!("({name} offset={offset} (local.get 0))");
            let bits = match ty {
                "i32" => format!("(i64.extend_i32_u {load})"),
                "f32" => format!("(i64.extend_i32_u (i32.reinterpret_f32 {load}))"),
                "f64" => format!("(i64.reinterpret_f64 {load})"),
                _ => load,
            };
            text += &format!(
                r#"(func (export "{name}@{offset}") (param {address}) (result i64) {bits}) "#
            );
        }
        for (name, ty, _) in STORES {
            let value = match ty {
                "i32" => "(i32.wrap_i64 (local.get 1))",
                "f32" => "(f32.reinterpret_i32 (i32.wrap_i64 (local.get 1)))",
                "f64" => "(f64.reinterpret_i64 (local.get 1))",
                _ => "(local.get 1)",
            };
            text += &format!(
                r#"(func (export "{name}@{offset}") (param {address} i64)
                    ({name} offset={offset} (local.get 0) {value})) "#
            );
        }
    }
    text + ")"
}

/// Addresses around the point where `address + offset + width` leaves `size`.
fn around(size: u64, offset: u64, width: u64, largest: u64) -> Vec<u64> {
    let edge = size.wrapping_sub(offset).wrapping_sub(width);
    let near = [edge.wrapping_sub(1), edge, edge.wrapping_add(1), edge.wrapping_add(width)];
    let fixed =
        [0, 1, largest, largest - 1, largest - 7, largest / 2, largest.wrapping_sub(offset)];
    let mut all: Vec<u64> = near.into_iter().chain(fixed).filter(|at| *at <= largest).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn is_inside(address: u64, offset: u64, width: u64, size: u64) -> bool {
    u128::from(address) + u128::from(offset) + u128::from(width) <= u128::from(size)
}

/// The value a load yields for these little-endian bytes.
fn expected(name: &str, ty: &str, bytes: &[u8]) -> u64 {
    let mut raw = [0; 8];
    raw[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(raw);
    if !name.ends_with("_s") {
        return value;
    }
    let unused = 64 - 8 * bytes.len() as u32;
    let signed = ((value << unused) as i64 >> unused) as u64;
    if ty == "i32" { signed & 0xffff_ffff } else { signed }
}

fn every_access<A>(setup: Setup, address: &str, largest: u64, convert: fn(u64) -> A)
where
    A: kernref::ToWasm + Copy,
    (A, u64): kernref::WasmParams,
{
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(engine, &accesses(address));
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let outside = Some(Trap::MemoryOutOfBounds);
        for grown in [false, true] {
            if grown {
                let grow = instance.get_typed_func::<(), ()>(&mut store, "grow").unwrap();
                grow.call(&mut store, ()).unwrap();
            }
            let size = memory.data_size(&store).unwrap() as u64;
            assert_eq!(size, if grown { 2 * PAGE } else { PAGE });
            let pattern = |at: usize| (at as u8).wrapping_mul(31) ^ 0x95;
            let bytes = memory.data_mut(&mut store).unwrap();
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = pattern(at));
            for offset in OFFSETS {
                for (name, ty, width) in LOADS {
                    let load: TypedFunc<A, u64> =
                        instance.get_typed_func(&mut store, &format!("{name}@{offset}")).unwrap();
                    for address in around(size, offset, width, largest) {
                        let found = load.call(&mut store, convert(address));
                        if is_inside(address, offset, width, size) {
                            let start = (address + offset) as usize;
                            let bytes = &memory.data(&store).unwrap()[start..][..width as usize];
                            let wanted = expected(name, ty, bytes);
                            assert_eq!(found.unwrap(), wanted, "{name}@{offset} at {address}");
                        } else {
                            let trap = found.unwrap_err().as_trap();
                            assert_eq!(trap, outside, "{name}@{offset} at {address}");
                        }
                    }
                }
                for (name, _, width) in STORES {
                    let func: TypedFunc<(A, u64), ()> =
                        instance.get_typed_func(&mut store, &format!("{name}@{offset}")).unwrap();
                    for address in around(size, offset, width, largest) {
                        let value = 0x1122_3344_5566_7788_u64;
                        let outcome = func.call(&mut store, (convert(address), value));
                        let tail = size as usize - 16;
                        if is_inside(address, offset, width, size) {
                            outcome.unwrap();
                            let start = (address + offset) as usize;
                            let bytes = memory.data_mut(&mut store).unwrap();
                            let written = &mut bytes[start..][..width as usize];
                            assert_eq!(written, &value.to_le_bytes()[..width as usize], "{name}");
                            for (at, byte) in written.iter_mut().enumerate() {
                                *byte = pattern(start + at);
                            }
                        } else {
                            assert_eq!(outcome.unwrap_err().as_trap(), outside, "{name}@{offset}");
                        }
                        // Nothing next to it is written, and nothing at all on
                        // a trap.
                        let bytes = memory.data(&store).unwrap();
                        let near = bytes[..16].iter().enumerate();
                        let near = near
                            .chain(bytes[tail..].iter().enumerate().map(|(a, b)| (a + tail, b)));
                        assert!(near.into_iter().all(|(at, byte)| *byte == pattern(at)));
                    }
                }
            }
        }
    });
}

pub fn every_access_with_32_bit_addresses(setup: Setup) {
    every_access::<u32>(setup, "i32", u64::from(u32::MAX), |address| address as u32);
}

pub fn every_access_with_64_bit_addresses(setup: Setup) {
    every_access::<u64>(setup, "i64", u64::MAX, |address| address);
}

pub fn a_memory_without_pages(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (memory (export "m") 0 1)
                (data $d "x")
                (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
                (func (export "store") (param i32) (i32.store8 (local.get 0) (i32.const 1)))
                (func (export "fill") (param i32)
                    (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))
                (func (export "init") (param i32)
                    (memory.init $d (i32.const 0) (i32.const 0) (local.get 0)))
                (func (export "copy") (param i32)
                    (memory.copy (i32.const 0) (i32.const 0) (local.get 0)))
                (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
        );
        let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
        for address in [0, 1, u32::MAX] {
            let error = load.call(&mut store, address).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds));
        }
        for name in ["store", "fill", "init", "copy"] {
            let func = instance.get_typed_func::<u32, ()>(&mut store, name).unwrap();
            assert!(name == "store" || func.call(&mut store, 0).is_ok(), "{name} of nothing");
            let error = func.call(&mut store, 1).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds), "{name}");
        }
        let grow = instance.get_typed_func::<u32, i32>(&mut store, "grow").unwrap();
        assert_eq!(grow.call(&mut store, 0).unwrap(), 0);
        assert_eq!(grow.call(&mut store, 2).unwrap(), -1);
        assert_eq!(grow.call(&mut store, 1).unwrap(), 0);
        assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
        assert_eq!(load.call(&mut store, 65535).unwrap(), 0);
        assert!(load.call(&mut store, 65536).is_err());
    });
}

pub fn copies_that_overlap(setup: Setup) {
    setup.each_engine(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (memory (export "m") 1)
                (func (export "copy") (param i32 i32 i32)
                    (memory.copy (local.get 0) (local.get 1) (local.get 2))))"#,
        );
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let copy = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, "copy").unwrap();
        let size = PAGE as usize;
        let cases = [(0, 0, 64), (1, 0, 64), (0, 1, 64), (8, 0, 300), (0, 8, 300), (100, 90, 10)];
        for base in [0, size - 400] {
            for (dst, src, len) in cases {
                let bytes = memory.data_mut(&mut store).unwrap();
                bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7) as u8);
                let mut model = bytes.to_vec();
                model.copy_within(base + src..base + src + len, base + dst);
                let args = ((base + dst) as u32, (base + src) as u32, len as u32);
                copy.call(&mut store, args).unwrap();
                assert!(memory.data(&store).unwrap() == model, "{args:?}");
            }
        }
        // One byte too many: nothing is copied.
        let before = memory.data(&store).unwrap().to_vec();
        let size = PAGE as u32;
        for args in [(size - 9, 0, 10), (0, size - 9, 10), (size, 0, 1), (size + 1, 0, 0)] {
            let error = copy.call(&mut store, args).unwrap_err();
            assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds), "{args:?}");
            assert!(memory.data(&store).unwrap() == before, "{args:?}");
        }
        copy.call(&mut store, (size, size, 0)).unwrap();
    });
}

pub fn segments_at_the_edge(setup: Setup) {
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        for (text, fits) in [
            (r#"(module (memory 1) (data (i32.const 65533) "abc"))"#, true),
            (r#"(module (memory 1) (data (i32.const 65534) "abc"))"#, false),
            (r#"(module (memory 1) (data (i32.const 65536) ""))"#, true),
            (r#"(module (memory 1) (data (i32.const 65537) ""))"#, false),
            (r#"(module (memory 1) (data (i32.const -1) "a"))"#, false),
            (r#"(module (memory 0) (data (i32.const 0) ""))"#, true),
            (r#"(module (memory 0) (data (i32.const 0) "a"))"#, false),
            (r#"(module (memory i64 1) (data (i64.const 0x100000000) "a"))"#, false),
        ] {
            match Instance::new(&mut store, &module(engine, text), &[]) {
                Ok(_) => assert!(fits, "{text}"),
                Err(error) => {
                    assert!(!fits, "{text}");
                    assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds), "{text}");
                }
            }
        }
    });
}

pub fn growth_is_seen_at_once(setup: Setup) {
    // The base and size are reloaded after anything that can change them.
    setup.each_engine(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let ty = MemoryType { minimum: 1, maximum: Some(8), memory64: false };
        let memory = Memory::new(&mut store, ty).unwrap();
        let grow = move |mut caller: kernref::Caller<'_, ()>| -> kernref::Result<()> {
            memory.grow(&mut caller, 1)?;
            let size = memory.data_size(&caller)?;
            memory.write(&mut caller, size - 1, &[77])
        };
        let grow = kernref::Func::wrap(&mut store, grow).unwrap();
        let text = r#"(module
            (import "" "m" (memory 1))
            (import "" "grow" (func $grow))
            (func $last (result i32)
                (i32.load8_u (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))))
            (func (export "run") (result i32 i32 i32)
                (i32.store8 (i32.const 65535) (i32.const 5))
                (call $last)
                (call $grow)
                (i32.add (call $last) (i32.load8_u (i32.const 131071)))
                (drop (memory.grow (i32.const 1)))
                (i32.store8 (i32.const 196607) (i32.const 9))
                (call $last)))"#;
        let imports = [memory.into(), grow.into()];
        let instance = Instance::new(&mut store, &module(engine, text), &imports).unwrap();
        let run = instance.get_typed_func::<(), (u32, u32, u32)>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), (5, 154, 9));
        assert_eq!(memory.size(&store).unwrap(), 3);
        for _ in 0..3 {
            assert!(matches!(memory.grow(&mut store, 6), Err(Error::Limit(_))));
        }
        assert_eq!(memory.grow(&mut store, 5).unwrap(), 3);
        assert!(memory.data(&store).unwrap()[3 * 65536..].iter().all(|byte| *byte == 0));
    });
}
