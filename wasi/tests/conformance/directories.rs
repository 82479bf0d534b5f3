//! `fd_readdir`.

use crate::guest::{BUFFER, DIR, Guest, MEMORY_BYTES, OK, RESULT};
use kernref_wasi::types::Errno;
use kernref_wasi::{Directory, Limits};
use std::collections::BTreeSet;

/// A name, its kind, and the cookie of what follows.
type Entry = (String, u8, u64);

impl Guest {
    /// Lists from a cookie on into a buffer of this size; what is cut is left out.
    fn list_dir(&mut self, len: u32, cookie: u64) -> Result<(Vec<Entry>, u32), Errno> {
        let args = [DIR.into(), BUFFER.into(), len.into(), cookie, RESULT.into()];
        self.call("fd_readdir", &args)?;
        let used = self.u32(RESULT);
        let (mut entries, mut at) = (Vec::new(), 0);
        while at + 24 <= used {
            let name_len = self.u32(BUFFER + at + 16);
            if at + 24 + name_len > used {
                break;
            }
            let name = String::from_utf8(self.read(BUFFER + at + 24, name_len)).unwrap();
            let kind = self.read(BUFFER + at + 20, 1)[0];
            assert_ne!(self.u64(BUFFER + at + 8), 0, "{name} has a number");
            entries.push((name, kind, self.u64(BUFFER + at)));
            at += 24 + name_len;
        }
        Ok((entries, used))
    }
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|(name, _, _)| name.as_str()).collect()
}

#[test]
fn entries_have_names_kinds_and_cookies() {
    let (mut guest, fs, _) = Guest::usual();
    assert_eq!(names(&guest.list_dir(4096, 0).unwrap().0), [".", ".."]);
    fs.write("file", b"").unwrap();
    fs.create_dir("dir").unwrap();
    fs.root().symlink("file", "link").unwrap();
    let (entries, used) = guest.list_dir(4096, 0).unwrap();
    assert_eq!(names(&entries), [".", "..", "file", "dir", "link"]);
    let kinds: Vec<u8> = entries.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, [3, 3, 4, 3, 7]);
    assert!(used < 4096);
    for (at, (_, _, next)) in entries.iter().enumerate() {
        let rest = guest.list_dir(4096, *next).unwrap().0;
        assert_eq!(rest, entries[at + 1..]);
    }
}

#[test]
fn a_buffer_that_is_too_small_is_full() {
    let (mut guest, fs, _) = Guest::usual();
    fs.write("a-long-name", b"").unwrap();
    for len in 0..200 {
        let (entries, used) = guest.list_dir(len, 0).unwrap();
        assert_eq!(used, len.min(25 + 26 + 35));
        let whole = [25, 51, 86].into_iter().filter(|end| *end <= len).count();
        assert_eq!(entries.len(), whole, "{len}");
    }
}

#[test]
fn a_listing_survives_changes() {
    let (mut guest, fs, _) = Guest::usual();
    for at in 0..100 {
        fs.write(&format!("{at:02}"), b"").unwrap();
    }
    let (mut seen, mut cookie, mut round) = (BTreeSet::new(), 0, 0);
    loop {
        let (entries, used) = guest.list_dir(100, cookie).unwrap();
        for (name, _, next) in entries {
            assert!(seen.insert(name), "twice");
            cookie = next;
        }
        if used < 100 {
            break;
        }
        // What was seen goes, and something new comes.
        fs.root().remove_file(&format!("{round:02}")).unwrap();
        fs.write(&format!("new{round}"), b"").unwrap();
        round += 1;
    }
    assert!((0..100).all(|at| seen.contains(&format!("{at:02}"))));
}

#[test]
fn long_listings_are_made_in_pieces() {
    let (mut builder, fs, _) = crate::guest::builder();
    let mut limits = Limits::default();
    limits.piece_bytes = 100;
    let mut guest = Guest::new(builder.limits(limits));
    for at in 0..1000 {
        fs.write(&format!("file{at:04}"), b"").unwrap();
    }
    let (entries, _) = guest.list_dir(64 << 10, 0).unwrap();
    assert_eq!(entries.len(), 1002);
    guest.store.set_fuel(100).unwrap();
    let args = [DIR.into(), BUFFER.into(), 64 << 10, 0, RESULT.into()];
    let error = guest.try_call("fd_readdir", &args).unwrap_err();
    assert_eq!(error.as_trap(), Some(kernref::Trap::OutOfFuel));
}

#[test]
fn hostile_arguments_are_errors() {
    let (mut guest, fs, _) = Guest::usual();
    fs.write("file", b"").unwrap();
    let args = |start: u32, len: u32, result: u32| {
        [DIR.into(), start.into(), len.into(), 0, u64::from(result)]
    };
    for (start, len, result) in [
        (MEMORY_BYTES, 1, RESULT),
        (1, u32::MAX, RESULT),
        (u32::MAX, u32::MAX, RESULT),
        (BUFFER, 100, MEMORY_BYTES - 3),
    ] {
        assert_eq!(guest.call("fd_readdir", &args(start, len, result)), Err(Errno::Fault));
    }
    assert_eq!(guest.list_dir(100, u64::MAX).unwrap().1, 0);
    assert_eq!(guest.call("fd_readdir", &[1, 0, 0, 0, RESULT.into()]), Err(Errno::Notdir));
    assert_eq!(guest.call("fd_readdir", &[99, 0, 0, 0, RESULT.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_readdir", &args(BUFFER, 0, RESULT)), OK);
}

#[test]
fn a_buffer_may_end_where_addresses_do() {
    let (mut guest, _, _) = Guest::usual();
    let pages = u64::from(MEMORY_BYTES >> 16);
    guest.memory.grow(&mut guest.store, 65536 - pages).unwrap();
    for len in [24, 25, 100] {
        let start = u64::from(u32::MAX) + 1 - len;
        assert_eq!(guest.call("fd_readdir", &[DIR.into(), start, len, 0, RESULT.into()]), OK);
        assert_eq!(u64::from(guest.u32(RESULT)), len.min(51));
        assert_eq!(guest.read(start as u32 + 16, 1), [1], "the name's length");
        let args = [DIR.into(), start + 1, len, 0, RESULT.into()];
        assert_eq!(guest.call("fd_readdir", &args), Err(Errno::Fault));
    }
}
