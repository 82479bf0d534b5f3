//! What a guest can make of a file system in memory.

use crate::guest::{CREAT, Guest, OK, Open, RESULT};
use kernref_wasi::types::{Errno, FdFlags, OFlags};
use kernref_wasi::{Directory, MemoryFs, OpenOptions, Opened, Quota, WasiCtx};

fn with(quota: Quota) -> (Guest, MemoryFs) {
    let fs = MemoryFs::new(quota).unwrap();
    let mut builder = WasiCtx::builder();
    (Guest::new(builder.preopened_dir(fs.root(), "/")), fs)
}

const QUOTA: Quota = Quota { bytes: 16 << 10, entries: 4, name_bytes: 10 };

#[test]
fn bytes_have_a_limit() {
    let (mut guest, fs) = with(QUOTA);
    let fd = guest.open("a", Open::file(CREAT)).unwrap();
    assert_eq!(guest.fd_write(fd, &[1; 8 << 10]), Ok(8 << 10));
    let other = guest.open("b", Open::file(CREAT)).unwrap();
    assert_eq!(guest.fd_write(other, &[1; 8 << 10]), Ok(8 << 10));
    assert_eq!(guest.fd_write(other, b"x"), Err(Errno::Nospc));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 9 << 10]), Err(Errno::Nospc));
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), (16 << 10) + 1]), Err(Errno::Fbig));
    assert_eq!(fs.usage().bytes, 16 << 10);
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 0]), OK);
    assert_eq!(fs.usage().bytes, 8 << 10);
    // Holes count.
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 8 << 10]), OK);
    assert_eq!(guest.fd_write(other, b"x"), Err(Errno::Nospc));
    guest.call("fd_close", &[fd.into()]).unwrap();
    fs.root().remove_file("a").unwrap();
    assert_eq!(guest.fd_write(other, b"x"), Ok(1));
}

#[test]
fn names_have_a_limit() {
    let (mut guest, fs) = with(QUOTA);
    for name in ["a", "b", "c", "d"] {
        guest.at("path_create_directory", 3, name).unwrap();
    }
    assert_eq!(guest.at("path_create_directory", 3, "e"), Err(Errno::Nospc));
    assert_eq!(guest.open("e", Open::file(CREAT)), Err(Errno::Nospc));
    assert_eq!(fs.root().symlink("a", "e"), Err(Errno::Nospc));
    assert_eq!(fs.usage().entries, 4);
    assert_eq!(fs.root().rename("a", &fs.root(), "b"), Ok(()));
    assert_eq!(fs.usage().entries, 3);
    assert_eq!(fs.write("e", b""), Ok(()));
    assert_eq!(fs.root().link("e", false, &fs.root(), "f"), Err(Errno::Nospc));
    fs.root().remove_dir("c").unwrap();
    assert_eq!(fs.root().link("e", false, &fs.root(), "f"), Ok(()));
}

#[test]
fn lengths_of_names_have_a_limit() {
    let (mut guest, fs) = with(QUOTA);
    assert_eq!(guest.open("0123456789", Open::file(CREAT)).map(|_| ()), OK);
    assert_eq!(guest.open("0123456789a", Open::file(CREAT)), Err(Errno::Nametoolong));
    assert_eq!(guest.at("path_create_directory", 3, "0123456789a"), Err(Errno::Nametoolong));
    let root = fs.root();
    assert_eq!(root.rename("0123456789", &root, "0123456789a"), Err(Errno::Nametoolong));
    assert_eq!(fs.read("0123456789"), Ok(vec![]));
    assert_eq!(fs.usage().bytes, 0);
}

#[test]
fn a_guest_that_opens_and_removes_gives_all_back() {
    let (mut guest, fs) = with(QUOTA);
    for round in 0..1000 {
        let fd = guest.open("file", Open::file(CREAT)).unwrap();
        assert_eq!(guest.fd_write(fd, &[round as u8; 5000]), Ok(5000));
        fs.root().remove_file("file").unwrap();
        guest.call("fd_close", &[fd.into()]).unwrap();
    }
    assert_eq!((fs.usage().bytes, fs.usage().entries), (0, 0));
    assert_eq!(guest.call("fd_filestat_get", &[3, RESULT.into()]), OK);
}

#[test]
fn a_quota_may_be_as_large_as_numbers_are() {
    let (mut guest, fs) = with(Quota { bytes: u64::MAX, ..QUOTA });
    let most = i64::MAX as u64;
    let a = guest.open("a", Open::file(CREAT)).unwrap();
    assert_eq!(guest.call("fd_filestat_set_size", &[a.into(), most]), OK);
    // Rounded up to pages, the two are one more than all.
    let b = guest.open("b", Open::file(CREAT)).unwrap();
    assert_eq!(guest.call("fd_filestat_set_size", &[b.into(), most]), Err(Errno::Nospc));
    assert_eq!(guest.call("fd_allocate", &[b.into(), 0, most]), Err(Errno::Nospc));
    assert_eq!(guest.call("fd_filestat_set_size", &[b.into(), most - 4096]), OK);
    assert_eq!(fs.usage().bytes, u64::MAX - 4095);
    assert_eq!(fs.root().symlink(&"x".repeat(4096), "c"), Err(Errno::Nospc));
    assert_eq!(fs.root().symlink(&"x".repeat(4095), "c"), Ok(()));
    assert_eq!(fs.usage().bytes, u64::MAX);
    assert_eq!(guest.call("fd_filestat_set_size", &[b.into(), 0]), OK);
    let options = OpenOptions {
        follow: true,
        oflags: OFlags::empty(),
        fdflags: FdFlags::empty(),
        read: true,
        write: true,
    };
    let Opened::File(mut file) = fs.root().open("b", options).unwrap() else { panic!() };
    assert_eq!(file.set_len(u64::MAX), Err(Errno::Fbig));
    assert_eq!(file.write_at(u64::MAX, b"xy"), Err(Errno::Fbig));
    assert_eq!(file.write_at(u64::MAX - 1, b"x"), Err(Errno::Fbig));
}

#[test]
fn what_memory_is_refused_for_is_not_paid_for() {
    let (mut guest, fs) = with(Quota { bytes: u64::MAX, ..QUOTA });
    let fd = guest.open("a", Open::file(CREAT)).unwrap();
    assert_eq!(guest.fd_write(fd, b"x"), Ok(1));
    // The table of chunks would be larger than memory.
    guest.seek(fd, i64::MAX - 1, 0).unwrap();
    assert_eq!(guest.fd_write(fd, b"x"), Err(Errno::Nomem));
    assert_eq!(fs.usage().bytes, 4096);
    assert_eq!(guest.call("fd_filestat_get", &[fd.into(), RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT + 32), 1);
}
