//! Random programs of reference operations, run by interpreters in two
//! instances and compared with a plain model: no live object is released, every
//! dead object is released exactly once, and counts are exact. Both policies
//! and zeal agree with the model, and so with each other. In an arena that is
//! too small, a program ends early with a trap.

mod guest;
mod host;
mod model;

use crate::support::{Maybe, Setup, module};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use guest::interpreter;
use host::{RELEASED, UNBORN, World, id, linker};
use kernref::{
    Config, Engine, Error, Global, GlobalType, Memory, Module, Store, Table, Trap, TypedFunc,
    ValType,
};
use model::{Code, Collecting, Id, Model, OPERATIONS, Op, Random};

type Run = TypedFunc<(u32, u32, Maybe), Maybe>;

/// An engine and the modules that programs need.
struct Machine {
    engine: Engine,
    modules: [Module; 2],
    /// It has fewer slots than programs may need.
    small: bool,
}

/// A store with both instances, and its model.
struct Arena {
    store: Store<World>,
    memory: Memory,
    run: Run,
    grown: [Table; 2],
    model: Model,
    small: bool,
    /// Programs that ended because the arena was full.
    full: usize,
    probed: usize,
}

impl Machine {
    fn new(engine: &Engine, small: bool) -> Self {
        let modules = [0, 1].map(|me| module(engine, &interpreter(me)));
        Machine { engine: engine.clone(), modules, small }
    }

    /// An arena with room for `objects` objects.
    fn arena(&self, objects: usize) -> Arena {
        let mut linker = linker(&self.engine);
        let mut store = Store::new(&self.engine, World::new(objects + 1)).unwrap();
        // In a small arena, segments hold only nulls.
        let seed = if self.small { None } else { Some(store.data_mut().make().unwrap()) };
        let model = Model::new(seed.as_ref().map(id));
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: false };
        let seed = Global::new(&mut store, ty, seed.into()).unwrap();
        linker.define(&store, "h", "seed", seed).unwrap();
        let first = linker.instantiate(&mut store, &self.modules[0]).unwrap();
        linker.instance(&mut store, "a", first).unwrap();
        let second = linker.instantiate(&mut store, &self.modules[1]).unwrap();
        let memory = first.get_memory(&mut store, "program").unwrap();
        let run = first.get_typed_func(&mut store, "run").unwrap();
        let grown = [first, second].map(|of| of.get_table(&mut store, "grown").unwrap());
        Arena { store, memory, run, grown, model, small: self.small, full: 0, probed: 0 }
    }
}

impl Arena {
    /// Runs one program in the store and in the model, and compares the two.
    fn compare(&mut self, code: &[Code]) {
        let store = &mut self.store;
        let bytes: Vec<u8> =
            code.iter().flat_map(|(op, a, b, c)| [*op as u8, *a, *b, *c]).collect();
        self.memory.write(&mut *store, 0, &bytes).unwrap();
        let wanted = self.model.run(code);
        let world = store.data_mut();
        (world.probes, world.probed) = (core::mem::take(&mut self.model.probes), 0);
        let found = self.run.call(&mut *store, (0, bytes.len() as u32, None));
        self.probed += store.data().probed;
        match (&found, &wanted) {
            (Ok(found), Ok(wanted)) => assert_eq!(found.as_ref().map(id), *wanted),
            (Err(Error::Trap(Trap::UnreachableCodeReached)), Err(_)) => {}
            (Err(Error::Trap(Trap::ReferenceArenaFull)), _) if self.small => {
                // How far it got is unknown: start again from the current state.
                self.full += 1;
                self.model.resume(store.data().made, self.grown.map(|t| t.size(&*store).unwrap()));
                return self.clear();
            }
            _ => panic!("{found:?} instead of {wanted:?}"),
        }
        let world = store.data();
        assert_eq!((world.probed, world.made), (world.probes.len(), self.model.made()));
        // No frame is left: what was not stored is already gone.
        drop(found);
        assert_eq!(store.data().alive(), self.model.placed());
        assert_eq!(store.gc_stats().table_len, 0);
    }

    /// Nulls all places, by a program. Slots still in use afterwards were
    /// counted once too often.
    fn clear(&mut self) {
        let each = (0..12).flat_map(|at| {
            [
                (Op::TableSet, 0, at, 0),
                (Op::GrownSet, 0, at, 0),
                (Op::GlobalSet, 0, at, 0),
                (Op::Root, 0, at, 0),
            ]
        });
        let mut code: Vec<Code> = each.chain([(Op::SegmentDrop, 0, 0, 0)]).collect();
        let in_the_other = [(Op::CallOther, 1, 0, code.len() as u8)];
        code.extend_from_within(..);
        code.splice(..0, in_the_other);
        self.compare(&code);
        assert_eq!(self.store.data().alive(), self.model.seed().into_iter().collect());
        let seeds = self.model.seed().iter().len() as u32;
        assert_eq!(self.store.gc_stats().slots_used, seeds);
    }

