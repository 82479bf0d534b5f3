//! What a guest can make of a file system in memory.

use crate::guest::{CREAT, Guest, OK, Open, RESULT};
use kernref_wasi::types::Errno;
use kernref_wasi::{Directory, MemoryFs, Quota, WasiCtx};

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
