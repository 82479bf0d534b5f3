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

/// The stack that hosts give by default is enough for what scripts call deep.
#[test]
fn two_thousand_calls_fit_the_default_stack() {
    let locals: String = (1..=20).map(|at| format!("(local $x{at} i64) ")).collect();
    let kept: String = (1..=20)
        .map(|at| {
            format!(
                "(local.set $x{at} (i64.extend_i32_u (i32.add (local.get $n) (i32.const {at}))))"
            )
        })
        .collect();
    let used: String = (1..=20).map(|at| format!("(local.get $x{at}) i64.add ")).collect();
    let text = format!(
        r#"(module (func $down (export "down") (param $n i32) (result i64) {locals}
            (if (i32.eqz (local.get $n)) (then (return (i64.const 7))))
            {kept}
            (call $down (i32.sub (local.get $n) (i32.const 1)))
            {used} (drop) (i64.extend_i32_u (local.get $n))))
        (assert_return (invoke "down" (i32.const 2000)) (i64.const 2000))"#
    );
    let script = encode("deep.wast", &text).unwrap();
    let totals = run(&script, Options::new(Config::new()), |_, why| panic!("{why}"));
    assert_eq!(totals, Totals { passed: 2, failed: 0 });
}
