//! The runner fails what must fail: in this script, every line but the first
//! and the last is wrong.

use kernref::Config;
use kernref_wast_script::{Options, Totals, encode, run};

const WRONG: &str = r#"(module (func (export "f") (result i32) i32.const 1) (func (export "t") unreachable))
(assert_return (invoke "f") (i32.const 2))
(assert_trap (invoke "t") "integer overflow")
(assert_trap (invoke "f") "unreachable")
(assert_invalid (module (func)) "x")
(assert_malformed (module quote "(func)") "x")
(assert_malformed (module binary "\00asm\01\00\00\00") "x")
(assert_unlinkable (module) "x")
(assert_exhaustion (invoke "f") "call stack exhausted")
(assert_exception (invoke "f"))
(assert_return (invoke "nope"))
(assert_return (invoke $nope "f") (i32.const 1))
(assert_return (get "nope") (i32.const 1))
(invoke "t")
(register "x" $nope)
(module instance $x $nope)
(thread $t (module))
(assert_return (invoke "f") (i32.const 1))
"#;

#[test]
fn wrong_directives_fail_with_their_lines() {
    let script = encode("wrong.wast", WRONG).unwrap();
    let mut lines = Vec::new();
    let totals = run(&script, Options::new(Config::new()), |line, _| lines.push(line));
    assert_eq!(lines, (2..=17).collect::<Vec<u32>>());
    assert_eq!(totals, Totals { passed: 2, failed: 16 });
}

#[test]
fn nothing_passes_on_a_previous_instance() {
    let text = r#"(module (func (export "f")))
(module (import "nowhere" "f" (func)))
(assert_return (invoke "f"))"#;
    let script = encode("stale.wast", text).unwrap();
    let mut lines = Vec::new();
    run(&script, Options::new(Config::new()), |line, _| lines.push(line));
    assert_eq!(lines, [2, 3]);
}