    /// Drops the store: every object made must now have been released.
    fn finish(mut self) {
        self.clear();
        let (fates, made) = (self.store.data().fates.clone(), self.store.data().made);
        drop(self.store);
        let fate = |id: Id| fates[id as usize].load(Ordering::Relaxed);
        assert!((0..made).all(|id| fate(id) == RELEASED));
        assert!((made..fates.len() as Id).all(|id| fate(id) == UNBORN));
    }
}

fn slots(slots: u32, threshold: Option<u32>) -> impl Fn(&mut Config) {
    move |config| {
        config.reference_slots(slots).gc_threshold(threshold);
    }
}

fn run_programs(
    setup: Setup,
    seeds: core::ops::Range<u64>,
    len: usize,
    (collecting, threshold): (Collecting, Option<u32>),
) {
    const PROGRAMS: usize = 6;
    setup.each_config(slots(512, threshold), |engine| {
        let machine = Machine::new(engine, false);
        let (mut made, mut probed) = (0, 0);
        for seed in seeds.clone() {
            let mut arena = machine.arena(PROGRAMS * (len + 4));
            let mut random = Random::new(seed);
            for _ in 0..PROGRAMS {
                arena.compare(&random.program(len, collecting));
            }
            made += arena.model.made() as usize;
            probed += arena.probed;
            arena.finish();
        }
        // The programs actually did something.
        let operations = PROGRAMS * len * seeds.clone().count();
        assert!(made > operations / 40 && probed > operations / 60, "{made} made, {probed} probed");
    });
}

pub fn many_short_programs(setup: Setup) {
    run_programs(setup, 1..41, 40, (Collecting::Anyhow, Some(3)));
}

pub fn some_long_programs(setup: Setup) {
    run_programs(setup, 100..108, 400, (Collecting::Anyhow, Some(12)));
}

pub fn programs_that_seldom_collect(setup: Setup) {
    run_programs(setup, 200..216, 120, (Collecting::Anyhow, None));
}

pub fn programs_between_steps(setup: Setup) {
    run_programs(setup, 300..320, 150, (Collecting::Slowly, None));
}

pub fn programs_in_arenas_of_a_few_slots(setup: Setup) {
    const PROGRAMS: usize = 60;
    for count in 1..=4 {
        for threshold in [Some(1), None] {
            setup.each_config(slots(count, threshold), |engine| {
                let machine = Machine::new(engine, true);
                let mut random = Random::new(u64::from(count));
                let mut arena = machine.arena(PROGRAMS * 12);
                for _ in 0..PROGRAMS {
                    arena.compare(&random.program(12, Collecting::Anyhow));
                }
                let (full, made, probed) = (arena.full, arena.model.made(), arena.probed);
                arena.finish();
                assert!(full > 0 && full < PROGRAMS * 9 / 10, "{count} slots: {full} full");
                assert!(made > 30 && probed > 20, "{count} slots: {made} made, {probed} probed");
            });
        }
    }
}

/// Programs of reference operations, decoded from bytes for fuzzing: under
/// every setup, in an arena with room and in one with three slots.
pub struct GcOps {
    machines: Vec<Machine>,
}

impl GcOps {
    /// The maximum number of operations per input.
    const MOST: usize = 1000;

    /// Compiles the modules that all inputs need.
    pub fn new() -> Self {
        let settings = [(512, Some(3)), (512, None), (3, Some(2))];
        let machines = Setup::ALL.iter().flat_map(|setup| {
            settings.iter().map(|(count, threshold)| {
                let mut config = setup.config();
                slots(*count, *threshold)(&mut config);
                Machine::new(&crate::support::engine(&config).unwrap(), *count == 3)
            })
        });
        GcOps { machines: machines.collect() }
    }

    /// Runs the programs that the bytes encode: the first byte is the length of
    /// a program, and each following four are an operation.
    ///
    /// # Panics
    /// If a reachable object was released, an unreachable one was kept, or
    /// anything else differs from the model.
    pub fn run(&self, bytes: &[u8]) {
        let Some((len, bytes)) = bytes.split_first() else { return };
        let code: Vec<Code> = bytes
            .chunks_exact(4)
            .take(Self::MOST)
            .map(|four| model::decode([four[0], four[1], four[2], four[3]]))
            .collect();
        for machine in &self.machines {
            let mut arena = machine.arena(code.len());
            for program in code.chunks(usize::from(*len).max(1)) {
                arena.compare(program);
            }
            arena.finish();
        }
    }
}

impl Default for GcOps {
    fn default() -> Self {
        Self::new()
    }
}

pub fn programs_from_bytes(setup: Setup) {
    // Once is enough: it goes through all setups itself.
    if setup != Setup::ALL[0] {
        return;
    }
    let ops = GcOps::new();
    let mut random = Random::new(77);
    for len in 0..40 {
        let mut bytes: Vec<u8> = (0..len * 8 + 3).map(|_| random.below(256) as u8).collect();
        // Opcodes as numbered, so that none is rarer than the others.
        bytes.iter_mut().skip(1).step_by(4).for_each(|op| *op %= OPERATIONS);
        ops.run(&bytes);
    }
}
