//! What a module is: decided by one pass, or two if it is refused, and in
//! agreement with the validator. Proposals that are missing are compared with
//! what the validator says when it is given them, and when one is left out.

use super::code_key::CodeKey;
use super::features::{self, ParserFeatures};
use super::listing::Watch;
use super::pass::ValidationCost;
use super::poll::Poll;
use super::settings::CompileSettings;
use super::validate::validate;
use super::{WasmFeatures, module};
use crate::abi::{Proposal, Proposals};
use crate::error::{Error, Result};
use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::Function;
use std_alloc::string::{String, ToString};
use std_alloc::vec::Vec;
use std_alloc::{format, vec};

/// Parts of modules, and what each needs. Any two make a valid module.
const PARTS: &[(&[Proposal], &str)] = &[
    (&[Proposal::CompactImports], "(import \"m\" (item \"a\" (func)) (item \"b\" (func)))"),
    (&[Proposal::FloatingPoint], "(func (param f32 f64))"),
    (&[Proposal::FloatingPoint], "(func (drop (i32.trunc_f32_s (f32.const 1))))"),
    (&[Proposal::FloatingPoint], "(global f64 (f64.const 1))"),
    (&[Proposal::MultiValue], "(func (result i32 i32) (i32.const 1) (i32.const 2))"),
    (&[Proposal::MultiValue], "(func (i32.const 1) (block (param i32) drop))"),
    (&[Proposal::BulkMemory], "(data \"passive\")"),
    (
        &[Proposal::BulkMemory],
        "(memory $fill 1) (func (memory.fill $fill (i32.const 0) (i32.const 0) (i32.const 0)))",
    ),
    (&[Proposal::ReferenceTypes], "(table 1 externref)"),
    (&[Proposal::ReferenceTypes], "(func (local externref))"),
    (
        &[Proposal::ReferenceTypes, Proposal::BulkMemory],
        "(func $f) (elem declare func $f) (func (drop (ref.func $f)))",
    ),
    (&[Proposal::Simd], "(func (param v128))"),
    (&[Proposal::Simd], "(global v128 (v128.const i64x2 0 0))"),
    (&[Proposal::TailCall], "(func $t (return_call $t))"),
    (&[Proposal::ExtendedConst], "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
    (
        &[Proposal::MultiMemory],
        "(memory $m 1) (memory 1) (func (drop (i32.load $m (i32.const 0))))",
    ),
    (
        &[Proposal::Memory64],
        "(memory $long i64 1) (func (drop (i32.load $long offset=0x100000000 (i64.const 0))))",
    ),
    (&[Proposal::Memory64], "(table i64 1 funcref)"),
    (
        &[Proposal::Simd, Proposal::RelaxedSimd],
        "(func (param v128 v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
    ),
    (&[Proposal::Threads], "(memory 1 1 shared)"),
    (&[Proposal::Threads], "(func (atomic.fence))"),
    (&[Proposal::SharedEverythingThreads], "(global (shared i32) (i32.const 0))"),
    (&[Proposal::SharedEverythingThreads], "(type (shared (func (param i64 i32))))"),
    (&[Proposal::Exceptions], "(tag $e) (func (throw $e))"),
    (&[Proposal::Exceptions], "(func (block (try_table (catch_all 0))))"),
    (&[Proposal::LegacyExceptions], "(func try catch_all end)"),
    (
        &[Proposal::FunctionReferences, Proposal::ReferenceTypes],
        "(type $r (func)) (func (param (ref $r)))",
    ),
    (
        &[Proposal::FunctionReferences, Proposal::ReferenceTypes],
        "(func (param (ref null extern)) (drop (ref.as_non_null (local.get 0))))",
    ),
    (
        &[Proposal::FunctionReferences, Proposal::ReferenceTypes],
        "(func $g) (table 1 funcref (ref.func $g))",
    ),
    (&[Proposal::Gc], "(type (struct (field i32)))"),
    (&[Proposal::Gc], "(rec (type (func)) (type (func (param i32))))"),
    (&[Proposal::Gc], "(type (sub (func (param i64 i64))))"),
    (&[Proposal::Gc], "(global $a i32 (i32.const 1)) (global i32 (global.get $a))"),
    (&[Proposal::Gc, Proposal::ReferenceTypes], "(type $self (func (param (ref null $self))))"),
    (
        &[Proposal::Gc, Proposal::ReferenceTypes],
        "(func (param anyref) (drop (ref.test (ref i31) (local.get 0))))",
    ),
    (&[Proposal::CustomPageSizes], "(memory 1 (pagesize 1))"),
    (
        &[Proposal::WideArithmetic],
        "(func (param i64 i64) (i64.mul_wide_s (local.get 0) (local.get 1)) drop drop)",
    ),
    (
        &[Proposal::MemoryControl],
        "(memory $d 1) (func (memory.discard $d (i32.const 0) (i32.const 0)))",
    ),
    (&[Proposal::StackSwitching], "(type $k (func)) (type (cont $k))"),
    (
        &[Proposal::CustomDescriptors, Proposal::Gc, Proposal::ReferenceTypes],
        "(rec (type $o (descriptor $p) (struct)) (type $p (describes $o) (struct)))
         (func (param (ref null (exact $p))) (result (ref $o))
            (struct.new_default_desc $o (local.get 0)))",
    ),
    (
        &[Proposal::MultibyteArrayAccess, Proposal::Gc, Proposal::ReferenceTypes],
        "(type $y (array (mut i8))) (func (param (ref null $y))
            (drop (i32.load (type $y) (local.get 0) (i32.const 0))))",
    ),
    (
        &[Proposal::SharedEverythingThreads, Proposal::Gc, Proposal::ReferenceTypes],
        "(func (param (ref null (shared i31))) (drop (ref.i31_shared (i32.const 0))))",
    ),
    (&[Proposal::Exceptions, Proposal::ReferenceTypes], "(func (param exnref))"),
    (
        &[Proposal::StackSwitching, Proposal::FunctionReferences, Proposal::ReferenceTypes],
        "(type $j (func)) (type $c (cont $j)) (func (param (ref $c)) (resume $c (local.get 0)))",
    ),
    (&[Proposal::AcquireReleaseAtomics], "(func pause)"),
];

fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The parser's words for these proposals.
fn words(proposals: Proposals) -> ParserFeatures {
    proposals.iter().map(features::parser_word).fold(ParserFeatures::empty(), ParserFeatures::union)
}

fn valid(wasm: &[u8], features: ParserFeatures) -> bool {
    wasmparser::Validator::new_with_features(features).validate_all(wasm).is_ok()
}

/// Decides, and checks the decision against the validator.
fn decided(wasm: &[u8], enabled: WasmFeatures) -> Result<()> {
    let (outcome, cost) = validate(wasm, enabled);
    assert!(cost.passes <= 2, "{cost:?}");
    let on = enabled.parser_features();
    match &outcome {
        Ok(()) => assert!(valid(wasm, on), "{wasm:02x?}"),
        Err(Error::Malformed { .. }) => {
            assert!(!valid(wasm, on), "{wasm:02x?}");
            assert!(!valid(wasm, ParserFeatures::all()), "{outcome:?}: {wasm:02x?}");
        }
        Err(Error::Unsupported { proposals, offset }) => {
            let on = on | words(*proposals);
            assert!(valid(wasm, on), "{proposals} are not enough: {wasm:02x?}");
            for proposal in proposals.iter() {
                // Vectors need floats even where the validator would let them pass.
                if proposal == Proposal::FloatingPoint && proposals.contains(Proposal::Simd) {
                    continue;
                }
                let without = on.difference(features::parser_word(proposal));
                assert!(!valid(wasm, without), "{proposal} is not needed: {wasm:02x?}");
            }
            assert!(!proposals.is_empty() && *offset < wasm.len(), "{outcome:?}");
        }
        Err(Error::Limit(_)) => {}
        Err(other) => panic!("{other}: {wasm:02x?}"),
    }
    outcome
}

/// The proposals that are missing.
fn missing(wasm: &[u8], enabled: WasmFeatures) -> Proposals {
    match decided(wasm, enabled) {
        Ok(()) => Proposals::default(),
        Err(Error::Unsupported { proposals, .. }) => proposals,
        Err(other) => panic!("{other}: {wasm:02x?}"),
    }
}

/// What `parts` need beyond what is enabled.
fn expected(parts: &[&[Proposal]], enabled: WasmFeatures) -> Proposals {
    let on = enabled.parser_features();
    let all = parts.iter().flat_map(|part| part.iter().copied());
    let simd = all.clone().any(|proposal| proposal == Proposal::Simd);
    let all = all.chain(simd.then_some(Proposal::FloatingPoint));
    all.filter(|proposal| !on.contains(features::parser_word(*proposal))).collect()
}

