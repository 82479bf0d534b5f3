//! Random modules whose functions mostly access memory near its end: across
//! blocks, loops and branches, with changing and unchanging locals, and with
//! side effects in between that a trap must precede or follow. They look for
//! bounds checks that are wrongly omitted, shared or moved.

use crate::generate::random;
use std::fmt::Write;

/// Total rounds of all loops in one call of a function.
const ROUNDS: u32 = 12;
const FUNCTIONS: u64 = 3;
/// Locals that serve as addresses: the parameters.
const ADDRESSES: u64 = 3;
const PAGE: u64 = 1 << 16;

struct Writer {
    seed: u64,
    at: u64,
    text: String,
    /// The type of addresses.
    ty: &'static str,
    function: u64,
    labels: usize,
    /// Operators that may still be added to this function.
    left: u32,
}

/// The module for a seed; `None` if it does not assemble, which is a bug here.
pub fn from_seed(seed: u64) -> Option<Vec<u8>> {
    let ty = if random(seed, 0).is_multiple_of(4) { "i64" } else { "i32" };
    let memory = if ty == "i64" { "i64 1 2" } else { "1 2" };
    let mut w = Writer { seed, at: 1, text: String::new(), ty, function: 0, labels: 0, left: 0 };
    let _ = write!(
        w.text,
        r#"(module (memory (export "memory") {memory}) (global $g (export "g") (mut i32) (i32.const 0))"#
    );
    for function in 0..FUNCTIONS {
        w.function(function);
    }
    w.text.push(')');
    wat::parse_str(&w.text).ok()
}

impl Writer {
    fn below(&mut self, limit: u64) -> u64 {
        self.at += 1;
        random(self.seed, self.at) % limit
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A function with three addresses, and exports that call it at some places.
    fn function(&mut self, index: u64) {
        let ty = self.ty;
        (self.function, self.left) = (index, 60);
        self.put(&format!(
            "(func $f{index} (param $a0 {ty}) (param $a1 {ty}) (param $a2 {ty}) (result i32) \
             (local $v i32) (local $n i32)"
        ));
        self.labels = 0;
        self.statements(0);
        self.put("(local.get $v))");
        for call in 0..8 {
            let args: String = (0..ADDRESSES)
                .map(|_| {
                    let place = self.place();
                    format!(" ({ty}.const {place})")
                })
                .collect();
            self.put(&format!(
                r#"(func (export "{index}.{call}") (result i32) (call $f{index}{args}))"#
            ));
        }
    }

    /// An address as callers pass it: mostly near the end of a page.
    fn place(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(64),
            1 => PAGE * 2 - self.below(40),
            2 if self.ty == "i64" => u64::MAX - self.below(80),
            2 => u64::from(u32::MAX) - self.below(80),
            _ => PAGE - self.below(80),
        }
    }

