//! Rows and how they are measured: the contenders take samples in turn, so that
//! disturbances of the machine hit all of them; medians and quartiles are reported.

use std::hint::black_box;
use std::time::Duration;

/// Who does the work of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Kernref, `ZeroCount`.
    Kernref,
    /// Kernref, `CloneOnRead`.
    Clone,
    /// Kernref with hardware traps: guard pages replace bounds checks.
    Guards,
    /// Kernref without speculation guards.
    Unguarded,
    /// Wasmtime with its defaults.
    W1,
    /// Wasmtime with explicit checks and without reservations.
    W2,
    /// W1 with an instance pool.
    Pooling,
    /// wasmi.
    Wasmi,
    /// Kernref without the feature that the row is about.
    Base,
    /// The last version of `cranelift-wasm`.
    CraneliftWasm,
    /// Native code: the bare minimum of the same work.
    Floor,
}

impl Who {
    /// In the order of the table's columns.
    pub const ALL: [Who; 11] = [
        Who::Kernref,
        Who::Clone,
        Who::Guards,
        Who::Unguarded,
        Who::W1,
        Who::W2,
        Who::Pooling,
        Who::Wasmi,
        Who::CraneliftWasm,
        Who::Base,
        Who::Floor,
    ];
    /// Contenders that run Wasm and collect references.
    pub const COUNTED: [Who; 4] = [Who::Kernref, Who::Clone, Who::W1, Who::W2];
    /// Contenders that run Wasm.
    pub const WASM: [Who; 5] = [Who::Kernref, Who::Clone, Who::W1, Who::W2, Who::Wasmi];
    /// Contenders for rows without references.
    pub const PLAIN: [Who; 4] = [Who::Kernref, Who::W1, Who::W2, Who::Wasmi];

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Who::Kernref => "Kernref",
            Who::Clone => "CloneOnRead",
            Who::Guards => "guard pages",
            Who::Unguarded => "guards off",
            Who::W1 => "W1",
            Who::W2 => "W2",
            Who::Pooling => "W1 pooling",
            Who::Wasmi => "wasmi",
            Who::CraneliftWasm => "cranelift-wasm",
            Who::Base => "base",
            Who::Floor => "floor",
        }
    }
}

/// The performance budget: Kernref takes at most `at_most` times the best of
/// these contenders, or, if there are none, at most that much in the row's unit.
pub struct Goal {
    /// The factor or limit.
    pub at_most: f64,
    /// The contenders compared with.
    pub of: &'static [Who],
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "≤ {}", self.at_most)?;
        let names: Vec<_> = self.of.iter().map(|who| who.name()).collect();
        match names[..] {
            [] => {}
            [one] => write!(f, " × {one}")?,
            _ => write!(f, " × best of {}", names.join(", "))?,
        }
        Ok(())
    }
}

/// A contender: given a number of operations, returns how many nanoseconds (or
/// whatever the row's unit is) one of them took.
pub type Sample = Box<dyn FnMut(u64) -> f64>;

/// Sets up the contenders of a row, or says why that cannot be done here.
type Setup = Box<dyn FnOnce() -> Result<Vec<(Who, Sample)>, String>>;

/// One line of the report.
pub struct Row {
    /// Name, which filters match.
    pub name: String,
    /// The unit that one operation is measured in.
    pub unit: &'static str,
    /// The budget.
    pub goal: Option<Goal>,
    /// Only called if the row is measured.
    pub setup: Setup,
    /// Maximum operations per sample.
    pub max_ops: u64,
    /// Maximum samples per contender.
    pub max_samples: usize,
    /// Samples never vary: one is enough.
    pub exact: bool,
}

impl Row {
    /// A row in nanoseconds.
    pub fn new(
        name: impl Into<String>,
        goal: Option<Goal>,
        setup: impl FnOnce() -> Vec<(Who, Sample)> + 'static,
    ) -> Self {
        Self::try_new(name, goal, || Ok(setup()))
    }

    /// The same for one that needs what may not be here.
    pub fn try_new(
        name: impl Into<String>,
        goal: Option<Goal>,
        setup: impl FnOnce() -> Result<Vec<(Who, Sample)>, String> + 'static,
    ) -> Self {
        let (name, setup) = (name.into(), Box::new(setup));
        Self {
            name,
            unit: "ns",
            goal,
            setup,
            max_ops: u64::MAX,
            max_samples: usize::MAX,
            exact: false,
        }
    }
}

