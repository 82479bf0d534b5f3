//! Loads and stores of references in tables and globals, net of the loop
//! around them, and references that stay live across calls.
//!
//! Hot: a read barrier has seen the references before. Churning: a collection
//! after each pass makes the barrier forget them. The empty loop collects too;
//! whatever the reads add to the cost of collections counts as theirs. `base`
//! loads an i32 from memory or from a global of that type.

use super::floors::{self, Places};
use super::net::{self, Loops};
use crate::measure::{Goal, Row, Sample, Who};
use std::fmt::Write as _;

/// Elements of each table, and globals that hold references: no more than fit a
/// processor's decoded-instruction cache when a round reads them all.
const ELEMENTS: u64 = 1024;
const GLOBALS: u64 = 256;

/// Elements read per round.
const UNROLLED: u64 = 16;

/// Equal, within measurement accuracy.
const EQUAL: f64 = 1.1;

/// The contenders of loads, including the same load of an integer.
const LOADS: [Who; 6] = [Who::Kernref, Who::Clone, Who::W1, Who::W2, Who::Wasmi, Who::Base];

/// One kind of access.
struct Access {
    name: &'static str,
    /// The code of a round: with the access, without it, and with an integer
    /// instead.
    body: String,
    empty: String,
    base: Option<String>,
    /// Accesses per round, and rounds between collections, if any.
    per_round: u64,
    collect_every: Option<u64>,
    goal: Option<Goal>,
    floor: Places,
}

impl Access {
    /// An access that is made once per round.
    fn store(name: &'static str, body: &str, floor: Places) -> Self {
        Self {
            name,
            body: body.to_owned(),
            empty: String::new(),
            base: None,
            per_round: 1,
            collect_every: None,
            goal: None,
            floor,
        }
    }

    /// Loads, `per_round` of them because a single one would hide behind the
    /// loop: `pair` returns the n-th load of a reference and of an integer.
    fn load(name: &'static str, per_round: u64, pair: impl Fn(u64) -> (String, String)) -> Self {
        let all = |one: &dyn Fn(u64) -> String| (0..per_round).map(|at| add(&one(at))).collect();
        let empty = |at| format!("i32.eqz (i32.xor (local.get $k) (i32.const {at}))");
        Self {
            body: all(&|at| format!("ref.is_null ({})", pair(at).0)),
            empty: all(&empty),
            base: Some(all(&|at| format!("i32.eqz ({})", pair(at).1))),
            per_round,
            goal: Some(Goal { at_most: EQUAL, of: &[Who::Base] }),
            ..Self::store(name, "", Places::Get)
        }
    }

    fn goal(self, at_most: f64) -> Self {
        Self { goal: Some(Goal { at_most, of: &[Who::W1] }), ..self }
    }

    /// Adds a collection after every `rounds` rounds.
    fn churning(self, name: &'static str, rounds: u64) -> Self {
        Self { name, collect_every: Some(rounds), ..self }
    }

    fn row(mut self) -> Row {
        let goal = self.goal.take();
        let mut row = Row::new(self.name, goal, move || self.setup());
        row.max_ops = net::MAX_ROUNDS;
        row
    }

    fn setup(&self) -> Vec<(Who, Sample)> {
        let who = if self.base.is_some() { &LOADS[..] } else { &Who::WASM };
        let base = self.base.as_ref().unwrap_or(&self.body);
        let mut text = prelude();
        let step = self.per_round.min(UNROLLED);
        for (name, body) in [("with", &self.body), ("without", &self.empty), ("base", base)] {
            text.push_str(&export(name, body, step, self.collect_every));
        }
        text.push(')');
        let loops = Loops { with: "with", without: "without", base: "base" };
        let mut contenders = net::samples(who, &text, loops, self.per_round);
        contenders.push((Who::Floor, floors::places(self.floor)));
        contenders
    }
}

/// Adds an i32 to the sum, so that it is not optimized away.
fn add(value: &str) -> String {
    format!("(local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u ({value}))))")
}

/// Two tables of the same objects, globals with some of them, and integers.
fn prelude() -> String {
    let mut text = format!(
        r#"(module
        (import "h" "make" (func $make (param i32) (result externref)))
        (import "h" "gc" (func $gc))
        (memory 1) (table $t {ELEMENTS} externref) (table $u {ELEMENTS} externref)
        (start $fill)
        (func $fill (local $i i32)
            (loop $l
                (table.set $t (local.get $i) (call $make (local.get $i)))
                (table.set $u (local.get $i) (table.get $t (local.get $i)))
                (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.const 5))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const {ELEMENTS}))))"#
    );
    let globals = 0..GLOBALS;
    for at in globals.clone() {
        let _ = write!(text, "(global.set $g{at} (table.get $t (i32.const {at})))");
    }
    text.push(')');
    for at in globals {
        let reference = format!("(global $g{at} (mut externref) (ref.null extern))");
        let _ = write!(text, "{reference} (global $n{at} (mut i32) (i32.const 7))");
    }
    text
}