    fn statements(&mut self, depth: u32) {
        for _ in 0..2 + self.below(5) {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u32) {
        let ty = self.ty;
        match self.below(if depth < 4 { 22 } else { 15 }) {
            0..=5 => self.load(),
            6 | 7 => self.store(),
            8 => {
                let address = self.below(ADDRESSES);
                let step = self.below(12);
                let up = self.pick(&["add", "sub", "xor"]);
                self.put(&format!(
                    "(local.set $a{address} ({ty}.{up} (local.get $a{address}) ({ty}.const {step})))"
                ));
            }
            9 => {
                let (to, from) = (self.below(ADDRESSES), self.below(ADDRESSES));
                self.put(&format!("(local.set $a{to} (local.get $a{from}))"));
            }
            10 => self.bulk(),
            11 => self.effect(),
            12 => {
                let condition = self.condition();
                let label = self.below(self.labels as u64 + 1);
                // A branch to the function itself carries its result.
                match label == self.labels as u64 {
                    true => self.put(&format!("(if {condition} (then (return (local.get $v))))")),
                    false => self.branch(label, &condition),
                }
            }
            13 => {
                let condition = self.condition();
                let address = self.below(ADDRESSES);
                let other = self.below(ADDRESSES);
                self.put(&format!(
                    "(local.set $a{address} (select (local.get $a{other}) (local.get $a{address}) {condition}))"
                ));
            }
            14 => {
                // A value that two accesses share without a local.
                let address = self.address();
                let offset = self.below(8);
                self.put(&format!(
                    "(local.set $v (i32.add (i32.load8_u offset={offset} (local.tee $a0 {address})) \
                     (i32.load offset=5 (local.get $a0))))"
                ));
            }
            15 | 16 => self.block(depth),
            17 | 18 => self.counted_loop(depth),
            _ => self.conditional(depth),
        }
    }

    fn branch(&mut self, label: u64, condition: &str) {
        // Taken branches are limited, whatever their target, so that loops end.
        self.put(&format!(
            "(local.set $n (i32.add (local.get $n) (i32.const 1))) \
             (br_if {label} (i32.and {condition} (i32.lt_u (local.get $n) (i32.const {ROUNDS}))))"
        ));
    }

    fn block(&mut self, depth: u32) {
        self.put("(block");
        self.labels += 1;
        self.statements(depth + 1);
        self.labels -= 1;
        self.put(")");
    }

    fn counted_loop(&mut self, depth: u32) {
        self.put("(loop");
        self.labels += 1;
        self.statements(depth + 1);
        let condition = self.condition();
        self.branch(0, &condition);
        if self.below(2) == 0 {
            self.statements(depth + 1);
        }
        self.labels -= 1;
        self.put(")");
    }

    fn conditional(&mut self, depth: u32) {
        let condition = self.condition();
        self.put(&format!("(if {condition} (then"));
        self.labels += 1;
        self.statements(depth + 1);
        if self.below(2) == 0 {
            self.put(") (else");
            self.statements(depth + 1);
        }
        self.labels -= 1;
        self.put("))");
    }

    fn condition(&mut self) -> String {
        let address = self.below(ADDRESSES);
        let (ty, constant) = (self.ty, self.place());
        match self.below(3) {
            0 => "(i32.and (local.get $v) (i32.const 1))".into(),
            1 => format!("({ty}.lt_u (local.get $a{address}) ({ty}.const {constant}))"),
            _ => "(i32.rem_u (local.get $n) (i32.const 3))".into(),
        }
    }

    fn address(&mut self) -> String {
        let (ty, address) = (self.ty, self.below(ADDRESSES));
        match self.below(6) {
            0 => format!("({ty}.add (local.get $a{address}) ({ty}.const {}))", self.below(16)),
            1 => format!("({ty}.const {})", self.place()),
            _ => format!("(local.get $a{address})"),
        }
    }

    /// Mostly small, so that accesses overlap.
    fn offset(&mut self) -> u64 {
        match self.below(40) {
            0 => PAGE - self.below(8),
            1 if self.ty == "i64" => u64::MAX - self.below(80),
            1 => u64::from(u32::MAX) - self.below(80),
            2 => (1 << 31) - self.below(100),
            _ => self.below(20),
        }
    }

    fn load(&mut self) {
        let (address, offset) = (self.address(), self.offset());
        let load = match self.below(6) {
            0 => format!("(i32.wrap_i64 (i64.load offset={offset} {address}))"),
            1 => format!("(i32x4.extract_lane 3 (v128.load offset={offset} {address}))"),
            2 => format!("(i32.load16_s offset={offset} {address})"),
            3 => format!("(i32.load8_u offset={offset} {address})"),
            _ => format!("(i32.load offset={offset} {address})"),
        };
        let combine = self.pick(&["add", "xor", "sub"]);
        self.put(&format!("(local.set $v (i32.{combine} (local.get $v) {load}))"));
    }

    fn store(&mut self) {
        let (address, offset) = (self.address(), self.offset());
        let statement = match self.below(4) {
            0 => format!("(i64.store offset={offset} {address} (i64.extend_i32_u (local.get $v)))"),
            1 => format!("(i32.store8 offset={offset} {address} (local.get $n))"),
            2 => format!("(v128.store offset={offset} {address} (i32x4.splat (local.get $v)))"),
            _ => format!("(i32.store offset={offset} {address} (local.get $v))"),
        };
        self.put(&statement);
    }

    fn bulk(&mut self) {
        let (to, from, ty) = (self.address(), self.address(), self.ty);
        let length = match self.below(3) {
            0 => format!("({ty}.const {})", self.below(70)),
            1 => format!("({ty}.const {})", self.below(9)),
            _ => format!("({ty}.and (local.get $a{}) ({ty}.const 31))", self.below(ADDRESSES)),
        };
        let statement = match self.below(2) {
            0 => format!("(memory.copy {to} {from} {length})"),
            _ => format!("(memory.fill {to} (local.get $v) {length})"),
        };
        self.put(&statement);
    }

    /// A visible side effect, or something else that may trap.
    fn effect(&mut self) {
        let ty = self.ty;
        match self.below(5) {
            0 => self.put("(global.set $g (i32.add (global.get $g) (local.get $v)))"),
            1 => self.put(
                "(local.set $v (i32.div_u (local.get $v) (i32.and (local.get $v) (i32.const 7))))",
            ),
            2 => self.put(&format!("(drop (memory.grow ({ty}.const 1)))")),
            3 if self.function > 0 => {
                let callee = self.below(self.function);
                let args: String =
                    (0..ADDRESSES).map(|at| format!(" (local.get $a{at})")).collect();
                self.put(&format!("(local.set $v (call $f{callee}{args}))"));
            }
            _ => {
                let address = self.address();
                self.put(&format!("(i32.store8 {address} (global.get $g))"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_gives_a_module() {
        for seed in 0..200 {
            assert!(super::from_seed(seed).is_some(), "{seed}");
        }
    }
}
