//! What reading a table or global compiles to. Under `ZeroCount` an externref
//! is read like any other value: no barrier, no call. Under `CloneOnRead` there
//! is a barrier, which shows that the comparison can fail.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::__internals::{CompileSettings, compile};
use kernref::DeferralPolicy::{self, CloneOnRead, ZeroCount};
use kernref::OptLevel;

/// A function's machine code, and the number of calls in it.
#[derive(Debug, PartialEq, Eq)]
struct Code {
    bytes: Vec<u8>,
    calls: usize,
}

/// The first function of a module.
fn code_of(policy: DeferralPolicy, optimize: OptLevel, text: &str) -> Code {
    let settings = CompileSettings { policy, optimize, ..CompileSettings::default() };
    let artifact = compile(&wat::parse_str(text).unwrap(), &settings).unwrap();
    let artifact = artifact.parts();
    let function = artifact.functions[0];
    // A return address may directly follow the last instruction.
    let returns = (function.start + 1..=function.end)
        .filter(|offset| artifact.stack_maps.lookup(*offset).is_some());
    Code {
        calls: returns.count(),
        bytes: artifact.code[function.start as usize..function.end as usize].to_vec(),
    }
}

fn global(ty: &str, mutability: &str, init: &str) -> String {
    let declared = if mutability == "mut" { format!("(mut {ty})") } else { ty.to_string() };
    format!(
        "(module (global $g {declared} ({init}))
            (func (export \"f\") (result {ty}) (global.get $g)))"
    )
}

fn imported(ty: &str) -> String {
    format!(
        "(module (import \"\" \"g\" (global $g (mut {ty})))
            (func (export \"f\") (result {ty}) (global.get $g)))"
    )
}

/// Reads an element and tests it for null, so that both element widths are used
/// alike.
fn table(ty: &str, size: &str) -> String {
    format!(
        "(module (table $t {size} {ty})
            (func (export \"f\") (param i32) (result i32)
                (ref.is_null (table.get $t (local.get 0)))))"
    )
}

const LEVELS: [OptLevel; 3] = [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize];

#[test]
fn global_get_of_a_reference_equals_that_of_a_number() {
    for level in LEVELS {
        let references = [
            (global("externref", "mut", "ref.null extern"), global("i32", "mut", "i32.const 0")),
            (global("externref", "", "ref.null extern"), global("i32", "", "i32.const 0")),
            (imported("externref"), imported("i32")),
        ];
        for (reference, number) in references {
            let plain = code_of(ZeroCount, level, &number);
            assert_eq!(plain.calls, 0);
            assert_eq!(code_of(ZeroCount, level, &reference), plain, "{reference}");
            assert_eq!(code_of(CloneOnRead, level, &number), plain);
            let barrier = code_of(CloneOnRead, level, &reference);
            assert!(barrier.calls > plain.calls && barrier.bytes.len() > plain.bytes.len() + 20);
        }
    }
}

#[test]
fn table_get_of_a_reference_is_a_plain_load() {
    for level in LEVELS {
        for size in ["4", "4 4", "4 100"] {
            // Function references have no barrier under either policy; the code
            // differs only by the element width: a prefix byte or two.
            let plain = code_of(ZeroCount, level, &table("funcref", size));
            assert_eq!(plain.calls, 0);
            let reference = code_of(ZeroCount, level, &table("externref", size));
            assert_eq!(reference.calls, 0);
            let longer = reference.bytes.len().abs_diff(plain.bytes.len());
            assert!(longer <= 4, "{reference:x?} for {plain:x?}");
            assert_eq!(code_of(CloneOnRead, level, &table("funcref", size)), plain);
            let barrier = code_of(CloneOnRead, level, &table("externref", size));
            assert!(barrier.calls > plain.calls && barrier.bytes.len() > plain.bytes.len() + 20);
        }
    }
}

#[test]
fn moving_references_makes_no_calls() {
    // Locals, operands, `select` and calls between Wasm functions do no counting.
    let text = |ty: &str| {
        format!(
            "(module
                (func (export \"f\") (param {ty} {ty} i32) (result {ty}) (local {ty})
                    (local.set 3 (local.get 0))
                    (local.set 0 (local.tee 1 (local.get 3)))
                    (drop (local.get 0))
                    (select (result {ty}) (local.get 1) (local.get 3) (local.get 2))))"
        )
    };
    for policy in [ZeroCount, CloneOnRead] {
        for level in LEVELS {
            let plain = code_of(policy, level, &text("i32"));
            assert_eq!(plain.calls, 0);
            assert_eq!(code_of(policy, level, &text("externref")), plain);
        }
    }
}
