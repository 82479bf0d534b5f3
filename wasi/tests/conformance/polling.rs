//! `poll_oneoff`.

use crate::guest::{BUFFER, DIR, Guest, LIST, MEMORY_BYTES, OK, Open, RESULT, builder, module};
use kernref_wasi::types::{Errno, Rights};
use kernref_wasi::{FixedClock, Interest, Readiness, Stream, VirtualClock, Wait, WasiCtx};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const CLOCK: u8 = 0;
const READ: u8 = 1;
const WRITE: u8 = 2;

/// What came of a subscription: its number, error, kind, bytes, flags.
type Event = (u64, u16, u8, u64, u16);

impl Guest {
    fn subscribe(&mut self, at: u32, kind: u8, what: u32, timeout: u64, flags: u16) {
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(&u64::from(100 + at).to_le_bytes());
        bytes[8] = kind;
        bytes[16..20].copy_from_slice(&what.to_le_bytes());
        bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
        bytes[40..42].copy_from_slice(&flags.to_le_bytes());
        self.write(LIST + at * 48, &bytes);
    }

    fn poll(&mut self, count: u32) -> Result<Vec<Event>, Errno> {
        let args = [LIST.into(), BUFFER.into(), count.into(), RESULT.into()];
        self.call("poll_oneoff", &args)?;
        let event = |at: u32| {
            let place = BUFFER + at * 32;
            let short = |offset| self.u32(place + offset) as u16;
            let kind = self.read(place + 10, 1)[0];
            (self.u64(place), short(8), kind, self.u64(place + 16), short(24))
        };
        Ok((0..self.u32(RESULT)).map(event).collect())
    }

    fn monotonic(&mut self) -> u64 {
        self.call("clock_time_get", &[1, 0, RESULT.into()]).unwrap();
        self.u64(RESULT)
    }
}

#[test]
fn time_passes_until_the_first_deadline() {
    let (mut guest, _, _) = Guest::usual();
    guest.subscribe(0, CLOCK, 1, 500, 0);
    guest.subscribe(1, CLOCK, 1, 300, 0);
    assert_eq!(guest.poll(2), Ok(vec![(101, 0, CLOCK, 0, 0)]));
    assert_eq!(guest.monotonic(), 1300);
    guest.subscribe(0, CLOCK, 1, 2000, 1);
    assert_eq!(guest.poll(1), Ok(vec![(100, 0, CLOCK, 0, 0)]));
    assert_eq!(guest.monotonic(), 2000);
    // What is over has no effect.
    guest.subscribe(0, CLOCK, 1, 5, 1);
    guest.subscribe(1, CLOCK, 0, 5, 1);
    guest.subscribe(2, CLOCK, 1, 0, 0);
    assert_eq!(guest.poll(3).map(|events| events.len()), Ok(3));
    assert_eq!(guest.monotonic(), 2000);
    guest.subscribe(0, CLOCK, 1, u64::MAX, 0);
    assert_eq!(guest.poll(1), Ok(vec![(100, 0, CLOCK, 0, 0)]));
    assert_eq!(guest.monotonic(), u64::MAX);
}

#[test]
fn clocks_that_cannot_be_waited_for_are_events() {
    let (mut guest, _, _) = Guest::usual();
    for (at, id) in [2, 3, 4, 99].into_iter().enumerate() {
        guest.subscribe(at as u32, CLOCK, id, 1, 0);
    }
    guest.subscribe(4, CLOCK, 1, 1, 2);
    let errors: Vec<u16> = guest.poll(5).unwrap().iter().map(|event| event.1).collect();
    let (unsupported, invalid) = (Errno::Notsup.raw(), Errno::Inval.raw());
    assert_eq!(errors, [unsupported, unsupported, invalid, invalid, invalid]);
}