/// Median and quartiles of a contender.
#[derive(Clone, Copy)]
pub struct Stat {
    /// The contender.
    pub who: Who,
    /// The median.
    pub median: f64,
    /// First and third quartile.
    pub quartiles: (f64, f64),
    /// Number of samples.
    pub samples: usize,
}

impl Stat {
    /// Half the interquartile range, as a fraction of the median.
    pub fn spread(&self) -> f64 {
        (self.quartiles.1 - self.quartiles.0) / 2.0 / self.median.abs()
    }
}

/// A row's outcome.
pub struct Outcome {
    /// The row's name.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Its goal.
    pub goal: Option<Goal>,
    /// One per contender.
    pub stats: Vec<Stat>,
}

impl Outcome {
    /// The median of a contender.
    pub fn median(&self, who: Who) -> Option<f64> {
        self.stats.iter().find(|stat| stat.who == who).map(|stat| stat.median)
    }

    /// The contender the row is about: Kernref, in its default mode if that was
    /// measured.
    fn kernref(&self) -> Option<f64> {
        [Who::Kernref, Who::Guards, Who::Unguarded].into_iter().find_map(|who| self.median(who))
    }

    /// Kernref as a multiple of another. `None` if either value is a net time
    /// too small to measure.
    pub fn ratio(&self, to: Who) -> Option<f64> {
        let (found, other) = (self.kernref()?, self.median(to)?);
        (found > 0.0 && other > 0.0).then_some(found / other)
    }

    /// The quantity the goal limits: a ratio, or the median itself.
    pub fn against_goal(&self) -> Option<f64> {
        let goal = self.goal.as_ref()?;
        let best = goal.of.iter().filter_map(|who| self.median(*who)).reduce(f64::min);
        let found = self.kernref()?;
        match goal.of {
            [] => Some(found),
            _ => Some(found / best?),
        }
    }

    /// Whether the goal is met, if there is one and all it needs was measured.
    pub fn meets_goal(&self) -> Option<bool> {
        Some(self.against_goal()? <= self.goal.as_ref()?.at_most)
    }
}

/// How long to measure.
pub struct Effort {
    /// Samples per contender.
    pub samples: usize,
    /// Time per sample.
    pub sample_time: Duration,
}

impl Effort {
    /// Enough samples for small spreads, or for a quick look.
    pub fn new(quick: bool) -> Self {
        let (samples, millis) = if quick { (7, 1) } else { (21, 4) };
        Self { samples, sample_time: Duration::from_millis(millis) }
    }
}

/// Measures a row, or says why it cannot be measured here.
pub fn run(row: Row, effort: &Effort) -> Result<Outcome, String> {
    let mut contenders = (row.setup)()?;
    let ops: Vec<u64> = contenders
        .iter_mut()
        .map(|(_, sample)| if row.exact { 1 } else { calibrate(sample, effort, row.max_ops) })
        .collect();
    let mut samples = vec![Vec::new(); contenders.len()];
    let rounds = if row.exact { 1 } else { effort.samples.min(row.max_samples) };
    for round in 0..rounds {
        for step in 0..contenders.len() {
            let at = (round + step) % contenders.len();
            samples[at].push((contenders[at].1)(ops[at]));
        }
    }
    let stats = contenders.iter().zip(samples).map(|((who, _), samples)| stat(*who, samples));
    Ok(Outcome { name: row.name, unit: row.unit, goal: row.goal, stats: stats.collect() })
}

/// How many operations fill one sample's time, including the sample's set-up.
fn calibrate(sample: &mut Sample, effort: &Effort, max_ops: u64) -> u64 {
    let mut ops = 1;
    loop {
        let start = thread_time();
        black_box(sample(ops));
        let took = thread_time() - start;
        if ops >= max_ops || took >= effort.sample_time {
            return ops;
        }
        let factor = effort.sample_time.as_nanos() as u64 / (took.as_nanos() as u64).max(1);
        ops = (ops * factor.clamp(2, 10)).min(max_ops);
    }
}

/// Median and quartiles of samples.
fn stat(who: Who, mut samples: Vec<f64>) -> Stat {
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
    Stat { who, median: at(0.5), quartiles: (at(0.25), at(0.75)), samples: samples.len() }
}

/// Nanoseconds per operation of `work`, which performs `ops` of them.
pub fn timed(ops: u64, work: impl FnOnce()) -> f64 {
    let start = thread_time();
    work();
    (thread_time() - start).as_nanos() as f64 / ops as f64
}

/// CPU time of this thread: time taken by other programs does not count.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("time since the thread's start is positive")
}
