//! `path_open`: flags, rights, links.

use crate::guest::{CREAT, DIR, DIRECTORY, EXCL, FOLLOW, Guest, OK, Open, PATH, RESULT, TRUNC};
use kernref_wasi::Directory;
use kernref_wasi::types::{Errno, Rights};

/// A file, a directory, links to both, and one to nothing.
fn usual() -> Guest {
    let (guest, fs, _) = Guest::usual();
    fs.write("file", b"content").unwrap();
    fs.create_dir("dir").unwrap();
    fs.write("dir/inner", b"inner").unwrap();
    let root = fs.root();
    root.symlink("file", "to-file").unwrap();
    root.symlink("dir", "to-dir").unwrap();
    root.symlink("nothing", "to-nothing").unwrap();
    root.symlink("loop", "loop").unwrap();
    guest
}

#[test]
fn flags_decide_what_is_made_and_what_fails() {
    for (path, oflags, expected) in [
        ("file", 0, OK),
        ("file", CREAT, OK),
        ("file", CREAT | EXCL, Err(Errno::Exist)),
        ("file", EXCL, OK),
        ("file", TRUNC, OK),
        ("file", DIRECTORY, Err(Errno::Notdir)),
        ("file/", 0, Err(Errno::Notdir)),
        ("file/x", 0, Err(Errno::Notdir)),
        ("new", 0, Err(Errno::Noent)),
        ("new", TRUNC, Err(Errno::Noent)),
        ("new", CREAT, OK),
        ("new", CREAT | EXCL | TRUNC, OK),
        ("new/", CREAT, Err(Errno::Isdir)),
        ("none/new", CREAT, Err(Errno::Noent)),
        ("dir/new", CREAT, OK),
        ("dir", CREAT, Err(Errno::Isdir)),
        ("dir", CREAT | DIRECTORY, Err(Errno::Inval)),
        ("", 0, Err(Errno::Noent)),
    ] {
        let mut guest = usual();
        let opened = guest.open(path, Open::file(oflags)).map(|_| ());
        assert_eq!(opened, expected, "{path} {oflags}");
    }
    let mut guest = usual();
    assert_eq!(guest.open("file", Open::file(16)), Err(Errno::Inval));
    assert_eq!(guest.open("file", Open { fdflags: 32, ..Open::file(0) }), Err(Errno::Inval));
    assert_eq!(guest.open("file", Open { lookup: 2, ..Open::file(0) }), Err(Errno::Inval));
    guest.open("file", Open::file(TRUNC)).unwrap();
    assert_eq!(guest.stat("file", 0), Ok((0, 4)));
}

#[test]
fn directories_open_for_what_they_can_do() {
    let mut guest = usual();
    let fd = guest.open("dir", Open::directory()).unwrap();
    assert_eq!(guest.rights(fd).0, Rights::DIRECTORY.bits());
    let inner = guest.open("inner", Open { fd, ..Open::reading() }).unwrap();
    assert_eq!(guest.fd_read(inner, 9), Ok(b"inner".to_vec()));
    assert_eq!(guest.rights(inner).0, Rights::FD_READ.bits());
    // Read like a file, it is a directory all the same; to be written, it is not.
    let reading = guest.open("dir", Open::reading()).unwrap();
    assert_eq!(guest.rights(reading).0, 0);
    assert_eq!(guest.open("dir", Open::file(0)), Err(Errno::Isdir));
    assert_eq!(guest.open("dir/", Open { rights: 0, ..Open::reading() }).map(|_| ()), OK);
    assert_eq!(guest.open(".", Open { rights: 0, ..Open::reading() }).map(|_| ()), OK);
    assert_eq!(guest.open("x", Open { fd: inner, ..Open::file(0) }), Err(Errno::Notdir));
    assert_eq!(guest.open("x", Open { fd: 99, ..Open::file(0) }), Err(Errno::Badf));
}

#[test]
fn links_are_followed_if_the_flags_say_so() {
    let mut guest = usual();
    let follow = |open: Open| Open { lookup: FOLLOW, ..open };
    assert_eq!(guest.open("to-file", Open::reading()), Err(Errno::Loop));
    assert_eq!(
        guest.open("to-file", Open { oflags: DIRECTORY, ..Open::reading() }),
        Err(Errno::Notdir)
    );
    let fd = guest.open("to-file", follow(Open::reading())).unwrap();
    assert_eq!(guest.fd_read(fd, 9), Ok(b"content".to_vec()));
    // In the middle they always are, and where a slash follows.
    assert_eq!(guest.open("to-dir/inner", Open::reading()).map(|_| ()), OK);
    assert_eq!(
        guest.open("to-dir/", Open { oflags: DIRECTORY, ..Open::reading() }).map(|_| ()),
        OK
    );
    assert_eq!(guest.open("to-file/", Open::reading()), Err(Errno::Notdir));
    assert_eq!(guest.open("loop", follow(Open::reading())), Err(Errno::Loop));
    assert_eq!(guest.open("loop/x", Open::reading()), Err(Errno::Loop));
    assert_eq!(guest.open("to-nothing", follow(Open::reading())), Err(Errno::Noent));
    assert_eq!(guest.open("to-nothing", follow(Open::file(CREAT | EXCL))), Err(Errno::Exist));
    assert_eq!(guest.open("to-nothing", follow(Open::file(CREAT))).map(|_| ()), OK);
    assert_eq!(guest.stat("nothing", 0), Ok((0, 4)));
}

