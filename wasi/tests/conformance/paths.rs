//! What paths name is made, moved, linked, and removed.

use crate::guest::{BUFFER, CREAT, DIR, FOLLOW, Guest, OK, Open, RESULT};
use kernref_wasi::types::{Errno, Rights};
use kernref_wasi::{Directory, MemoryFs, Quota, WasiCtx};

impl Guest {
    fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let ([a, b], [c, d]) = (self.path(from), self.other_path(to));
        self.call("path_rename", &[DIR.into(), a, b, DIR.into(), c, d])
    }

    fn link(&mut self, lookup: u32, from: &str, to: &str) -> Result<(), Errno> {
        let ([a, b], [c, d]) = (self.path(from), self.other_path(to));
        self.call("path_link", &[DIR.into(), lookup.into(), a, b, DIR.into(), c, d])
    }

    fn symlink(&mut self, target: &str, path: &str) -> Result<(), Errno> {
        let ([a, b], [c, d]) = (self.path(target), self.other_path(path));
        self.call("path_symlink", &[a, b, DIR.into(), c, d])
    }

    fn readlink(&mut self, path: &str, room: u32) -> Result<Vec<u8>, Errno> {
        let [a, b] = self.path(path);
        let args = [DIR.into(), a, b, BUFFER.into(), room.into(), RESULT.into()];
        self.call("path_readlink", &args)?;
        let len = self.u32(RESULT);
        Ok(self.read(BUFFER, len))
    }

    fn make(&mut self, path: &str, content: &[u8]) {
        let fd = self.open(path, Open::file(CREAT)).unwrap();
        assert_eq!(self.fd_write(fd, content), Ok(content.len() as u32));
        self.call("fd_close", &[fd.into()]).unwrap();
    }

    fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        self.at("path_create_directory", DIR, path)
    }

    fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        self.at("path_remove_directory", DIR, path)
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        self.at("path_unlink_file", DIR, path)
    }

    fn content(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.open(path, Open { lookup: FOLLOW, ..Open::reading() })?;
        let content = self.fd_read(fd, 100)?;
        self.call("fd_close", &[fd.into()])?;
        Ok(content)
    }
}

/// Kinds as guests see them.
const IS_DIR: u8 = 3;
const IS_FILE: u8 = 4;
const IS_LINK: u8 = 7;