#[test]
fn descriptors_are_ready_or_wrong() {
    let (mut guest, fs, _) = Guest::usual();
    fs.write("file", b"12345").unwrap();
    let fd = guest.open("file", Open::file(0)).unwrap();
    guest.seek(fd, 2, 0).unwrap();
    guest.subscribe(0, READ, 0, 0, 0);
    guest.subscribe(1, WRITE, 1, 0, 0);
    guest.subscribe(2, READ, fd, 0, 0);
    guest.subscribe(3, WRITE, fd, 0, 0);
    guest.subscribe(4, READ, 1, 0, 0);
    guest.subscribe(5, READ, 99, 0, 0);
    guest.subscribe(6, READ, DIR, 0, 0);
    guest.subscribe(7, CLOCK, 1, 1_000_000, 0);
    let events = guest.poll(8).unwrap();
    let (notcapable, badf) = (Errno::Notcapable.raw(), Errno::Badf.raw());
    assert_eq!(
        events,
        [
            (100, 0, READ, 19, 0),
            (101, 0, WRITE, 1 << 20, 0),
            (102, 0, READ, 3, 0),
            (103, 0, WRITE, 1, 0),
            (104, notcapable, READ, 0, 0),
            (105, badf, READ, 0, 0),
            (106, notcapable, READ, 0, 0),
        ]
    );
    assert_eq!(guest.monotonic(), 1000, "nobody waited");
    guest.fd_read(0, 100).unwrap();
    guest.subscribe(0, READ, 0, 0, 0);
    assert_eq!(guest.poll(1), Ok(vec![(100, 0, READ, 0, 1)]), "the end is a hangup");
    let rights = (Rights::FILE - Rights::POLL_FD_READWRITE).bits();
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd.into(), rights, 0]), OK);
    guest.subscribe(0, READ, fd, 0, 0);
    assert_eq!(guest.poll(1), Ok(vec![(100, notcapable, READ, 0, 0)]));
}

/// Ready after it was waited for a few times; then it has a byte for each wait.
#[derive(Clone)]
struct Slow(Arc<AtomicU32>);

impl Stream for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> kernref_wasi::types::Result<usize> {
        match self.0.load(Ordering::Relaxed) {
            0..3 => Err(Errno::Again),
            waits => {
                buffer[0] = waits as u8;
                Ok(1)
            }
        }
    }

    fn readiness(&mut self, _: Interest) -> kernref_wasi::types::Result<Readiness> {
        Ok(match self.0.load(Ordering::Relaxed) {
            0..3 => Readiness::Pending,
            _ => Readiness::Ready { bytes: 1, hangup: false },
        })
    }
}

impl Wait for Slow {
    fn wait(&mut self, until_ns: Option<u64>) -> kernref_wasi::types::Result<()> {
        assert!(until_ns.is_none_or(|until| until == 1_000_001_000));
        self.0.fetch_add(1, Ordering::Relaxed);
        module().0.increment_epoch();
        Ok(())
    }
}

#[test]
fn a_guest_waits_for_its_streams() {
    let slow = Slow(Arc::default());
    let clock = VirtualClock::new(1000, 0);
    let mut builder = WasiCtx::builder();
    builder.stdin(slow.clone()).wait(slow.clone()).monotonic_clock(clock);
    let mut guest = Guest::new(&mut builder);
    assert_eq!(guest.fd_read(0, 5), Ok(vec![3]));
    slow.0.store(0, Ordering::Relaxed);
    guest.subscribe(0, CLOCK, 1, 1_000_000_000, 0);
    guest.subscribe(1, READ, 0, 0, 0);
    assert_eq!(guest.poll(2), Ok(vec![(101, 0, READ, 1, 0)]));
    // Not if it says that it never does.
    slow.0.store(0, Ordering::Relaxed);
    assert_eq!(guest.call("fd_fdstat_set_flags", &[0, 4]), OK);
    assert_eq!(guest.fd_read(0, 5), Err(Errno::Again));
    assert_eq!(guest.call("fd_fdstat_set_flags", &[0, 0]), OK);
    // And no longer than its deadline allows.
    guest.store.set_epoch_deadline(2);
    let args = [0, LIST.into(), 1, RESULT.into()];
    let error = guest.try_call("fd_read", &args).unwrap_err();
    assert_eq!(error.as_trap(), Some(kernref::Trap::Interrupt));
    assert_eq!(slow.0.load(Ordering::Relaxed), 2);
}

