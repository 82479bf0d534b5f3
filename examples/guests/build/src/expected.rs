//! What the programs return natively: the list guests are compared with.

use crate::Result;
use crate::tools::Tools;
use std::process::{Command, Stdio};

/// Builds and runs the native program that prints the list.
pub fn compute(tools: &Tools) -> Result<String> {
    let mut command: Command = tools.cargo();
    command
        .args(["run", "--release", "--package", "guest-logic", "--bin", "expected"])
        .arg("--target-dir")
        .arg(tools.target_dir())
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed ({})", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("the list is not text: {error}"))
}

/// An error that lists the lines that differ.
pub fn compare(committed: &str, computed: &str) -> Result<()> {
    let gone = committed.lines().filter(|line| !computed.lines().any(|other| other == *line));
    let new = computed.lines().filter(|line| !committed.lines().any(|other| other == *line));
    let differences: Vec<String> = gone
        .map(|line| format!("  listed   {line}"))
        .chain(new.map(|line| format!("  computed {line}")))
        .collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(format!("native results differ from the list:\n{}", differences.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn differences_are_named() {
        compare("a 0 1\nb 0 2\n", "a 0 1\nb 0 2\n").unwrap();
        let error = compare("a 0 1\nb 0 2\n", "a 0 1\nb 0 3\n").unwrap_err();
        assert!(error.contains("listed   b 0 2") && error.contains("computed b 0 3"), "{error}");
        assert!(compare("", "a 0 1\n").is_err());
    }
}
