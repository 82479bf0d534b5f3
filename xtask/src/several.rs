//! What is run by threads on several processors of a kernel at the same time:
//! which of it is done, and which of it is to blame for a bad end. The kernel
//! prints `begin N NAME`, and later a line that begins with `case N ` or `file N `
//! when that is done; `… in case N …` or `… in file N …` names the thread that
//! has failed (`tests-qemu/src/bin/*/threads.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// For one boot: emulated processors share the host's.
pub const DEADLINE: Duration = Duration::from_secs(900);

/// How a kernel uses processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Processors {
    /// Run threads on this many processors at once, each preempted and moved to
    /// another processor at every tick.
    #[arg(long, value_name = "PROCESSORS", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub smp: Option<u32>,
    /// Microseconds between two ticks of a processor, with --smp.
    #[arg(long, value_name = "MICROSECONDS", requires = "smp")]
    pub tick_us: Option<u32>,
    /// Draw the times between ticks from a generator with this seed, with --smp.
    #[arg(long, value_name = "SEED", requires = "smp")]
    pub random: Option<u32>,
}

impl Processors {
    /// Four of them, with a tick every millisecond.
    pub const FOUR: Self = Self { smp: Some(4), tick_us: None, random: None };

    /// The same at random times.
    pub const fn at_random(self, seed: u32) -> Self {
        Self { random: Some(seed), ..self }
    }

    /// As a kernel's arguments.
    pub fn arguments(self) -> Vec<String> {
        let named = |name: &str, value: Option<u32>| value.map(|value| format!("{name}={value}"));
        [named("smp", self.smp), named("tick-us", self.tick_us), named("random", self.random)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// As QEMU's options.
    pub fn options(self) -> Vec<String> {
        self.smp.map_or(Vec::new(), |smp| vec!["-smp".into(), smp.to_string()])
    }

    /// QEMU's accelerator: a thread of the host for each processor.
    pub fn accel(self) -> &'static str {
        if self.smp.is_some() { "tcg,thread=multi" } else { "tcg" }
    }
}

/// What one boot has begun and done.
pub struct Flight {
    word: &'static str,
    /// Begun and not done.
    pub open: BTreeMap<u64, String>,
    /// Done.
    pub done: BTreeSet<u64>,
    failed: Option<u64>,
}

impl Flight {
    /// Nothing yet, of what the kernel calls `word`.
    pub fn new(word: &'static str) -> Self {
        Self { word, open: BTreeMap::new(), done: BTreeSet::new(), failed: None }
    }

    /// Notes a line. Whether it is about the normal course of things.
    pub fn line(&mut self, text: &str) -> bool {
        if let Some((number, name)) = text.strip_prefix("begin ").and_then(numbered) {
            self.open.insert(number, name.to_string());
            return true;
        }
        let own = text.strip_prefix(self.word).and_then(|rest| rest.strip_prefix(' '));
        if let Some((number, _)) = own.and_then(numbered) {
            self.open.remove(&number);
            self.done.insert(number);
            return text.ends_with("... ok") || text.ends_with(" passed, 0 failed");
        }
        let named = text.split_once(&format!(" in {} ", self.word));
        if let Some((number, _)) = named.and_then(|(_, rest)| numbered(rest)) {
            self.failed = self.failed.or(Some(number));
        }
        false
    }

    /// What a bad end counts against: what the kernel has named, or else all that
    /// was running.
    pub fn to_blame(&self) -> Vec<(u64, String)> {
        let named = self.failed.and_then(|number| self.open.get_key_value(&number));
        let all = self.open.iter().filter(|_| named.is_none());
        named.into_iter().chain(all).map(|(number, name)| (*number, name.clone())).collect()
    }
}

/// `N REST`.
fn numbered(text: &str) -> Option<(u64, &str)> {
    let (number, rest) = text.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

/// Numbers as `1,4-7`.
pub fn ranges(numbers: &BTreeSet<u64>) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let parts = parts.into_iter().map(|(first, last)| format!("{first}-{last}"));
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_as_ranges() {
        let text = |numbers: &[u64]| ranges(&numbers.iter().copied().collect());
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[3, 1, 2, 7, 9, 10]), "1-3,7-7,9-10");
    }

    #[test]
    fn what_is_named_is_to_blame() {
        let mut flight = Flight::new("case");
        assert!(flight.line("begin 3 a [x]"));
        assert!(flight.line("begin 4 b [x]"));
        assert!(flight.line("case 3 a [x] ... ok"));
        assert!(flight.line("begin 5 c [x]"));
        assert!(!flight.line("kernel panic in case 5 c [x]: panicked at y in case 4 z"));
        assert_eq!(flight.done, BTreeSet::from([3]));
        assert_eq!(flight.to_blame(), [(5, "c [x]".to_string())]);
    }

    #[test]
    fn otherwise_all_that_ran_is_to_blame() {
        let mut flight = Flight::new("file");
        for line in ["begin 0 a", "begin 1 b", "begin 2 c"] {
            flight.line(line);
        }
        assert!(!flight.line("file 1 b ... 3 passed, 1 failed"));
        flight.line("  b:7: file 0 x ... 3 passed, 0 failed");
        let blamed: Vec<u64> = flight.to_blame().iter().map(|(number, _)| *number).collect();
        assert_eq!(blamed, [0, 2]);
    }

    #[test]
    fn a_kernel_is_told_everything() {
        let processors = Processors { tick_us: Some(50), ..Processors::FOUR }.at_random(7);
        assert_eq!(processors.arguments(), ["smp=4", "tick-us=50", "random=7"]);
        assert_eq!(processors.options(), ["-smp", "4"]);
        assert_eq!(Processors::default().arguments(), Vec::<String>::new());
    }
}