#[test]
fn all_missing_proposals_are_named() {
    for enabled in [WasmFeatures::all(), WasmFeatures::empty()] {
        for (index, (needs, part)) in PARTS.iter().enumerate() {
            let wasm = assembled(&format!("(module {part})"));
            assert_eq!(missing(&wasm, enabled), expected(&[needs], enabled), "{part}");
            for (others, other) in &PARTS[index + 1..] {
                // Names are used once.
                if part.contains('$') && other.contains("$") && shared_name(part, other) {
                    continue;
                }
                let wasm = assembled(&format!("(module {} {})", part, other));
                let (found, least) = (missing(&wasm, enabled), expected(&[needs, others], enabled));
                // Two memories or two tables need more than one of them does, and
                // garbage-collected types include references to functions.
                for proposal in least.iter() {
                    let included =
                        proposal == Proposal::FunctionReferences && found.contains(Proposal::Gc);
                    assert!(found.contains(proposal) || included, "{found} for {part} {other}");
                }
            }
        }
    }
}

fn shared_name(one: &str, other: &str) -> bool {
    let names = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '$'));
        words.filter(|word| word.starts_with('$')).map(ToString::to_string).collect()
    };
    names(one).iter().any(|name| names(other).contains(name))
}

/// A generator of numbers that is the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn decisions_agree_with_the_validator() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut counts = [0; 4];
    for round in 0..60_000 {
        let (one, other) = (numbers.next(PARTS.len()), numbers.next(PARTS.len()));
        // Imports come first.
        let (one, other) = (PARTS[one.min(other)].1, PARTS[one.max(other)].1);
        let other = if shared_name(one, other) { "" } else { other };
        let mut wasm = assembled(&format!(
            "(module {one} {other} (func (param i32)
            (drop (i32.load offset=3 (local.get 0))) (drop (memory.grow (local.get 0)))
            (call_indirect (local.get 0))) {})",
            if round % 2 == 0 { "(memory 1) (table 1 funcref)" } else { "(table 0 10 funcref)" }
        ));
        // Some bytes changed, some made longer without another value.
        for _ in 0..numbers.next(3) {
            let at = 8 + numbers.next(wasm.len() - 8);
            wasm[at] =
                [numbers.next(256) as u8, wasm[at] ^ 0x40, wasm[at] | 0x80, 0][numbers.next(4)];
        }
        let enabled = WasmFeatures::from_bits_truncate(numbers.next(512) as u32);
        counts[match decided(&wasm, enabled) {
            Ok(()) => 0,
            Err(Error::Unsupported { proposals, .. }) => proposals.len().min(2),
            Err(_) => 3,
        }] += 1;
    }
    assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
}

#[test]
fn unusual_ways_of_writing_need_their_proposal() {
    let module = |sections: &[&[u8]]| [b"\0asm\x01\0\0\0", &sections.concat()[..]].concat();
    let function = |others: &[&[u8]], body: &[u8]| {
        let len = body.len() as u8 + 2;
        let code = [&[10, len + 2, 1, len, 0][..], body, &[0x0b]].concat();
        let before = [&[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0][..], &others.concat()].concat();
        module(&[&before, &code])
    };
    let memory: &[u8] = &[5, 3, 1, 0, 1];
    let table: &[u8] = &[4, 4, 1, 0x70, 0, 1];
    for (name, wasm) in [
        // Memory 0, named.
        (Proposal::MultiMemory, function(&[memory], &[0x41, 0, 0x28, 0x42, 0, 0, 0x1a])),
        // Indices of two bytes.
        (Proposal::MultiMemory, function(&[memory], &[0x3f, 0x80, 0, 0x1a])),
        (Proposal::ReferenceTypes, function(&[table], &[0x41, 0, 0x11, 0, 0x80, 0])),
        // An offset and a limit of six bytes.
        (
            Proposal::Memory64,
            function(&[memory], &[0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a]),
        ),
        (Proposal::Memory64, module(&[&[5, 8, 1, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0]])),
    ] {
        assert_eq!(missing(&wasm, WasmFeatures::empty()), [name].into_iter().collect(), "{name}");
        assert!(decided(&wasm, WasmFeatures::all()).is_ok(), "{name}");
    }
}