#[test]
fn directories_are_made_and_removed() {
    let (mut guest, _, _) = Guest::usual();
    assert_eq!(guest.mkdir("a"), OK);
    assert_eq!(guest.mkdir("a"), Err(Errno::Exist));
    assert_eq!(guest.mkdir("a/b/"), OK);
    assert_eq!(guest.mkdir("none/b"), Err(Errno::Noent));
    assert_eq!(guest.mkdir("."), Err(Errno::Exist));
    guest.make("file", b"");
    assert_eq!(guest.mkdir("file"), Err(Errno::Exist));
    assert_eq!(guest.mkdir("file/x"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("a"), Err(Errno::Notempty));
    assert_eq!(guest.rmdir("file"), Err(Errno::Notdir));
    assert_eq!(guest.rmdir("none"), Err(Errno::Noent));
    assert_eq!(guest.rmdir("."), Err(Errno::Inval));
    assert_eq!(guest.rmdir("a/b/.."), Err(Errno::Inval));
    assert_eq!(guest.rmdir("a/b/"), OK);
    assert_eq!(guest.rmdir("a"), OK);
    assert_eq!(guest.stat("a", 0), Err(Errno::Noent));
}

#[test]
fn nothing_is_made_in_a_directory_that_was_removed() {
    let (mut guest, _, _) = Guest::usual();
    guest.mkdir("a").unwrap();
    let fd = guest.open("a", Open::directory()).unwrap();
    guest.rmdir("a").unwrap();
    assert_eq!(guest.at("path_create_directory", fd, "b"), Err(Errno::Noent));
    assert_eq!(guest.open("b", Open { fd, ..Open::file(CREAT) }), Err(Errno::Noent));
    assert_eq!(guest.call("fd_filestat_get", &[fd.into(), RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT + 24), 0, "names");
    assert_eq!(guest.open("..", Open { fd, ..Open::directory() }), Err(Errno::Perm));
}

#[test]
fn files_are_removed_but_stay_while_they_are_open() {
    let (mut guest, fs, _) = Guest::usual();
    let before = fs.usage();
    guest.make("file", b"content");
    let fd = guest.open("file", Open::file(0)).unwrap();
    assert_eq!(guest.unlink("file/"), Err(Errno::Notdir));
    assert_eq!(guest.unlink("file"), OK);
    assert_eq!(guest.unlink("file"), Err(Errno::Noent));
    assert_eq!(guest.fd_read(fd, 10), Ok(b"content".to_vec()));
    assert_ne!(fs.usage(), before);
    guest.call("fd_close", &[fd.into()]).unwrap();
    assert_eq!(fs.usage(), before, "what nobody uses is given back");
    guest.mkdir("dir").unwrap();
    assert_eq!(guest.unlink("dir"), Err(Errno::Isdir));
    assert_eq!(guest.unlink("dir/"), Err(Errno::Isdir));
    guest.symlink("dir", "link").unwrap();
    assert_eq!(guest.unlink("link"), OK);
    assert_eq!(guest.stat("dir", 0), Ok((0, IS_DIR)));
}

#[test]
fn files_and_directories_are_moved() {
    let (mut guest, _, _) = Guest::usual();
    guest.make("a", b"a");
    guest.make("b", b"b");
    guest.mkdir("dir").unwrap();
    guest.mkdir("dir/sub").unwrap();
    guest.mkdir("empty").unwrap();
    assert_eq!(guest.rename("a", "c"), OK);
    assert_eq!((guest.content("c"), guest.stat("a", 0)), (Ok(b"a".to_vec()), Err(Errno::Noent)));
    assert_eq!(guest.rename("c", "b"), OK);
    assert_eq!(guest.content("b"), Ok(b"a".to_vec()));
    assert_eq!(guest.rename("b", "b"), OK);
    assert_eq!(guest.rename("none", "x"), Err(Errno::Noent));
    assert_eq!(guest.rename("b", "none/x"), Err(Errno::Noent));
    assert_eq!(guest.rename("b", "dir"), Err(Errno::Isdir));
    assert_eq!(guest.rename("b", "x/"), Err(Errno::Notdir));
    assert_eq!(guest.rename("b/", "x"), Err(Errno::Notdir));
    assert_eq!(guest.rename("dir", "b"), Err(Errno::Notdir));
    assert_eq!(guest.rename("empty", "dir"), Err(Errno::Notempty));
    assert_eq!(guest.rename("dir", "dir/sub/x"), Err(Errno::Inval));
    assert_eq!(guest.rename("dir", "dir"), OK);
    assert_eq!(guest.rename(".", "x"), Err(Errno::Busy));
    assert_eq!(guest.rename("dir", "."), Err(Errno::Busy));
    assert_eq!(guest.rename("dir", "empty/"), OK);
    assert_eq!(guest.stat("empty/sub", 0), Ok((0, IS_DIR)));
    assert_eq!(guest.rename("empty/sub", "up"), OK);
    // Its `..` is where it is now.
    assert_eq!(guest.stat("up/../b", 0), Ok((1, IS_FILE)));
    guest.symlink("b", "link").unwrap();
    assert_eq!(guest.rename("link", "moved"), OK);
    assert_eq!(guest.readlink("moved", 9), Ok(b"b".to_vec()));
}

#[test]
fn two_names_are_one_file() {
    let (mut guest, _, _) = Guest::usual();
    guest.make("a", b"a");
    guest.mkdir("dir").unwrap();
    guest.symlink("a", "link").unwrap();
    assert_eq!(guest.link(0, "a", "b"), OK);
    let fd = guest.open("b", Open::file(0)).unwrap();
    guest.fd_write(fd, b"B").unwrap();
    assert_eq!(guest.content("a"), Ok(b"B".to_vec()));
    assert_eq!(guest.call("fd_filestat_get", &[fd.into(), RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT + 24), 2);
    assert_eq!(guest.rename("a", "b"), OK);
    assert_eq!(guest.stat("a", 0), Ok((1, IS_FILE)), "a move onto itself does nothing");
    assert_eq!(guest.unlink("a"), OK);
    assert_eq!(guest.content("b"), Ok(b"B".to_vec()));
    assert_eq!(guest.link(0, "b", "b"), Err(Errno::Exist));
    assert_eq!(guest.link(0, "b", "x/"), Err(Errno::Noent));
    assert_eq!(guest.link(0, "none", "x"), Err(Errno::Noent));
    assert_eq!(guest.link(0, "dir", "x"), Err(Errno::Perm));
    assert_eq!(guest.link(0, "b/", "x"), Err(Errno::Notdir));
    assert_eq!(guest.link(2, "b", "x"), Err(Errno::Inval));
    assert_eq!(guest.link(0, "link", "other"), OK);
    assert_eq!(guest.stat("other", 0), Ok((1, IS_LINK)));
    assert_eq!(guest.link(FOLLOW, "link", "x"), Err(Errno::Noent));
}

#[test]
fn links_are_made_and_read() {
    let (mut guest, _, _) = Guest::usual();
    guest.make("file", b"content");
    assert_eq!(guest.symlink("file", "link"), OK);
    assert_eq!(guest.symlink("file", "link"), Err(Errno::Exist));
    assert_eq!(guest.symlink("x", "new/"), Err(Errno::Noent));
    assert_eq!(guest.symlink("/file", "absolute"), Err(Errno::Perm));
    assert_eq!(guest.symlink("", "empty"), Err(Errno::Noent));
    assert_eq!(guest.readlink("link", 100), Ok(b"file".to_vec()));
    assert_eq!(guest.readlink("link", 2), Ok(b"fi".to_vec()));
    assert_eq!(guest.readlink("link", 0), Ok(vec![]));
    assert_eq!(guest.readlink("file", 9), Err(Errno::Inval));
    assert_eq!(guest.readlink("none", 9), Err(Errno::Noent));
    assert_eq!(guest.readlink("link", u32::MAX), Err(Errno::Fault));
    assert_eq!(guest.stat("link", 0), Ok((4, IS_LINK)));
    assert_eq!(guest.stat("link", FOLLOW), Ok((7, IS_FILE)));
    assert_eq!(guest.stat("link", 2), Err(Errno::Inval));
}

#[test]
fn no_link_leads_out() {
    let (mut guest, fs, _) = Guest::usual();
    fs.write("secret", b"secret").unwrap();
    guest.mkdir("box").unwrap();
    let fd = guest.open("box", Open::directory()).unwrap();
    for (at, target) in ["../secret", "sub/../../secret", "./../secret", "..", "up/../secret"]
        .into_iter()
        .enumerate()
    {
        let name = format!("link{at}");
        guest.symlink(target, &format!("box/{name}")).unwrap();
        let opened = guest.open(&name, Open { fd, lookup: FOLLOW, ..Open::reading() });
        assert!(matches!(opened, Err(Errno::Perm | Errno::Noent)), "{target}: {opened:?}");
        let through = guest.open(&format!("{name}/x"), Open { fd, ..Open::reading() });
        assert!(matches!(through, Err(Errno::Perm | Errno::Noent)), "{target}: {through:?}");
    }
    guest.mkdir("box/sub").unwrap();
    let opened = guest.open("link1", Open { fd, lookup: FOLLOW, ..Open::reading() });
    assert_eq!(opened, Err(Errno::Perm));
    // From further out, the same links stay inside.
    assert_eq!(guest.content("box/link0"), Ok(b"secret".to_vec()));
}

#[test]
fn links_to_links_have_a_limit_and_their_paths_too() {
    let (mut guest, _, _) = Guest::usual();
    guest.make("l0", b"end");
    for at in 1..=41 {
        guest.symlink(&format!("l{}", at - 1), &format!("l{at}")).unwrap();
    }
    assert_eq!(guest.content("l40"), Ok(b"end".to_vec()));
    assert_eq!(guest.content("l41"), Err(Errno::Loop));
    guest.symlink(&"a/".repeat(2000), "long").unwrap();
    let path = format!("long/{}", "b/".repeat(1000));
    assert_eq!(guest.stat(&path, 0), Err(Errno::Nametoolong));
}

#[test]
fn times_are_set_by_path() {
    let (mut guest, _, _) = Guest::usual();
    guest.make("file", b"");
    guest.symlink("file", "link").unwrap();
    let mut set = |path: &str, lookup: u32, flags: u64| {
        let [start, len] = guest.path(path);
        let args = [DIR.into(), lookup.into(), start, len, 5, 6, flags];
        guest.call("path_filestat_set_times", &args)?;
        guest.call("path_filestat_get", &[DIR.into(), lookup.into(), start, len, RESULT.into()])?;
        Ok((guest.u64(RESULT + 40), guest.u64(RESULT + 48)))
    };
    assert_eq!(set("link", 0, 5), Ok((5, 6)));
    assert_eq!(set("file", 0, 0), Ok((77, 77)));
    assert_eq!(set("link", FOLLOW, 4), Ok((77, 6)));
    assert_eq!(set("file", 0, 3), Err(Errno::Inval));
    assert_eq!(set("file", 0, 12), Err(Errno::Inval));
    assert_eq!(set("none", 0, 5), Err(Errno::Noent));
}

#[test]
fn each_function_asks_for_its_right() {
    for (right, name, args) in [
        (Rights::PATH_CREATE_DIRECTORY, "path_create_directory", vec![3, 0, 1]),
        (Rights::PATH_REMOVE_DIRECTORY, "path_remove_directory", vec![3, 0, 1]),
        (Rights::PATH_UNLINK_FILE, "path_unlink_file", vec![3, 0, 1]),
        (Rights::PATH_FILESTAT_GET, "path_filestat_get", vec![3, 0, 0, 1, 64]),
        (Rights::PATH_FILESTAT_SET_TIMES, "path_filestat_set_times", vec![3, 0, 0, 1, 0, 0, 0]),
        (Rights::PATH_LINK_SOURCE, "path_link", vec![3, 0, 0, 1, 3, 0, 1]),
        (Rights::PATH_LINK_TARGET, "path_link", vec![3, 0, 0, 1, 3, 0, 1]),
        (Rights::PATH_READLINK, "path_readlink", vec![3, 0, 1, 64, 1, 32]),
        (Rights::PATH_RENAME_SOURCE, "path_rename", vec![3, 0, 1, 3, 0, 1]),
        (Rights::PATH_RENAME_TARGET, "path_rename", vec![3, 0, 1, 3, 0, 1]),
        (Rights::PATH_SYMLINK, "path_symlink", vec![0, 1, 3, 0, 1]),
        (Rights::FD_READDIR, "fd_readdir", vec![3, 0, 0, 0, 64]),
    ] {
        let (mut guest, _, _) = Guest::usual();
        guest.write(0, b"x");
        assert_ne!(guest.call(name, &args), Err(Errno::Notcapable), "{name}");
        let rights = (Rights::DIRECTORY - right).bits();
        assert_eq!(guest.call("fd_fdstat_set_rights", &[3, rights, 0]), OK);
        assert_eq!(guest.call(name, &args), Err(Errno::Notcapable), "{name} without {right:?}");
    }
}

#[test]
fn file_systems_are_kept_apart() {
    let first = MemoryFs::new(Quota::default()).unwrap();
    let second = MemoryFs::new(Quota::default()).unwrap();
    first.write("file", b"").unwrap();
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(first.root(), "/a").preopened_dir(second.root(), "/b");
    let mut guest = Guest::new(&mut builder);
    let ([a, b], [c, d]) = (guest.path("file"), guest.other_path("file"));
    assert_eq!(guest.call("path_rename", &[3, a, b, 4, c, d]), Err(Errno::Xdev));
    assert_eq!(guest.call("path_link", &[3, 0, a, b, 4, c, d]), Err(Errno::Xdev));
    let device = |guest: &mut Guest, fd: u64| {
        guest.call("fd_filestat_get", &[fd, RESULT.into()]).unwrap();
        guest.u64(RESULT)
    };
    assert_ne!(device(&mut guest, 3), device(&mut guest, 4));
}

#[test]
fn links_cannot_make_endless_work() {
    let (mut guest, fs, _) = Guest::usual();
    fs.create_dir("a").unwrap();
    fs.write("file", b"").unwrap();
    // As long as a path can be, it is walked.
    let long = |pieces: usize, end: &str| format!("{}{end}", "a/../".repeat(pieces));
    assert_eq!(guest.stat(&long(818, "file"), 0), Ok((0, 4)));
    // Through a link to itself it would be walked forty times.
    fs.root().symlink(&long(818, "link"), "link").unwrap();
    assert_eq!(guest.stat("link", FOLLOW), Err(Errno::Nametoolong));
    fs.root().symlink("self", "self").unwrap();
    assert_eq!(guest.stat("self", FOLLOW), Err(Errno::Loop));
    fs.root().symlink(&long(800, "file"), "once").unwrap();
    assert_eq!(guest.stat("once", FOLLOW), Ok((0, 4)));
}
