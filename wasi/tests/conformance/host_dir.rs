//! Directories of the system: nothing leads out of them, and they behave as file
//! systems in memory do.

use crate::guest::{CREAT, EXCL, FOLLOW, Guest, Open, RESULT, TRUNC};
use kernref_wasi::types::Errno;
use kernref_wasi::{Directory, FixedClock, HostDir, Limits, MemoryFs, Quota, WasiCtx};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kernref-wasi-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn guest(directory: impl Directory) -> Guest {
    let mut builder = WasiCtx::builder();
    builder.stdin(kernref_wasi::Closed).stdout(kernref_wasi::Closed).stderr(kernref_wasi::Closed);
    builder.realtime_clock(FixedClock(5_000_000_000)).preopened_dir(directory, "/");
    Guest::new(&mut builder)
}

#[test]
fn nothing_leads_out() {
    let folder = Folder::new("out");
    let inside = folder.0.join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(folder.0.join("secret"), "secret").unwrap();
    symlink("../secret", inside.join("up")).unwrap();
    symlink(folder.0.join("secret"), inside.join("absolute")).unwrap();
    symlink("..", inside.join("parent")).unwrap();
    symlink(&folder.0, inside.join("folder")).unwrap();
    let mut guest = guest(HostDir::open(&inside).unwrap());
    let follow = Open { lookup: FOLLOW, ..Open::reading() };
    for path in ["../secret", "up", "absolute", "parent/secret", "folder/secret", "./../secret"] {
        assert_eq!(guest.open(path, follow), Err(Errno::Perm), "{path}");
        assert_eq!(guest.stat(path, FOLLOW), Err(Errno::Perm), "{path}");
        let made = Open { lookup: FOLLOW, ..Open::file(CREAT) };
        assert_eq!(guest.open(path, made), Err(Errno::Perm), "{path}");
    }
    for name in ["path_create_directory", "path_unlink_file", "path_remove_directory"] {
        for path in ["../secret", "parent/secret", "folder/secret"] {
            assert_eq!(guest.at(name, 3, path), Err(Errno::Perm), "{name} {path}");
        }
    }
    assert_eq!(fs::read(folder.0.join("secret")).unwrap(), b"secret");
}

#[test]
fn a_change_meanwhile_does_not_lead_out() {
    let folder = Folder::new("race");
    let inside = folder.0.join("inside");
    fs::create_dir_all(inside.join("real")).unwrap();
    fs::create_dir(folder.0.join("outside")).unwrap();
    fs::write(inside.join("real/file"), "public").unwrap();
    fs::write(folder.0.join("outside/file"), "secret").unwrap();
    symlink("../outside", inside.join("evil")).unwrap();
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A directory and a link that leads out take turns under one name.
            while !has_ended.load(Ordering::Relaxed) {
                let _ = fs::rename(inside.join("real"), inside.join("name"));
                let _ = fs::rename(inside.join("name"), inside.join("real"));
                let _ = fs::rename(inside.join("evil"), inside.join("name"));
                let _ = fs::rename(inside.join("name"), inside.join("evil"));
            }
        });
        let mut guest = guest(HostDir::open(&inside).unwrap());
        let mut seen = 0;
        for _ in 0..3000 {
            if let Ok(fd) = guest.open("name/file", Open::reading()) {
                assert_eq!(guest.fd_read(fd, 10), Ok(b"public".to_vec()));
                guest.call("fd_close", &[fd.into()]).unwrap();
                seen += 1;
            }
        }
        has_ended.store(true, Ordering::Relaxed);
        println!("opened {seen} times");
    });
}

