//! Random programs of reference operations, and a plain model of what they do.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// An object, by its serial number.
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
    CallOther,
    CallByHost,
    Probe,
    Collect,
    Step,
    HostSet,
    HostGet,
    Root,
    Rooted,
    SegmentInit,
    SegmentDrop,
    Return,
    Trap,
}

/// Operations, with their relative frequencies.
const WEIGHTS: [(Op, u32); 26] = [
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
    (Op::CallOther, 5),
    (Op::CallByHost, 6),
    (Op::Probe, 10),
    (Op::Collect, 3),
    (Op::Step, 6),
    (Op::HostSet, 4),
    (Op::HostGet, 3),
    (Op::Root, 5),
    (Op::Rooted, 5),
    (Op::SegmentInit, 3),
    (Op::SegmentDrop, 1),
    (Op::Return, 3),
    (Op::Trap, 3),
];

/// An operation with its operands, as stored in guest memory.
pub type Code = (Op, u8, u8, u8);

/// Number of operations.
pub const OPERATIONS: u8 = WEIGHTS.len() as u8;

/// Decodes four arbitrary bytes into an operation that stays within the tables.
pub fn decode([op, a, b, c]: [u8; 4]) -> Code {
    within_tables(WEIGHTS[usize::from(op % OPERATIONS)].0, a & 3, b, c % 12)
}

fn within_tables(op: Op, a: u8, b: u8, c: u8) -> Code {
    match op {
        Op::TableFill | Op::TableCopy | Op::SegmentInit => (op, a, b & 3, c),
        _ => (op, a, b, c),
    }
}

/// How programs collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collecting {
    /// Whole collections, and steps of all sizes.
    Anyhow,
    /// Steps of one entry. Stored references are read and overwritten often, so
    /// that this happens between the walk and the end of the sweep.
    Slowly,
}