/// A function that runs `body` as often as its argument says: `$k` runs through
/// the tables, `$r` is a reference.
fn export(name: &str, body: &str, step: u64, collect_every: Option<u64>) -> String {
    let collect = collect_every.map(|every| {
        let due = format!("(i32.rem_u (local.get 0) (i32.const {every}))");
        format!("(if (i32.eqz {due}) (then (call $gc)))")
    });
    let collect = collect.unwrap_or_default();
    format!(
        r#"(func (export "{name}") (param i32) (result i64)
            (local $sum i64) (local $k i32) (local $r externref) (local $s externref)
            (local.set $r (table.get $t (i32.load (i32.const 0))))
            (loop $l
                (local.set $k (i32.and (i32.mul (local.get 0) (i32.const {step})) (i32.const {})))
                {collect} {body}
                (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            {}
            (local.get $sum))"#,
        ELEMENTS - 1,
        add("ref.is_null (table.get $u (local.get $k))"),
    )
}

fn accesses() -> Vec<Access> {
    let elements = || {
        let index = |at| format!("(i32.xor (local.get $k) (i32.const {at}))");
        let address = |at| format!("(i32.shl {} (i32.const 2))", index(at));
        let both =
            |at| (format!("table.get $t {}", index(at)), format!("i32.load {}", address(at)));
        Access::load("table.get, hot", UNROLLED, both)
    };
    let globals = || {
        let both = |at| (format!("global.get $g{at}"), format!("global.get $n{at}"));
        Access::load("global.get, hot", GLOBALS, both)
    };
    let swap = r#"(local.set $r (table.get $t (local.get $k)))
        (local.set $s (table.get $t (i32.xor (local.get $k) (i32.const 1))))
        (table.set $t (local.get $k) (local.get $s))
        (table.set $t (i32.xor (local.get $k) (i32.const 1)) (local.get $r))"#;
    let set = "(table.set $u (local.get $k) (local.get $r))";
    let copy = "(table.set $u (local.get $k) (table.get $t (local.get $k)))";
    vec![
        elements(),
        elements().churning("table.get, churning", ELEMENTS / UNROLLED),
        globals(),
        globals().churning("global.get, churning", 1),
        Access::store("table.set", set, Places::Set).goal(1.0),
        Access::store("table.get + table.set", copy, Places::GetAndSet).goal(0.8),
        // Both references are briefly in no table: the worst case for
        // `ZeroCount`. Two reads and two writes count as two operations.
        Access { per_round: 2, ..Access::store("table elements swapped", swap, Places::GetAndSet) },
    ]
}

/// A function that keeps four values of a type live across a call in a loop.
fn keeping(name: &str, ty: &str, value: &str, test: &str) -> String {
    let names = ["a", "b", "c", "d"];
    let locals = names.map(|local| format!("(local ${local} {ty})")).concat();
    let sets = names.map(|local| format!("(local.set ${local} ({value}))")).concat();
    let tests = names.map(|local| add(&format!("{test} (local.get ${local})"))).concat();
    format!(
        r#"(func (export "{name}") (param i32) (result i64) (local $sum i64) {locals} {sets}
            (loop $l {} {tests} (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get $sum))"#,
        add("call $leaf (local.get 0)"),
    )
}

/// References that stay live across calls, compared with integers.
fn kept() -> Row {
    let goal = Goal { at_most: EQUAL, of: &[Who::Base] };
    let mut row = Row::new("references kept across calls", Some(goal), || {
        let text = format!(
            r#"(module (import "h" "give" (func $give (result externref)))
            (memory 1) (data (i32.const 0) "\05")
            (func $leaf (param i32) (result i32) (i32.xor (local.get 0) (i32.const 5)))
            (func (export "nothing") (param i32) (result i64) (i64.const 0)) {} {})"#,
            keeping("references", "externref", "call $give", "ref.is_null"),
            keeping("integers", "i32", "i32.load (i32.const 0)", "i32.eqz"),
        );
        let loops = Loops { with: "references", without: "nothing", base: "integers" };
        net::samples(&LOADS, &text, loops, 1)
    });
    row.max_ops = net::MAX_ROUNDS;
    row
}

/// The rows.
pub fn rows() -> Vec<Row> {
    accesses().into_iter().map(Access::row).chain([kept()]).collect()
}