#[test]
fn files_are_read_written_and_listed() {
    let folder = Folder::new("files");
    let mut guest = guest(HostDir::open(&folder.0).unwrap());
    let fd = guest.open("file", Open::file(CREAT)).unwrap();
    assert_eq!(guest.fd_write(fd, b"hello"), Ok(5));
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), 1]), Ok(()));
    assert_eq!(guest.seek(fd, 0, 0), Ok(0));
    assert_eq!(guest.fd_write(fd, b" there"), Ok(6));
    assert_eq!(guest.seek(fd, 0, 1), Ok(11));
    assert_eq!(fs::read(folder.0.join("file")).unwrap(), b"hello there");
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 20]), Ok(()));
    assert_eq!(guest.call("fd_advise", &[fd.into(), 0, 0, 3]), Ok(()));
    assert_eq!(guest.call("fd_sync", &[fd.into()]), Ok(()));
    assert_eq!(guest.call("fd_datasync", &[fd.into()]), Ok(()));
    assert_eq!(guest.call("fd_sync", &[3]), Ok(()));
    assert_eq!(guest.call("fd_filestat_set_times", &[fd.into(), 7, 0, 9]), Ok(()));
    assert_eq!(guest.call("fd_filestat_get", &[fd.into(), RESULT.into()]), Ok(()));
    assert_eq!((guest.u64(RESULT + 32), guest.u64(RESULT + 40)), (20, 7));
    assert_eq!(guest.u64(RESULT + 48), 5_000_000_000);
    for at in 0..300 {
        fs::write(folder.0.join(format!("{at}")), "").unwrap();
    }
    let (mut cookie, mut count) = (0, 0);
    loop {
        let args = [3, 0x10000, 500, cookie, RESULT.into()];
        guest.call("fd_readdir", &args).unwrap();
        let (used, mut at) = (guest.u32(RESULT), 0);
        while at + 24 <= used && at + 24 + guest.u32(0x10000 + at + 16) <= used {
            cookie = guest.u64(0x10000 + at);
            at += 24 + guest.u32(0x10000 + at + 16);
            count += 1;
        }
        if used < 500 {
            break;
        }
    }
    assert_eq!(count, 303);
}

/// What a random operation does, as a text to be compared.
fn outcome(directory: &dyn Directory, numbers: &mut impl FnMut(u32) -> u32) -> String {
    const NAMES: [&str; 13] =
        ["a", "b", "d", "d/a", "d/b", "d/e", "l", "l/a", "d/../a", "a/", "d/", "none/a", ".."];
    let mut name = || NAMES[numbers(NAMES.len() as u32) as usize];
    let (path, other) = (name(), name());
    let follow = numbers(2) == 0;
    match numbers(10) {
        0 => {
            let oflags = [0, CREAT, CREAT | EXCL, TRUNC][numbers(4) as usize];
            let options = kernref_wasi::OpenOptions {
                follow,
                oflags: kernref_wasi::types::OFlags::from_bits_truncate(oflags as u16),
                fdflags: kernref_wasi::types::FdFlags::empty(),
                read: true,
                write: numbers(2) == 0,
            };
            let opened = directory.open(path, options).map(|opened| match opened {
                kernref_wasi::Opened::File(mut file) => {
                    let _ = options.write.then(|| file.write_at(0, other.as_bytes()));
                    "file"
                }
                _ => "directory",
            });
            format!("open {path} {options:?}: {opened:?}")
        }
        1 => format!("mkdir {path}: {:?}", directory.create_dir(path)),
        2 => format!("rmdir {path}: {:?}", directory.remove_dir(path)),
        3 => format!("unlink {path}: {:?}", directory.remove_file(path)),
        4 => format!("rename {path} {other}: {:?}", directory.rename(path, directory, other)),
        5 => format!("link {path} {other}: {:?}", directory.link(path, false, directory, other)),
        6 => format!("symlink {path} {other}: {:?}", directory.symlink(path, other)),
        7 => {
            let mut buffer = [0; 9];
            let read = directory.read_link(path, &mut buffer);
            format!("readlink {path}: {:?}", read.map(|len| buffer[..len].to_vec()))
        }
        _ => {
            let stat = directory.stat_at(path, follow).map(|stat| {
                let is_directory = stat.filetype == kernref_wasi::types::Filetype::Directory;
                (stat.filetype, if is_directory { (0, 0) } else { (stat.size, stat.links) })
            });
            format!("stat {path} {follow}: {stat:?}")
        }
    }
}

/// Errors of which systems may give one or the other, where a path has several
/// faults.
fn is_alike(memory: &str, host: &str) -> bool {
    let split = |text: &str| text.rsplit_once(": ").map(|(a, b)| (a.to_string(), b.to_string()));
    let (Some((operation, memory)), Some((same, host))) = (split(memory), split(host)) else {
        return false;
    };
    operation == same && (memory == host || (memory.starts_with("Err") && host.starts_with("Err")))
}

