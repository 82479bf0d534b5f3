//! A program that is watched: its output line by line, and a deadline.

use crate::Result;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use wait_timeout::ChildExt;

/// Starts `command`, hands each line of its output to `line`, and waits for the
/// end. `None` if the deadline passed and the program was killed. A last line
/// without an end counts as one.
pub fn watch(
    mut command: Command,
    deadline: Duration,
    mut line: impl FnMut(&str),
) -> Result<Option<ExitStatus>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let Some(output) = child.stdout.take() else { return Err("no output".into()) };
    let started = Instant::now();
    // The reader ends when the program does; the deadline is kept by this
    // thread's sibling, which may kill it.
    let end = std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let left = deadline.saturating_sub(started.elapsed());
            match child.wait_timeout(left) {
                Ok(Some(status)) => Some(status),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    None
                }
            }
        });
        for text in BufReader::new(output).split(b'\n').map_while(std::io::Result::ok) {
            line(String::from_utf8_lossy(&text).trim_end_matches('\r'));
        }
        waiter.join()
    });
    Ok(end.ok().flatten())
}
