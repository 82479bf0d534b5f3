//! Numbers, tables and expressions, where single bytes of whole artifacts
//! (`tests/artifacts`) do not reach.

use super::bytes::{Cursor, Out};
use super::code::{read_sites, read_stack_maps, write_stack_maps};
use super::expressions::{self, Expressions};
use crate::abi::{FuncIndex, GlobalIndex};
use crate::artifact::lasting::Lasting;
use crate::artifact::module::{ConstExpr, ConstOp, Global, ModuleInfo, NO_ESCAPE};
use crate::artifact::stack_map::StackMaps;
use crate::artifact::types::{GlobalType, RefType, ValType};
use crate::error::{ArtifactFault, ArtifactSection, Error};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const SECTION: ArtifactSection = ArtifactSection::Globals;

fn rule(error: Error) -> &'static str {
    match error {
        Error::Artifact(error) => match error.fault {
            ArtifactFault::Malformed(rule) => rule,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn numbers_survive(number: u64, signed: i64, cut in 0_usize..20) {
        let mut out = Out::default();
        out.number(number).unwrap();
        out.signed(signed).unwrap();
        let mut cursor = Cursor::new(SECTION, &out.bytes, None);
        prop_assert_eq!(cursor.number64().unwrap(), number);
        prop_assert_eq!(cursor.signed().unwrap(), signed);
        cursor.end().unwrap();
        let short = &out.bytes[..cut.min(out.bytes.len() - 1)];
        let mut cursor = Cursor::new(SECTION, short, None);
        let both = cursor.number64().and_then(|_| cursor.signed());
        prop_assert_eq!(rule(both.unwrap_err()), "shorter than its contents");
    }

    #[test]
    fn what_is_read_as_a_number_is_its_only_form(bytes: [u8; 11]) {
        let mut cursor = Cursor::new(SECTION, &bytes, None);
        if let Ok(number) = cursor.number64() {
            let mut out = Out::default();
            out.number(number).unwrap();
            prop_assert_eq!(&*out.bytes, &bytes[..bytes.len() - cursor.rest().len()]);
        }
    }
}

#[test]
fn other_forms_of_numbers_are_refused() {
    let read = |bytes: &[u8]| Cursor::new(SECTION, bytes, None).number64();
    assert_eq!(read(&[0]).unwrap(), 0);
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).unwrap(), u64::MAX);
    let longer = "a number that is not in its shortest form";
    assert_eq!(rule(read(&[0x80, 0]).unwrap_err()), longer);
    assert_eq!(rule(read(&[0xff, 0x80, 0]).unwrap_err()), longer);
    let beyond = "a number of more than 64 bits";
    assert_eq!(rule(read(&[0xff; 11]).unwrap_err()), beyond);
    let mut bytes = [0xff; 10];
    bytes[9] = 2;
    assert_eq!(rule(read(&bytes).unwrap_err()), beyond);
}

fn maps(return_offsets: Vec<u32>, map_starts: Vec<u32>, words: Vec<u32>) -> Vec<u8> {
    let owned = |words| Lasting::owned(words).unwrap();
    let maps = StackMaps {
        return_offsets: owned(return_offsets),
        map_starts: owned(map_starts),
        words: owned(words),
    };
    let mut out = Out::default();
    write_stack_maps(&mut out, &maps).unwrap();
    out.bytes
}

#[test]
fn maps_outside_their_frames_are_refused() {
    let read = |bytes: &[u8]| {
        let cursor = Cursor::new(ArtifactSection::StackMaps, bytes, None);
        read_stack_maps(cursor, 100).map(|maps| maps.len())
    };
    assert_eq!(read(&maps(vec![10, 20], vec![0, 0], vec![16, 2, 8, 16])).unwrap(), 2);
    for (return_offsets, map_starts, words) in [
        // Below the frame; at the frame pointer; not a cell; twice; out of order.
        (vec![10], vec![0], vec![16, 1, 20]),
        (vec![10], vec![0], vec![16, 1, 0]),
        (vec![10], vec![0], vec![16, 1, 6]),
        (vec![10], vec![0], vec![16, 2, 8, 8]),
        (vec![10], vec![0], vec![16, 2, 16, 8]),
        // A map that is cut off, that nothing begins, or that begins within another.
        (vec![10], vec![0], vec![16, 3, 4, 8]),
        (vec![10], vec![0], vec![16]),
        (vec![10], vec![1], vec![16, 1, 8]),
        (vec![10], vec![3], vec![16, 1, 8]),
        (vec![10], vec![u32::MAX], vec![16, 1, 8]),
        // A map that no call has is as wrong as one that a call has.
        (vec![], vec![], vec![16, 1, 20]),
        // Calls out of order, or beyond the code.
        (vec![20, 10], vec![0, 0], vec![16, 0]),
        (vec![10, 10], vec![0, 0], vec![16, 0]),
        (vec![101], vec![0], vec![16, 0]),
    ] {
        let bytes = maps(return_offsets.clone(), map_starts.clone(), words.clone());
        let fault = read(&bytes).map_err(rule);
        let expected = "calls out of order, or a map outside its frame";
        assert_eq!(fault, Err(expected), "{return_offsets:?} {map_starts:?} {words:?}");
    }
}

