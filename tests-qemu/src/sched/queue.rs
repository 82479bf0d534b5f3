//! [`Queue`]: which thread runs on which processor. Knows neither registers nor
//! clocks, so that it is tested on hosts as well (`tests/kernel_scheduler.rs`).
//!
//! Invariants: a thread is on at most one processor. A thread that is ready and
//! of a higher priority than one that runs does not wait for longer than it
//! takes to interrupt that processor. A thread that has waited for [`PATIENCE`]
//! turns gets one, whatever its priority: who spins for a lock whose holder was
//! preempted would keep it from running otherwise.

/// Most processors.
pub const MAX_PROCESSORS: usize = 8;
/// Most threads at a time, without those that idle.
pub const MAX_THREADS: usize = 64;
/// Turns of a processor for which a thread waits behind higher priorities.
pub const PATIENCE: u64 = 64;

/// A thread's number.
pub type Id = usize;

/// Higher numbers go first.
pub type Priority = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The place has no thread.
    Free,
    /// Waits for a processor, since that turn.
    Ready { since: u64 },
    /// Has a processor.
    Running,
    /// Waits for [`Queue::unpark`], or for that time.
    Parked { until: u64 },
    /// Has ended, and was not removed yet.
    Ended,
}

#[derive(Clone, Copy)]
struct Thread {
    state: State,
    priority: Priority,
    /// The processor that it had last.
    last: usize,
    /// It was unparked while it was not parked.
    token: bool,
    /// Whom its end unparks.
    joiner: Option<Id>,
}

const NONE: Thread =
    Thread { state: State::Free, priority: 0, last: MAX_PROCESSORS, token: false, joiner: None };

/// All threads, and the processors they are on.
pub struct Queue {
    threads: [Thread; MAX_THREADS],
    running: [Option<Id>; MAX_PROCESSORS],
    processors: usize,
    /// Counts decisions.
    turn: u64,
    /// Threads leave their processor at every tick.
    moving: bool,
}

impl Queue {
    /// No threads, and one processor.
    pub const fn new() -> Self {
        let (threads, running) = ([NONE; MAX_THREADS], [None; MAX_PROCESSORS]);
        Self { threads, running, processors: 1, turn: 0, moving: false }
    }

    /// Uses `processors` processors. If `moving`, no thread is on the same
    /// processor twice in a row, unless there is only one.
    pub fn configure(&mut self, processors: usize, moving: bool) {
        self.processors = processors.clamp(1, MAX_PROCESSORS);
        self.moving = moving && processors > 1;
    }

    /// The thread on a processor; `None` if it idles.
    pub fn running(&self, processor: usize) -> Option<Id> {
        self.running[processor]
    }

    /// Adds a thread that is ready. `None` if there are too many.
    pub fn add(&mut self, priority: Priority) -> Option<Id> {
        let id = self.threads.iter().position(|thread| thread.state == State::Free)?;
        self.threads[id] = Thread { state: State::Ready { since: self.turn }, priority, ..NONE };
        Some(id)
    }

    /// Removes a thread that has ended.
    pub fn remove(&mut self, id: Id) {
        if self.threads[id].state == State::Ended {
            self.threads[id] = NONE;
        }
    }

    /// Whether a thread has ended; if not, its end will unpark `joiner`.
    pub fn has_ended(&mut self, id: Id, joiner: Id) -> bool {
        let ended = self.threads[id].state == State::Ended;
        if !ended {
            self.threads[id].joiner = Some(joiner);
        }
        ended
    }

    /// The processor's time is up: another thread's turn.
    pub fn tick(&mut self, processor: usize, now: u64) {
        for thread in &mut self.threads {
            if matches!(thread.state, State::Parked { until } if until <= now) {
                thread.state = State::Ready { since: self.turn };
            }
        }
        self.put_back(processor);
        self.choose(processor);
    }

    /// The same at the wish of the thread.
    pub fn give_way(&mut self, processor: usize) {
        self.put_back(processor);
        self.choose(processor);
    }

    /// The processor was told to look for a better thread.
    pub fn look(&mut self, processor: usize) {
        let better = match (self.best(processor), self.running[processor]) {
            (Some(best), Some(current)) => {
                self.threads[best].priority > self.threads[current].priority
            }
            (best, None) => best.is_some(),
            (None, _) => false,
        };
        if better {
            self.put_back(processor);
            self.choose(processor);
        }
    }

    /// The thread waits until it is unparked or the time comes, unless it was
    /// unparked since it last did.
    pub fn park(&mut self, processor: usize, until: u64) {
        let Some(id) = self.running[processor] else { return };
        if !core::mem::take(&mut self.threads[id].token) {
            self.threads[id].state = State::Parked { until };
            self.running[processor] = None;
            self.choose(processor);
        }
    }

    /// The thread never runs again.
    pub fn end(&mut self, processor: usize) {
        let Some(id) = self.running[processor] else { return };
        self.threads[id].state = State::Ended;
        self.running[processor] = None;
        if let Some(joiner) = self.threads[id].joiner.take() {
            self.unpark(joiner);
        }
        self.choose(processor);
    }

    /// Ends the thread's waiting, or the next one.
    pub fn unpark(&mut self, id: Id) {
        let thread = &mut self.threads[id];
        match thread.state {
            State::Parked { .. } => thread.state = State::Ready { since: self.turn },
            State::Free | State::Ended => {}
            State::Ready { .. } | State::Running => thread.token = true,
        }
    }

    /// A processor other than `this` that ought to [`Self::look`]: it idles, or
    /// its thread has the lowest priority, and a thread that is ready has a
    /// higher one. The next one after `this` if there are several, so that a thread
    /// that is moved comes to all of them.
    pub fn should_look(&self, this: usize) -> Option<usize> {
        let others = (1..self.processors).map(|offset| (this + offset) % self.processors);
        let priority = |processor: usize| {
            self.running[processor].map(|id| u16::from(self.threads[id].priority) + 1)
        };
        others
            .filter(|processor| {
                self.best(*processor).is_some_and(|id| {
                    Some(u16::from(self.threads[id].priority) + 1) > priority(*processor)
                })
            })
            .min_by_key(|processor| priority(*processor))
    }

    fn put_back(&mut self, processor: usize) {
        if let Some(id) = self.running[processor].take() {
            self.threads[id].state = State::Ready { since: self.turn };
        }
    }

    /// The ready thread whose turn it is on this processor.
    fn best(&self, processor: usize) -> Option<Id> {
        let mut best: Option<(bool, Priority, u64, Id)> = None;
        for (id, thread) in self.threads.iter().enumerate() {
            let State::Ready { since } = thread.state else { continue };
            if self.moving && thread.last == processor {
                continue;
            }
            let waited = self.turn.saturating_sub(since);
            let key = (waited >= PATIENCE * self.processors as u64, thread.priority, waited, id);
            let earlier = |known: &(bool, Priority, u64, Id)| {
                (key.0, if key.0 { 0 } else { key.1 }, key.2)
                    > (known.0, if known.0 { 0 } else { known.1 }, known.2)
            };
            if best.as_ref().is_none_or(earlier) {
                best = Some(key);
            }
        }
        best.map(|(.., id)| id)
    }

    fn choose(&mut self, processor: usize) {
        self.turn += 1;
        if let Some(id) = self.best(processor) {
            self.threads[id].state = State::Running;
            self.threads[id].last = processor;
            self.running[processor] = Some(id);
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}
