//! `sock_*`.

use crate::guest::{BUFFER, Guest, LIST, MEMORY_BYTES, OK, RESULT};
use kernref_wasi::types::{Errno, Filetype, Result, RoFlags, SdFlags};
use kernref_wasi::{Closed, Interest, Readiness, Socket, SocketPair, Stream, WasiCtx};
use std::sync::{Arc, Mutex};

/// Hands out what was put into it.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<SocketPair>>>);

impl Stream for Listener {
    fn filetype(&self) -> Filetype {
        Filetype::SocketStream
    }

    fn readiness(&mut self, _: Interest) -> Result<Readiness> {
        Ok(Readiness::Pending)
    }
}

impl Socket for Listener {
    fn accept(&mut self) -> Result<Box<dyn Socket>> {
        let socket = self.0.lock().unwrap().pop().ok_or(Errno::Again)?;
        Ok(Box::new(socket))
    }

    fn recv(&mut self, _: &mut [u8], _: bool) -> Result<(usize, RoFlags)> {
        Err(Errno::Notconn)
    }

    fn shutdown(&mut self, _: SdFlags) -> Result<()> {
        Err(Errno::Notconn)
    }
}

const CONNECTED: u32 = 3;
const LISTENING: u32 = 4;

/// A guest with a connection and a listener; the connection's other end.
fn usual() -> (Guest, SocketPair, Listener) {
    let (mine, theirs) = SocketPair::new(16).unwrap();
    let listener = Listener::default();
    let mut builder = WasiCtx::builder();
    builder.stdin(Closed).stdout(Closed).stderr(Closed);
    let mut guest = Guest::new(builder.preopened_socket(theirs).preopened_socket(listener.clone()));
    // Nobody waits here.
    guest.call("fd_fdstat_set_flags", &[CONNECTED.into(), 4]).unwrap();
    guest.call("fd_fdstat_set_flags", &[LISTENING.into(), 4]).unwrap();
    (guest, mine, listener)
}