#[test]
fn rights_are_handed_on_only_if_they_can_be() {
    let mut guest = usual();
    let limited = Rights::FD_READ | Rights::FD_SEEK | Rights::PATH_OPEN;
    let open = Open { inheriting: limited.bits(), ..Open::directory() };
    let fd = guest.open("dir", open).unwrap();
    let with = |rights: Rights| Open { fd, rights: rights.bits(), inheriting: 0, ..Open::file(0) };
    assert_eq!(guest.open("inner", with(Rights::FD_READ)).map(|_| ()), OK);
    assert_eq!(guest.open("inner", with(Rights::FD_WRITE)), Err(Errno::Notcapable));
    let inherits = Open { inheriting: Rights::FD_WRITE.bits(), ..with(Rights::FD_READ) };
    assert_eq!(guest.open("inner", inherits), Err(Errno::Notcapable));
    let unknown = Open { rights: 1 << 40, ..with(Rights::FD_READ) };
    assert_eq!(guest.open("inner", unknown), Err(Errno::Notcapable));
    // Flags that store what is written need the right to.
    for fdflags in [2, 8, 16] {
        let stores = Open { fdflags, ..with(Rights::FD_READ) };
        assert_eq!(guest.open("inner", stores), Err(Errno::Notcapable), "{fdflags}");
    }
    for (right, oflags) in [
        (Rights::PATH_OPEN, 0),
        (Rights::PATH_CREATE_FILE, CREAT),
        (Rights::PATH_FILESTAT_SET_SIZE, TRUNC),
    ] {
        let mut guest = usual();
        assert_eq!(guest.open("file", Open { rights: 0, ..Open::file(oflags) }).map(|_| ()), OK);
        let (all, inheriting) = guest.rights(DIR);
        let rights = all & !right.bits();
        assert_eq!(guest.call("fd_fdstat_set_rights", &[DIR.into(), rights, inheriting]), OK);
        let opened = guest.open("file", Open { rights: 0, ..Open::file(oflags) });
        assert_eq!(opened, Err(Errno::Notcapable), "without {right:?}");
    }
}

#[test]
fn paths_are_checked() {
    let mut guest = usual();
    let long = "x".repeat(256);
    let deep = "d/".repeat(3000);
    for (path, expected) in [
        ("/file", Errno::Perm),
        ("../file", Errno::Perm),
        ("dir/../../file", Errno::Perm),
        ("./..", Errno::Perm),
        ("file\0", Errno::Inval),
        ("\0", Errno::Inval),
        (long.as_str(), Errno::Nametoolong),
        (deep.as_str(), Errno::Nametoolong),
    ] {
        assert_eq!(guest.open(path, Open::reading()), Err(expected), "{path:.20}");
    }
    for path in ["dir/../file", "./file", "dir//inner", "dir/./inner", "to-dir/../file"] {
        assert_eq!(guest.open(path, Open::reading()).map(|_| ()), OK, "{path}");
    }
    guest.write(PATH, b"\xff\xfe");
    let args = [DIR.into(), 0, PATH.into(), 2, 0, 0, 0, 0, RESULT.into()];
    assert_eq!(guest.call("path_open", &args), Err(Errno::Ilseq));
    for (start, len) in [(u64::from(u32::MAX), 1), (0, u64::from(u32::MAX)), (4 << 16, 1)] {
        let args = [DIR.into(), 0, start, len, 0, 0, 0, 0, RESULT.into()];
        assert_eq!(guest.call("path_open", &args), Err(Errno::Fault));
    }
    let args = [DIR.into(), 0, 0, 4, u64::from(CREAT), 0, 0, 0, u64::from(u32::MAX)];
    assert_eq!(guest.call("path_open", &args), Err(Errno::Fault));
}

#[test]
fn a_directory_that_is_read_only_cannot_be_changed() {
    let fs = kernref_wasi::MemoryFs::new(kernref_wasi::Quota::default()).unwrap();
    fs.write("file", b"content").unwrap();
    let mut guest = Guest::new(
        kernref_wasi::WasiCtx::builder()
            .stdin(kernref_wasi::Closed)
            .stdout(kernref_wasi::Closed)
            .stderr(kernref_wasi::Closed)
            .preopened_dir_read_only(fs.root(), "/"),
    );
    let open = |rights: Rights, oflags| Open {
        rights: rights.bits(),
        inheriting: 0,
        ..Open::file(oflags)
    };
    let fd = guest.open("file", open(Rights::FD_READ, 0)).unwrap();
    assert_eq!(guest.fd_read(fd, 9), Ok(b"content".to_vec()));
    assert_eq!(guest.fd_write(fd, b"x"), Err(Errno::Notcapable));
    assert_eq!(guest.open("file", open(Rights::FD_WRITE, 0)), Err(Errno::Notcapable));
    assert_eq!(guest.open("file", open(Rights::FD_READ, TRUNC)), Err(Errno::Notcapable));
    assert_eq!(guest.open("new", open(Rights::FD_READ, CREAT)), Err(Errno::Notcapable));
    for name in ["path_create_directory", "path_unlink_file", "path_remove_directory"] {
        assert_eq!(guest.at(name, DIR, "file"), Err(Errno::Notcapable));
    }
    assert_eq!(guest.call("fd_filestat_set_times", &[DIR.into(), 0, 0, 0]), Err(Errno::Notcapable));
}