#[test]
fn a_guest_that_cannot_wait_is_told_so() {
    let mut builder = WasiCtx::builder();
    let mut guest = Guest::new(builder.stdin(Slow(Arc::default())).monotonic_clock(FixedClock(0)));
    assert_eq!(guest.fd_read(0, 1), Err(Errno::Notsup));
    guest.subscribe(0, CLOCK, 1, 5, 0);
    assert_eq!(guest.poll(1), Err(Errno::Notsup));
    // Where nothing can happen any more.
    let (mut builder, _, _) = builder_with(Slow(Arc::default()));
    let mut guest = Guest::new(&mut builder);
    guest.subscribe(0, READ, 0, 0, 0);
    assert_eq!(guest.poll(1), Err(Errno::Deadlk));
}

fn builder_with(
    stdin: impl Stream + 'static,
) -> (kernref_wasi::WasiCtxBuilder, kernref_wasi::MemoryFs, kernref_wasi::OutputPipe) {
    let (mut handed, fs, output) = builder();
    handed.stdin(stdin);
    (handed, fs, output)
}

#[test]
fn hostile_arguments_are_errors() {
    let (mut guest, _, _) = Guest::usual();
    guest.subscribe(0, 3, 0, 0, 0);
    assert_eq!(guest.poll(1), Err(Errno::Inval));
    assert_eq!(guest.poll(0), Err(Errno::Inval));
    assert_eq!(guest.poll(4097), Err(Errno::Inval));
    assert_eq!(guest.poll(u32::MAX), Err(Errno::Inval));
    let mut call = |subscriptions: u32, events: u32, result: u32| {
        let args = [subscriptions.into(), events.into(), 1, u64::from(result)];
        guest.call("poll_oneoff", &args)
    };
    assert_eq!(call(MEMORY_BYTES - 47, BUFFER, RESULT), Err(Errno::Fault));
    assert_eq!(call(LIST, MEMORY_BYTES - 31, RESULT), Err(Errno::Fault));
    assert_eq!(call(LIST, BUFFER, MEMORY_BYTES - 3), Err(Errno::Fault));
    assert_eq!(call(u32::MAX, u32::MAX, u32::MAX), Err(Errno::Fault));
}

/// Never ready.
#[derive(Clone)]
struct Never(Arc<AtomicU32>);

impl Stream for Never {
    fn read(&mut self, _: &mut [u8]) -> kernref_wasi::types::Result<usize> {
        Err(Errno::Again)
    }

    fn readiness(&mut self, _: Interest) -> kernref_wasi::types::Result<Readiness> {
        Ok(Readiness::Pending)
    }
}

impl Wait for Never {
    fn wait(&mut self, _: Option<u64>) -> kernref_wasi::types::Result<()> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0..10_000 => Ok(()),
            _ => Err(Errno::Intr),
        }
    }
}

#[test]
fn waiting_takes_fuel() {
    let never = Never(Arc::default());
    let mut builder = WasiCtx::builder();
    builder.stdin(never.clone()).wait(never.clone()).monotonic_clock(FixedClock(0));
    let mut guest = Guest::new(&mut builder);
    for at in 0..1000 {
        guest.subscribe(at, CLOCK, 1, u64::MAX, 0);
    }
    // Behind the subscriptions.
    let list = 0xf000;
    guest.write(list, &[BUFFER.to_le_bytes(), 4u32.to_le_bytes()].concat());
    let mut waits = |name: &str, args: &[u64]| {
        never.0.store(0, Ordering::Relaxed);
        guest.store.set_fuel(10_000).unwrap();
        let error = guest.try_call(name, args).unwrap_err();
        assert_eq!(error.as_trap(), Some(kernref::Trap::OutOfFuel), "{name}");
        never.0.load(Ordering::Relaxed)
    };
    let few = waits("poll_oneoff", &[LIST.into(), BUFFER.into(), 1, RESULT.into()]);
    let many = waits("poll_oneoff", &[LIST.into(), BUFFER.into(), 1000, RESULT.into()]);
    let read = waits("fd_read", &[0, list.into(), 1, RESULT.into()]);
    assert!(few > 100 && few < 2000 && read >= few, "{few} {read}");
    assert!(many < few / 10, "looking at many takes more: {many}");
}
