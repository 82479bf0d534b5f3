//! Random programs of reference operations, and a plain model that says what
//! they do.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// An object, by the number it was made with.
pub type Id = u32;

/// Operations; see the module text for what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    Make,
    Copy,
    Null,
    TableGet,
    TableSet,
    TableFill,
    TableCopy,
    GlobalSet,
    GlobalGet,
    Grow,
    GrownGet,
    GrownSet,
    Call,
    CallByHost,
    Probe,
    Collect,
    Step,
    HostSet,
    Init,
    Return,
    Trap,
}

/// Operations with how often each is drawn.
const WEIGHTS: [(Op, u32); 21] = [
    (Op::Make, 16),
    (Op::Copy, 6),
    (Op::Null, 3),
    (Op::TableGet, 10),
    (Op::TableSet, 12),
    (Op::TableFill, 3),
    (Op::TableCopy, 4),
    (Op::GlobalSet, 6),
    (Op::GlobalGet, 5),
    (Op::Grow, 2),
    (Op::GrownGet, 4),
    (Op::GrownSet, 4),
    (Op::Call, 7),
    (Op::CallByHost, 6),
    (Op::Probe, 10),
    (Op::Collect, 3),
    (Op::Step, 6),
    (Op::HostSet, 4),
    (Op::Init, 2),
    (Op::Return, 3),
    (Op::Trap, 3),
];

/// An operation with its operands, as it lies in the guest's memory.
pub type Code = (Op, u8, u8, u8);

/// Marsaglia's xorshift.
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 20) % u64::from(bound)) as u32
    }

    fn operation(&mut self) -> Code {
        let mut at = self.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
        let op = WEIGHTS.iter().find_map(|(op, weight)| {
            let found = at < *weight;
            at = at.wrapping_sub(*weight);
            found.then_some(*op)
        });
        let operands = [self.below(4), self.below(256), self.below(12)];
        let [a, b, c] = operands.map(|operand| operand as u8);
        match op.unwrap_or(Op::Null) {
            // So that it stays within the table.
            op @ (Op::TableFill | Op::TableCopy | Op::Init) => (op, a, b & 3, c),
            op => (op, a, b, c),
        }
    }

    /// A program of `len` operations. It returns early in called frames only,
    /// and traps mostly where the host swallows that.
    pub fn program(&mut self, len: usize) -> Vec<Code> {
        let (mut called, mut swallowed) = (0, 0);
        let mut code = Vec::new();
        while code.len() < len {
            let (op, a, b, c) = self.operation();
            let end = code.len() + 1 + usize::from(c);
            let fits = match op {
                Op::Return => code.len() < called,
                Op::Trap => code.len() < swallowed || self.below(8) == 0,
                _ => true,
            };
            if matches!(op, Op::Call | Op::CallByHost) {
                called = called.max(end);
            }
            if op == Op::CallByHost && b & 0x80 != 0 {
                swallowed = swallowed.max(end);
            }
            if fits {
                code.push((op, a, b, c));
            }
        }
        code
    }
}

/// What a probe must find.
#[derive(Debug)]
pub struct Probe {
    /// The locals of the frame that probes.
    pub locals: [Option<Id>; 4],
    /// What tables and globals hold: alive in any case.
    pub placed: BTreeSet<Id>,
    /// The same and what frames may hold: nothing else is alive after a
    /// collection.
    pub reachable: BTreeSet<Id>,
}

/// Elements of the fixed table.
pub const TABLE: usize = 8;
/// Most elements of the growing table.
pub const GROWN: usize = 12;

/// The state of an instance.
#[derive(Default)]
pub struct Model {
    table: [Option<Id>; TABLE],
    grown: Vec<Option<Id>>,
    globals: [Option<Id>; 2],
    made: Id,
    frames: Vec<[Option<Id>; 4]>,
    pub probes: Vec<Probe>,
}

/// `unreachable` was executed.
#[derive(Debug, PartialEq, Eq)]
pub struct Trapped;

impl Model {
    /// What tables and globals hold.
    pub fn placed(&self) -> BTreeSet<Id> {
        let places = self.table.iter().chain(&self.grown).chain(&self.globals);
        places.filter_map(|place| *place).collect()
    }

    /// How many objects were made.
    pub fn made(&self) -> Id {
        self.made
    }

    /// Runs a program as the host calls it, without an argument.
    pub fn run(&mut self, program: &[Code]) -> Result<Option<Id>, Trapped> {
        self.frames.clear();
        self.frame(program, None)
    }

    fn frame(&mut self, program: &[Code], argument: Option<Id>) -> Result<Option<Id>, Trapped> {
        self.frames.push([argument, None, None, None]);
        let outcome = self.steps(program);
        self.frames.pop();
        outcome
    }

    fn local(&mut self, at: u8) -> &mut Option<Id> {
        let frame = self.frames.last_mut().expect("a frame is running");
        &mut frame[usize::from(at & 3)]
    }

    fn steps(&mut self, program: &[Code]) -> Result<Option<Id>, Trapped> {
        let mut at = 0;
        while let Some(&(op, a, b, c)) = program.get(at) {
            at += 1;
            let (b_at, c_len) = (usize::from(b), usize::from(c));
            let value = *self.local(a);
            match op {
                Op::Make => {
                    *self.local(a) = Some(self.made);
                    self.made += 1;
                }
                Op::Copy => *self.local(a) = *self.local(b),
                Op::Null => *self.local(a) = None,
                Op::TableGet => *self.local(a) = self.table[b_at & 7],
                Op::TableSet | Op::HostSet => self.table[b_at & 7] = value,
                Op::TableFill => self.table[b_at..b_at + (c_len & 3)].fill(value),
                Op::TableCopy => {
                    self.table.copy_within(b_at..b_at + (c_len & 3), usize::from(a));
                }
                Op::GlobalSet => self.globals[b_at & 1] = value,
                Op::GlobalGet => *self.local(a) = self.globals[b_at & 1],
                Op::Grow => {
                    let len = self.grown.len() + (b_at & 1) + 1;
                    if len <= GROWN {
                        self.grown.resize(len, value);
                    }
                }
                Op::GrownGet => {
                    let len = self.grown.len().max(1);
                    *self.local(a) = self.grown.get(b_at % len).copied().flatten();
                }
                Op::GrownSet => {
                    let len = self.grown.len().max(1);
                    if let Some(place) = self.grown.get_mut(b_at % len) {
                        *place = value;
                    }
                }
                Op::Call | Op::CallByHost => {
                    let end = program.len().min(at + c_len);
                    let argument = *self.local(b);
                    let outcome = self.frame(&program[at..end], argument);
                    at = end;
                    *self.local(a) = match outcome {
                        Ok(result) => result,
                        // The host swallows the trap.
                        Err(_) if op == Op::CallByHost && b & 0x80 != 0 => None,
                        Err(trapped) => return Err(trapped),
                    };
                }
                Op::Probe => {
                    let placed = self.placed();
                    let held = self.frames.iter().flatten().filter_map(|local| *local);
                    let reachable = placed.iter().copied().chain(held).collect();
                    let locals = *self.frames.last().expect("a frame is running");
                    self.probes.push(Probe { locals, placed, reachable });
                }
                Op::Collect | Op::Step => {}
                Op::Init => self.table[b_at..b_at + 2].fill(None),
                Op::Return => return Ok(value),
                Op::Trap => return Err(Trapped),
            }
        }
        Ok(*self.local(1))
    }
}