impl Guest {
    fn recv(&mut self, count: u32, flags: u32) -> Result<u32> {
        let (list, result) = (u64::from(LIST), u64::from(RESULT));
        let args = [CONNECTED.into(), list, count.into(), flags.into(), result, result + 4];
        self.call("sock_recv", &args)?;
        assert_eq!(self.u32(RESULT + 4) as u16, 0);
        Ok(self.u32(RESULT))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<u32> {
        self.write(BUFFER, bytes);
        self.list(&[(BUFFER, bytes.len() as u32)]);
        self.call("sock_send", &[CONNECTED.into(), LIST.into(), 1, 0, RESULT.into()])?;
        Ok(self.u32(RESULT))
    }
}

#[test]
fn connections_send_and_receive() {
    let (mut guest, mut mine, _) = usual();
    assert_eq!(guest.send(b"hello"), Ok(5));
    let mut bytes = [0; 9];
    assert_eq!((mine.read(&mut bytes), &bytes[..5]), (Ok(5), &b"hello"[..]));
    guest.list(&[(BUFFER, 3), (BUFFER + 10, 100)]);
    assert_eq!(guest.recv(2, 0), Err(Errno::Again));
    mine.write(b"abcdefgh").unwrap();
    assert_eq!(guest.recv(2, 1), Ok(3), "a look fills one buffer");
    assert_eq!(guest.recv(2, 0), Ok(8));
    assert_eq!(
        (guest.read(BUFFER, 3), guest.read(BUFFER + 10, 5)),
        (b"abc".into(), b"defgh".into())
    );
    mine.write(b"x").unwrap();
    assert_eq!(guest.fd_read(CONNECTED, 9), Ok(b"x".to_vec()));
    assert_eq!(guest.fd_write(CONNECTED, &[7; 20]), Ok(16));
    assert_eq!(guest.fd_write(CONNECTED, b"x"), Err(Errno::Again));
    drop(mine);
    assert_eq!(guest.fd_write(CONNECTED, b"x"), Err(Errno::Pipe));
    guest.list(&[(BUFFER, 3)]);
    assert_eq!(guest.recv(1, 0), Ok(0));
}

#[test]
fn waiting_for_all_goes_on_until_all_is_there() {
    /// Gives its byte again and again, a few at a time, with gaps.
    struct Dripping(u32);
    impl Stream for Dripping {
        fn filetype(&self) -> Filetype {
            Filetype::SocketStream
        }
    }
    impl Socket for Dripping {
        fn recv(&mut self, buffer: &mut [u8], _: bool) -> Result<(usize, RoFlags)> {
            self.0 += 1;
            match self.0 {
                40 => Err(Errno::Connreset),
                at if at % 2 == 0 => Err(Errno::Again),
                _ => {
                    let len = buffer.len().min(3);
                    buffer[..len].fill(self.0 as u8);
                    Ok((len, RoFlags::empty()))
                }
            }
        }
        fn shutdown(&mut self, _: SdFlags) -> Result<()> {
            Ok(())
        }
    }
    struct NoTime;
    impl kernref_wasi::Wait for NoTime {
        fn wait(&mut self, _: Option<u64>) -> Result<()> {
            Ok(())
        }
    }
    let mut builder = WasiCtx::builder();
    let mut guest = Guest::new(builder.preopened_socket(Dripping(0)).wait(NoTime));
    guest.list(&[(BUFFER, 2), (BUFFER + 2, 5), (BUFFER + 7, 1)]);
    assert_eq!(guest.recv(3, 2), Ok(8));
    assert_eq!(guest.read(BUFFER, 8), [1, 1, 3, 3, 3, 5, 5, 7]);
    // An error ends it; what there was is given.
    guest.list(&[(BUFFER, 1000)]);
    assert_eq!(guest.recv(1, 2), Ok(3 * 16));
}

#[test]
fn sockets_are_shut_down() {
    let (mut guest, mut mine, _) = usual();
    for how in [0, 4, 0x100] {
        assert_eq!(guest.call("sock_shutdown", &[CONNECTED.into(), how]), Err(Errno::Inval));
    }
    assert_eq!(guest.call("sock_shutdown", &[CONNECTED.into(), 2]), OK);
    assert_eq!(guest.send(b"x"), Err(Errno::Pipe));
    assert_eq!(mine.read(&mut [0; 4]), Ok(0));
    assert_eq!(mine.write(b"x"), Ok(1));
    assert_eq!(guest.call("sock_shutdown", &[CONNECTED.into(), 1]), OK);
    assert_eq!(mine.write(b"x"), Err(Errno::Pipe));
    assert_eq!(guest.call("sock_shutdown", &[LISTENING.into(), 1]), Err(Errno::Notconn));
}

#[test]
fn connections_are_accepted() {
    let (mut guest, _, listener) = usual();
    let args = |fd: u32, flags: u32| [fd.into(), flags.into(), u64::from(RESULT)];
    assert_eq!(guest.call("sock_accept", &args(LISTENING, 0)), Err(Errno::Again));
    let (mut mine, theirs) = SocketPair::new(16).unwrap();
    listener.0.lock().unwrap().push(theirs);
    for flags in [1, 2, 8, 0x10_0004] {
        assert_eq!(guest.call("sock_accept", &args(LISTENING, flags)), Err(Errno::Inval));
    }
    let faulty = [LISTENING.into(), 0, u64::from(MEMORY_BYTES)];
    assert_eq!(guest.call("sock_accept", &faulty), Err(Errno::Fault));
    assert_eq!(guest.call("sock_accept", &args(LISTENING, 4)), OK);
    let fd = guest.u32(RESULT);
    assert_eq!(guest.fd_write(fd, b"hi"), Ok(2));
    assert_eq!(mine.read(&mut [0; 4]), Ok(2));
    assert_eq!(guest.fd_read(fd, 1), Err(Errno::Again), "it does not wait");
    assert_eq!(guest.call("sock_accept", &args(CONNECTED, 0)), Err(Errno::Inval));
}

#[test]
fn what_is_no_socket_is_told_so() {
    let (mut guest, _, _) = Guest::usual();
    let (list, result) = (u64::from(LIST), u64::from(RESULT));
    for fd in [0, 3] {
        assert_eq!(guest.call("sock_accept", &[fd, 0, result]), Err(Errno::Notsock));
        assert_eq!(guest.call("sock_recv", &[fd, list, 0, 0, result, result]), Err(Errno::Notsock));
        assert_eq!(guest.call("sock_send", &[fd, list, 0, 0, result]), Err(Errno::Notsock));
        assert_eq!(guest.call("sock_shutdown", &[fd, 1]), Err(Errno::Notsock));
    }
    assert_eq!(guest.call("sock_shutdown", &[77, 1]), Err(Errno::Badf));
    let (mut guest, _, _) = usual();
    assert_eq!(guest.call("sock_send", &[3, list, 0, 1, result]), Err(Errno::Inval));
    assert_eq!(guest.call("sock_recv", &[3, list, 0, 4, result, result]), Err(Errno::Inval));
}