/// Looking at the map of each call would take hours.
#[test]
fn many_calls_with_one_large_map_take_linear_time() {
    let count = 1 << 18;
    let mut words = vec![count * 4, count];
    words.extend((1..=count).map(|cell| cell * 4));
    let bytes = maps((0..count).collect(), vec![0; count as usize], words);
    let cursor = Cursor::new(ArtifactSection::StackMaps, &bytes, None);
    assert_eq!(read_stack_maps(cursor, count).unwrap().len(), count as usize);
}

#[test]
fn counts_beyond_the_bytes_allocate_nothing() {
    for count in [1, 1 << 20, u32::MAX] {
        let bytes = count.to_le_bytes();
        let cursor = || Cursor::new(SECTION, &bytes, None);
        assert_eq!(rule(read_stack_maps(cursor(), 100).unwrap_err()), "shorter than its contents");
        assert_eq!(rule(read_sites(cursor(), 100).unwrap_err()), "shorter than its contents");
    }
}

/// A module with an immutable and a mutable global, and one of two functions that
/// escapes.
fn module() -> ModuleInfo {
    let global = |content, mutable| Global { ty: GlobalType { content, mutable }, init: None };
    ModuleInfo {
        globals: vec![global(ValType::I64, false), global(ValType::I64, true)],
        escape_indices: vec![0, NO_ESCAPE],
        ..ModuleInfo::default()
    }
}

fn evaluated(ops: &[ConstOp], wanted: ValType) -> Result<ConstExpr, &'static str> {
    let mut out = Out::default();
    expressions::write(&mut out, &ConstExpr { ops: ops.into() }).unwrap();
    let mut cursor = Cursor::new(SECTION, &out.bytes, None);
    let expr = Expressions::default().read(&mut cursor, &module(), wanted).map_err(rule)?;
    cursor.end().map_err(rule)?;
    Ok(expr)
}

#[test]
fn valid_expressions_survive() {
    use ConstOp::{GlobalGet, I64, I64Add, I64Mul, I64Sub};
    for (ops, ty) in [
        (&[I64(i64::MIN), I64(7), I64Sub, GlobalGet(GlobalIndex(0)), I64Add][..], ValType::I64),
        (&[I64(1), I64(2), I64(3), I64Mul, I64Mul], ValType::I64),
        (&[ConstOp::I32(-1), ConstOp::I32(i32::MAX), ConstOp::I32Add], ValType::I32),
        (&[ConstOp::F32(u32::MAX)], ValType::F32),
        (&[ConstOp::F64(1 << 63)], ValType::F64),
        (&[ConstOp::V128(u128::MAX - 1)], ValType::V128),
        (&[ConstOp::RefNull(RefType::EXTERNREF)], ValType::EXTERNREF),
        (&[ConstOp::RefFunc(FuncIndex(0))], ValType::FUNCREF),
    ] {
        assert_eq!(&*evaluated(ops, ty).unwrap().ops, ops);
    }
}

#[test]
fn invalid_expressions_are_refused() {
    use ConstOp::{GlobalGet, I32, I32Add, I64, RefFunc};
    let operands = "an operation without its operands";
    let another = "an expression of another type";
    let escapes = "a function that does not escape";
    for (ops, ty, expected) in [
        (&[][..], ValType::I32, another),
        (&[I32(1)], ValType::I64, another),
        (&[I32(1), I32(2)], ValType::I32, another),
        (&[I32Add], ValType::I32, operands),
        (&[I32(1), I32Add], ValType::I32, operands),
        (&[I32(1), I64(2), I32Add], ValType::I32, operands),
        (&[ConstOp::RefNull(RefType::FUNCREF)], ValType::EXTERNREF, another),
        (&[RefFunc(FuncIndex(1))], ValType::FUNCREF, escapes),
        (&[RefFunc(FuncIndex(2))], ValType::FUNCREF, escapes),
        (&[GlobalGet(GlobalIndex(1))], ValType::I64, "a constant that depends on a mutable global"),
        (&[GlobalGet(GlobalIndex(2))], ValType::I64, "a global that does not come before"),
    ] {
        assert_eq!(evaluated(ops, ty).unwrap_err(), expected, "{ops:?}");
    }
}