/// Marsaglia's xorshift.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 20) % u64::from(bound)) as u32
    }

    fn operation(&mut self, collecting: Collecting) -> Code {
        let mut at = self.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
        let op = WEIGHTS.iter().find_map(|(op, weight)| {
            let found = at < *weight;
            at = at.wrapping_sub(*weight);
            found.then_some(*op)
        });
        let operands = [self.below(4), self.below(256), self.below(12)];
        let [a, b, c] = operands.map(|operand| operand as u8);
        match (collecting, op.unwrap_or(Op::Null)) {
            (Collecting::Anyhow, op) => within_tables(op, a, b, c),
            (Collecting::Slowly, Op::Collect | Op::Step) => (Op::Step, a, 1, c),
            // Probes collect if `b` is odd.
            (Collecting::Slowly, Op::Probe) => (Op::Probe, a, b & !1, c),
            (Collecting::Slowly, op) => within_tables(op, a, b, c),
        }
    }

    /// A new object goes into the table and out of the frame; or one is read from
    /// the table and its element overwritten, perhaps with steps in between.
    fn put_away_or_take(&mut self, code: &mut Vec<Code>) {
        let (a, b) = (self.below(4) as u8, self.below(8) as u8);
        let other = (a + 1 + self.below(3) as u8) & 3;
        match self.below(4) {
            0 | 1 => {
                code.extend([(Op::Make, a, 0, 0), (Op::TableSet, a, b, 0), (Op::Null, a, 0, 0)]);
            }
            2 => code.extend([(Op::TableGet, a, b, 0), (Op::TableSet, other, b, 0)]),
            _ => code.extend([
                (Op::TableGet, a, b, 0),
                (Op::Step, 0, 1 + self.below(5) as u8, 0),
                (Op::TableSet, other, b, 0),
                (Op::Probe, 0, 0, 0),
            ]),
        }
    }

    /// A program of about `len` operations. It returns early only in called
    /// frames, and mostly traps where the host swallows the trap.
    pub fn program(&mut self, len: usize, collecting: Collecting) -> Vec<Code> {
        let (mut called, mut swallowed) = (0, 0);
        let mut code = Vec::new();
        while code.len() < len {
            if collecting == Collecting::Slowly && self.below(3) == 0 {
                self.put_away_or_take(&mut code);
            }
            let (op, a, b, c) = self.operation(collecting);
            let end = code.len() + 1 + usize::from(c);
            let fits = match op {
                Op::Return => code.len() < called,
                Op::Trap => code.len() < swallowed || self.below(8) == 0,
                _ => true,
            };
            if matches!(op, Op::Call | Op::CallOther | Op::CallByHost) {
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
    /// The locals of the probing frame.
    pub locals: [Option<Id>; 4],
    /// What tables, globals and roots hold: certainly alive.
    pub placed: BTreeSet<Id>,
    /// The same plus what frames may hold: nothing else is alive after a
    /// collection.
    pub reachable: BTreeSet<Id>,
}

/// Elements of the shared table.
pub const TABLE: usize = 8;
/// Number of references the host keeps.
pub const ROOTS: usize = 4;
/// Maximum length of a growing table.
pub const GROWN: usize = 12;

/// The state of one instance.
#[derive(Default)]
struct Instance {
    grown: Vec<Option<Id>>,
    globals: [Option<Id>; 2],
    /// Its element segment has been dropped.
    dropped: bool,
}

/// The state of both instances and the host.
#[derive(Default)]
pub struct Model {
    table: [Option<Id>; TABLE],
    roots: [Option<Id>; ROOTS],
    instances: [Instance; 2],
    /// What an immutable global and the segments hold.
    seed: Option<Id>,
    made: Id,
    frames: Vec<[Option<Id>; 4]>,
    pub probes: Vec<Probe>,
}

/// `unreachable` was executed.
#[derive(Debug, PartialEq, Eq)]
pub struct Trapped;

impl Model {
    pub fn new(seed: Option<Id>) -> Self {
        Model { seed, made: seed.iter().len() as Id, ..Model::default() }
    }

    /// The object that is never replaced.
    pub fn seed(&self) -> Option<Id> {
        self.seed
    }

    /// Resumes after a program of unknown effect: `made` objects exist, and the
    /// growing tables have these sizes. The contents of the places are unknown
    /// and must be overwritten.
    pub fn resume(&mut self, made: Id, sizes: [u64; 2]) {
        *self = Model { made, seed: self.seed, ..Model::default() };
        for (instance, size) in self.instances.iter_mut().zip(sizes) {
            instance.grown = alloc::vec![None; size as usize];
        }
    }

    /// What tables, globals and roots hold.
    pub fn placed(&self) -> BTreeSet<Id> {
        let own = self.instances.iter().flat_map(|own| own.grown.iter().chain(&own.globals));
        self.table
            .iter()
            .chain(&self.roots)
            .chain(own)
            .chain([&self.seed])
            .filter_map(|place| *place)
            .collect()
    }

    /// How many objects have been made.
    pub fn made(&self) -> Id {
        self.made
    }

    /// Runs a program as the host does: in instance 0, without an argument.
    pub fn run(&mut self, program: &[Code]) -> Result<Option<Id>, Trapped> {
        self.frames.clear();
        self.frame(0, program, None)
    }

    fn frame(
        &mut self,
        me: usize,
        program: &[Code],
        argument: Option<Id>,
    ) -> Result<Option<Id>, Trapped> {
        self.frames.push([argument, None, None, None]);
        let outcome = self.steps(me, program);
        self.frames.pop();
        outcome
    }

    fn local(&mut self, at: u8) -> &mut Option<Id> {
        let frame = self.frames.last_mut().expect("a frame is running");
        &mut frame[usize::from(at & 3)]
    }

    fn steps(&mut self, me: usize, program: &[Code]) -> Result<Option<Id>, Trapped> {
        let mut at = 0;
        while let Some(&(op, a, b, c)) = program.get(at) {
            at += 1;
            let (b_at, c_len) = (usize::from(b), usize::from(c));
            let value = *self.local(a);
            let own = &mut self.instances[me];
            match op {
                Op::Make => {
                    *self.local(a) = Some(self.made);
                    self.made += 1;
                }
                Op::Copy => *self.local(a) = *self.local(b),
                Op::Null => *self.local(a) = None,
                Op::TableGet | Op::HostGet => *self.local(a) = self.table[b_at & 7],
                Op::TableSet | Op::HostSet => self.table[b_at & 7] = value,
                Op::Root => self.roots[b_at & 3] = value,
                Op::Rooted => *self.local(a) = self.roots[b_at & 3],
                Op::TableFill => self.table[b_at..b_at + (c_len & 3)].fill(value),
                Op::TableCopy => {
                    self.table.copy_within(b_at..b_at + (c_len & 3), usize::from(a));
                }
                Op::GlobalSet => own.globals[b_at & 1] = value,
                Op::GlobalGet => *self.local(a) = self.instances[me].globals[b_at & 1],
                Op::Grow => {
                    let len = own.grown.len() + (b_at & 1) + 1;
                    if len <= GROWN {
                        own.grown.resize(len, value);
                    }
                }
                Op::GrownGet => {
                    let len = own.grown.len().max(1);
                    *self.local(a) = self.instances[me].grown.get(b_at % len).copied().flatten();
                }
                Op::GrownSet => {
                    let len = own.grown.len().max(1);
                    if let Some(place) = own.grown.get_mut(b_at % len) {
                        *place = value;
                    }
                }
                Op::Call | Op::CallOther | Op::CallByHost => {
                    let by_host = op == Op::CallByHost;
                    let other = op == Op::CallOther || by_host && b & 0x20 != 0;
                    let callee = if other { 1 - me } else { me };
                    let end = program.len().min(at + c_len);
                    let argument = *self.local(b);
                    let outcome = self.frame(callee, &program[at..end], argument);
                    at = end;
                    *self.local(a) = match outcome {
                        Ok(result) => result,
                        // The host swallows the trap.
                        Err(_) if by_host && b & 0x80 != 0 => None,
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
                Op::SegmentInit if own.dropped => {}
                Op::SegmentInit => {
                    self.table[b_at..b_at + 2].copy_from_slice(&[self.seed, None]);
                }
                Op::SegmentDrop => own.dropped = true,
                Op::Return => return Ok(value),
                Op::Trap => return Err(Trapped),
            }
        }
        Ok(*self.local(1))
    }
}
