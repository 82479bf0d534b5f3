//! Speculation guards in the machine code of this processor. What they guard is
//! checked in the compiler's own tests; here, that they are still there.

use crate::support::{Setup, assemble};
use alloc::format;
use kernref::__internals::{CompileSettings, listing};

/// A move that depends on a comparison, as the code generator writes it.
const MOVE: &str = if cfg!(target_arch = "x86_64") { "cmov" } else { "csel" };

/// Parameters, body, and the conditional moves that there have to be.
const ACCESSES: [(&str, &str, usize); 14] = [
    ("i32", "(drop (i32.load offset=8 (local.get 0)))", 1),
    ("i32", "(drop (i32.load offset=70000 (local.get 0)))", 1),
    ("i32", "(i32.store8 (local.get 0) (i32.const 7))", 1),
    ("i32", "(drop (v128.load (local.get 0)))", 1),
    ("i32 v128", "(v128.store64_lane 1 (local.get 0) (local.get 1))", 1),
    // One for both.
    ("i32", "(drop (i32.load (local.get 0))) (i32.store offset=4 (local.get 0) (i32.const 1))", 1),
    ("i64", "(drop (i64.load $l offset=16 (local.get 0)))", 2),
    ("i64", "(i64.store $l offset=16 (local.get 0) (i64.const 1))", 2),
    ("i32", "(drop (table.get $r (local.get 0)))", 1),
    ("i32 externref", "(table.set $r (local.get 0) (local.get 1))", 1),
    ("i32", "(call_indirect $f (type $n) (local.get 0))", 2),
    ("i32", "(return_call_indirect $f (type $n) (local.get 0))", 2),
    ("i32 i32 i32", "(memory.copy (local.get 0) (local.get 1) (local.get 2))", 4),
    ("i32 i32 i32", "(memory.fill (local.get 0) (local.get 1) (local.get 2))", 2),
];

pub fn guards_are_in_the_machine_code(setup: Setup) {
    for (params, body, moves) in ACCESSES {
        let text = format!(
            "(module (memory 1) (memory $l i64 1) (table $r 4 externref) (table $f 4 funcref)
                (type $n (func)) (func (param {params}) {body}))"
        );
        let wasm = assemble(&text);
        let found = |speculation_guards| {
            let settings = CompileSettings {
                policy: setup.policy,
                zeal: setup.zeal,
                as_if_large: setup.as_if_large,
                speculation_guards,
                ..CompileSettings::default()
            };
            let pieces = listing(&wasm, &settings).unwrap();
            pieces.iter().map(|piece| piece.machine_code.matches(MOVE).count()).sum::<usize>()
        };
        // Large functions compare with a limit, and so have no carry.
        let has_no_carry = setup.as_if_large && params == "i64";
        let moves = if has_no_carry { moves - 1 } else { moves };
        let without = found(false);
        assert_eq!(without, 0, "{body}");
        match found(true) {
            // The guard can be made again where it is used once more.
            with if body.contains("(memory.") => assert!(with >= moves, "{with}: {body}"),
            with => assert_eq!(with, moves, "{body}"),
        }
    }
}
