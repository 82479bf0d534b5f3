//! Searches, captures and replacements over a generated log.

use crate::{Checksum, generate::Generator};
use regex::{Captures, Regex};
use std::fmt::Write;

const LINES: u32 = 400;

/// Patterns and what they look for. Several kinds of engine are needed: literals
/// first, alternations, bounded repetition, Unicode classes, no prefix at all.
const SEARCHES: [&str; 7] = [
    r"error|panic|trap",
    r"\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b",
    r"(?i)KERNEL\s+\w+",
    r"\w+ße\b|\bя\w+",
    r"0x[0-9a-f]{4,8}\b",
    r"[a-z]+@[a-z]+\.(?:org|net)",
    r"(?m)^.*took (\d{3,}) us$",
];

fn log(generator: &mut Generator) -> String {
    let mut log = String::new();
    for line in 0..LINES {
        let level = generator.pick(&["info", "warn", "error", "debug"]);
        let _ = write!(
            log,
            "2026-{:02}-{:02}T{:02}:{:02}:{:02} {level} ",
            1 + line * 12 / LINES,
            1 + generator.below(28),
            generator.below(24),
            generator.below(60),
            generator.below(60),
        );
        for _ in 0..1 + generator.below(4) {
            let _ = match generator.below(6) {
                0 => write!(
                    log,
                    "{}.{}.{}.{} ",
                    generator.below(300),
                    generator.below(256),
                    generator.below(256),
                    generator.below(256)
                ),
                1 => write!(log, "{:#x} ", generator.below(1 << 28)),
                2 => write!(log, "{}@{}.org ", generator.word(), generator.word()),
                _ => write!(log, "{} {} ", generator.word(), generator.word()),
            };
        }
        let _ = writeln!(log, "took {} us", generator.below(2000));
    }
    log
}

/// Runs the program.
///
/// # Panics
///
/// If a pattern above is invalid.
pub fn run(seed: i32) -> i64 {
    let text = log(&mut Generator::new(seed));
    let mut checksum = Checksum::default();
    checksum.bytes(text.as_bytes());
    for pattern in SEARCHES {
        let regex = Regex::new(pattern).expect("the pattern is constant");
        let mut found = 0;
        for hit in regex.find_iter(&text) {
            found += 1;
            checksum.number(hit.start() as u64);
            checksum.bytes(hit.as_str().as_bytes());
        }
        checksum.number(found);
    }

    let date = Regex::new(r"(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)T(\d\d):(\d\d)")
        .expect("the pattern is constant");
    let replaced = date.replace_all(&text, |captures: &Captures<'_>| {
        format!(
            "{}.{}.{} {}h{}",
            &captures["day"], &captures["month"], &captures["year"], &captures[4], &captures[5]
        )
    });
    checksum.bytes(replaced.as_bytes());

    let space = Regex::new(r"\s+").expect("the pattern is constant");
    checksum.number(space.split(&replaced).filter(|word| word.len() > 6).count() as u64);
    checksum.finish()
}
