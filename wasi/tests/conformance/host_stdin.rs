//! The process's standard input, in a process of its own.

use crate::guest::Guest;
use kernref_wasi::{HostStdin, MonotonicClock, ThreadSleep, WasiCtx};
use std::io::{Write, pipe};
use std::process::Command;

/// Set for the process that reads.
const READS: &str = "KERNREF_WASI_READS_STDIN";
const NAME: &str = "host_stdin::what_has_come_is_read_byte_by_byte";

/// Reads what has come, though no end does. A wait that goes on is ended for its fuel.
fn read() {
    let clock = MonotonicClock::new();
    let mut builder = WasiCtx::builder();
    builder.stdin(HostStdin).monotonic_clock(clock).wait(ThreadSleep(clock));
    let mut guest = Guest::new(&mut builder);
    for expected in b"abc" {
        guest.store.set_fuel(2000).unwrap();
        assert_eq!(guest.fd_read(0, 1), Ok(vec![*expected]));
    }
}

#[test]
fn what_has_come_is_read_byte_by_byte() {
    if std::env::var_os(READS).is_some() {
        return read();
    }
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(b"abc").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME]).env(READS, "1").stdin(reader);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    drop(writer);
}
