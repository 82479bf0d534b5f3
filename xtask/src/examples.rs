//! The example kernels: small enough to be read, booted, and held to what they print.

use crate::qemu::{self, Arch, Boot, End};
use crate::{Result, cargo, paths};
use std::time::Duration;

/// For one boot.
const DEADLINE: Duration = Duration::from_secs(120);
/// Lines of `main.rs` at most.
const MOST_LINES: usize = 150;
/// What an example prints, in this order.
const PRINTS: [&str; 4] = [
    "the guest holds a counter",
    "it has counted to 55",
    "the counter is released at 55",
    "the guest holds nothing",
];

/// Arguments of `./x example-test`.
#[derive(clap::Args)]
pub struct Args {
    /// The machine.
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    check(args.arch)
}

/// Builds and boots the example for a machine.
pub fn check(arch: Arch) -> Result<()> {
    let name = format!("example-kernel-{}", arch.name());
    let source = paths::root().join(format!("examples/kernel-{}/src/main.rs", arch.name()));
    let text = std::fs::read_to_string(&source)
        .map_err(|error| format!("{}: {error}", source.display()))?;
    if text.lines().count() >= MOST_LINES {
        return Err(format!("{} has {MOST_LINES} lines or more", source.display()));
    }
    let kernel = cargo::example_kernel(arch, &name)?;
    let boot = Boot {
        arch,
        kernel: &kernel,
        args: &[],
        files: &[],
        deadline: DEADLINE,
        accel: "tcg",
        extra: &[],
    };
    let mut lines = Vec::new();
    let end = boot.run(|line| {
        qemu::show(line);
        lines.push(line.to_string());
    })?;
    match end == End::Verdict(0) && is_expected(&lines) {
        true => Ok(()),
        false => Err(format!("{name} ended with {end:?}, and printed {lines:#?}")),
    }
}

/// Whether the machine printed what is expected and nothing else, but for what
/// firmware prints before.
fn is_expected(lines: &[String]) -> bool {
    let first = lines.iter().position(|line| line.ends_with(PRINTS[0]));
    first.is_some_and(|first| {
        lines.len() - first == PRINTS.len()
            && lines[first..].iter().zip(PRINTS).all(|(line, expected)| line.ends_with(expected))
    })
}

#[cfg(test)]
mod tests {
    use super::{PRINTS, is_expected};

    #[test]
    fn lines_are_expected_in_their_order_and_no_others() {
        let lines = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        assert!(is_expected(&lines(&PRINTS)));
        assert!(is_expected(&lines(&[&["firmware"], &PRINTS[..]].concat())));
        assert!(!is_expected(&lines(&PRINTS[..3])) && !is_expected(&[]));
        assert!(!is_expected(&lines(&[&PRINTS[..], &["more"]].concat())));
        assert!(!is_expected(&lines(&[PRINTS[0], PRINTS[2], PRINTS[1], PRINTS[3]])));
    }
}