#[test]
fn a_file_system_in_memory_does_as_the_system_does() {
    for seed in 0..60u64 {
        let folder = Folder::new("random");
        let host = HostDir::open(&folder.0).unwrap();
        let memory = MemoryFs::new(Quota::default()).unwrap().root();
        let mut history = String::new();
        for step in 0..80u64 {
            let numbers = |salt: u64| {
                let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (step << 20) ^ salt;
                move |end: u32| {
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut mixed = state;
                    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    ((mixed ^ (mixed >> 31)) % u64::from(end)) as u32
                }
            };
            let in_memory = outcome(&memory, &mut numbers(0));
            let on_host = outcome(&host, &mut numbers(0));
            history += &format!("{in_memory} | {on_host}\n");
            assert!(is_alike(&in_memory, &on_host), "{seed} {step}\n{history}");
        }
    }
}

/// The names from a cookie on, up to `count`, and the cookie after them.
fn names_from(directory: &HostDir, mut cookie: u64, count: usize) -> (Vec<String>, u64) {
    let mut names = Vec::new();
    let read = directory.read_dir(cookie, &mut |entry| {
        names.push(entry.name.to_string());
        cookie = entry.next;
        if names.len() == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(read, Ok(()));
    (names, cookie)
}

#[test]
fn nothing_of_a_listing_is_kept() {
    let folder = Folder::new("listing");
    let mut expected: Vec<String> = (0..1000).map(|at| format!("{at:03}")).collect();
    expected.iter().for_each(|name| fs::write(folder.0.join(name), "").unwrap());
    fs::create_dir(folder.0.join("dir")).unwrap();
    symlink("000", folder.0.join("link")).unwrap();
    expected.extend(["dir".to_string(), "link".to_string()]);
    // Whoever goes on has not begun.
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let directory = HostDir::open(&folder.0).unwrap();
        let (more, next) = names_from(&directory, cookie, 77);
        if more.is_empty() {
            break;
        }
        names.extend(more);
        cookie = next;
    }
    names.sort_unstable();
    assert_eq!(names, expected);
    let directory = HostDir::open(&folder.0).unwrap();
    let mut kinds = BTreeMap::new();
    let read = directory.read_dir(0, &mut |entry| {
        *kinds.entry(entry.filetype as u8).or_insert(0) += 1;
        assert_eq!(Ok(entry.inode), directory.stat_at(entry.name, false).map(|stat| stat.inode));
        ControlFlow::Continue(())
    });
    assert_eq!((read, kinds), (Ok(()), BTreeMap::from([(3, 1), (4, 1000), (7, 1)])));
    // Long listings are checked in between, too.
    let mut limits = Limits::default();
    limits.piece_bytes = 100;
    let mut builder = WasiCtx::builder();
    builder.stdin(kernref_wasi::Closed).stdout(kernref_wasi::Closed).stderr(kernref_wasi::Closed);
    let mut guest = Guest::new(builder.preopened_dir(directory, "/").limits(limits));
    guest.store.set_fuel(100).unwrap();
    let error =
        guest.try_call("fd_readdir", &[3, 0x10000, 64 << 10, 0, RESULT.into()]).unwrap_err();
    assert_eq!(error.as_trap(), Some(kernref::Trap::OutOfFuel));
    guest.store.set_fuel(1 << 40).unwrap();
    let past = [3, 0x10000, 64 << 10, u64::MAX, RESULT.into()];
    assert_eq!(guest.call("fd_readdir", &past), Err(Errno::Inval));
}

#[test]
fn what_is_not_listed_is_bounded() {
    let folder = Folder::new("unlisted");
    let name = |at: u32| {
        let bytes = [&[0xff][..], format!("{at}").as_bytes()].concat();
        folder.0.join(OsString::from_vec(bytes))
    };
    (0..16384).for_each(|at| drop(fs::File::create(name(at)).unwrap()));
    let directory = HostDir::open(&folder.0).unwrap();
    assert_eq!(names_from(&directory, 0, 9).0, Vec::<String>::new());
    fs::write(name(16384), "").unwrap();
    let read = directory.read_dir(0, &mut |_| ControlFlow::Continue(()));
    assert_eq!(read, Err(Errno::Overflow));
}