#[test]
fn components_are_not_malformed_modules() {
    let (outcome, _) = validate(b"\0asm\x0d\0\x01\0", WasmFeatures::all());
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "unsupported feature: the component model (at offset 0x0)"
    );
}

/// Functions of which the last does what the others do not.
fn many(last: &str) -> Vec<u8> {
    let usual = "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))";
    assembled(&format!("(module {} {last})", usual.repeat(100)))
}

#[test]
fn one_pass_decides() {
    let bodies = |wasm: &[u8]| -> u64 {
        let payloads = wasmparser::Parser::new(0).parse_all(wasm);
        payloads
            .map(|payload| match payload.unwrap() {
                wasmparser::Payload::CodeSectionEntry(body) => {
                    let range = body.range();
                    range.end - range.start
                }
                _ => 0,
            })
            .sum()
    };
    for (last, passes) in [
        ("(func)", 1),
        ("(func i32.add)", 2),
        ("(func (result i32))", 2),
        ("(func (atomic.fence))", 2),
        ("(tag $e) (type (struct)) (func (atomic.fence) (throw $e))", 2),
        (
            "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
            2,
        ),
    ] {
        let wasm = many(last);
        let (outcome, cost) = validate(&wasm, WasmFeatures::all());
        assert_eq!((outcome.is_ok(), cost.passes), (passes == 1, passes), "{last}: {outcome:?}");
        assert!(cost.body_bytes <= u64::from(passes) * bodies(&wasm), "{last}: {cost:?}");
    }
    // A limit needs no second opinion.
    let wide = format!("(func {})", "(block ".repeat(50_001) + &")".repeat(50_001));
    let (outcome, cost) = validate(&many(&wide), WasmFeatures::all());
    assert!(matches!(outcome, Err(Error::Limit(_))), "{outcome:?}");
    assert_eq!(cost.passes, 1);
    assert_eq!(
        validate(b"", WasmFeatures::all()).1,
        ValidationCost { passes: 2, ..<_>::default() }
    );
}

#[test]
fn the_second_pass_is_bounded_as_well() {
    let values = "i32 ".repeat(1000);
    let clauses = |count: usize| {
        assembled(&format!(
            "(module (type $f (func (param {values}))) (tag $t (type $f))
            (func (block (result {values}) unreachable
                (try_table {} unreachable) unreachable) unreachable))",
            "(catch $t 0) ".repeat(count),
        ))
    };
    let lacking = [Proposal::Exceptions].into_iter().collect();
    assert_eq!(missing(&clauses(100), WasmFeatures::all()), lacking);
    let (outcome, cost) = validate(&clauses(5000), WasmFeatures::all());
    assert!(matches!(outcome, Err(Error::Limit(_))), "{outcome:?}");
    assert_eq!(cost.passes, 2);
}

/// Counts what is compiled.
#[derive(Default)]
struct Counted(usize);

impl Watch for Counted {
    fn made(&mut self, _: CodeKey, _: &Function) {
        self.0 += 1;
    }
    fn compiled(&mut self, _: &Function, _: &CompiledCode) {}
}

#[test]
fn nothing_is_compiled_of_a_module_that_is_refused() {
    for (last, refused) in [
        ("(func)", false),
        ("(func i32.add)", true),
        ("(func (atomic.fence))", true),
        (
            "(memory 1) (func (block (br_table 0 0 1 (i32.const 0))) (drop (i32.load align=4 (i32.const 0)))) (data \"x\" )",
            false,
        ),
    ] {
        let mut counted = Counted::default();
        let outcome = module::watched(
            &many(last),
            &CompileSettings::default(),
            &mut counted,
            &mut Poll::new(0, None),
        );
        assert_eq!((outcome.is_err(), counted.0 == 0), (refused, refused), "{last}: {outcome:?}");
    }
}

#[test]
fn the_example_that_was_called_malformed_lacks_two_proposals() {
    let wasm =
        assembled("(module (type $a (sub (struct))) (type (sub $a (struct (field i32)))) (tag))");
    let error = validate(&wasm, WasmFeatures::all()).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unsupported features: exception handling, garbage-collected types (at offset 0xb)"
    );
    let parts = vec![Proposal::Gc, Proposal::Exceptions];
    assert_eq!(missing(&wasm, WasmFeatures::all()), parts.into_iter().collect());
}
