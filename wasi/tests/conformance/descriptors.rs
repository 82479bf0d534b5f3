//! What concerns descriptors: reading, writing, seeking, flags, rights, attributes.

use crate::guest::{BUFFER, CREAT, DIR, Guest, LIST, MEMORY_BYTES, OK, Open, RESULT};
use kernref_wasi::types::{Errno, Rights};

const APPEND: u32 = 1;
const SET: u32 = 0;
const CUR: u32 = 1;
const END: u32 = 2;

fn with_file(content: &[u8]) -> (Guest, u32) {
    let (mut guest, fs, _) = Guest::usual();
    fs.write("file", content).unwrap();
    let fd = guest.open("file", Open::file(0)).unwrap();
    (guest, fd)
}

#[test]
fn standard_streams_read_and_write() {
    let (mut guest, _, output) = Guest::usual();
    assert_eq!(guest.fd_read(0, 4), Ok(b"from".to_vec()));
    assert_eq!(guest.fd_read(0, 100), Ok(b" standard input".to_vec()));
    assert_eq!(guest.fd_read(0, 100), Ok(vec![]));
    assert_eq!(guest.fd_write(1, b"out"), Ok(3));
    assert_eq!(guest.fd_write(2, b"err"), Ok(3));
    assert_eq!(output.take(), b"outerr");
    assert_eq!(guest.fd_write(0, b"x"), Err(Errno::Notcapable));
    assert_eq!(guest.fd_read(1, 1), Err(Errno::Notcapable));
    assert_eq!(guest.call("fd_sync", &[1]), OK);
    assert_eq!(guest.call("fd_datasync", &[2]), OK);
    assert_eq!(guest.seek(1, 0, SET), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_tell", &[1, RESULT.into()]), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_pread", &[0, LIST.into(), 0, 0, RESULT.into()]), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_pwrite", &[1, LIST.into(), 0, 0, RESULT.into()]), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_filestat_get", &[1, RESULT.into()]), OK);
    assert_eq!(guest.call("fd_prestat_get", &[1, RESULT.into()]), Err(Errno::Badf));
}

#[test]
fn several_buffers_are_filled_in_order() {
    let (mut guest, fd) = with_file(b"abcdefghij");
    guest.list(&[(BUFFER, 3), (BUFFER + 100, 0), (BUFFER + 200, 4), (BUFFER + 300, 9)]);
    assert_eq!(guest.call("fd_read", &[fd.into(), LIST.into(), 4, RESULT.into()]), OK);
    assert_eq!(guest.u32(RESULT), 10);
    assert_eq!(guest.read(BUFFER, 3), b"abc");
    assert_eq!(guest.read(BUFFER + 200, 4), b"defg");
    assert_eq!(guest.read(BUFFER + 300, 4), b"hij\0");
    guest.write(BUFFER, b"XY");
    guest.list(&[(BUFFER, 1), (BUFFER + 1, 1)]);
    assert_eq!(guest.call("fd_pwrite", &[fd.into(), LIST.into(), 2, 4, RESULT.into()]), OK);
    guest.list(&[(BUFFER, 10)]);
    assert_eq!(guest.call("fd_pread", &[fd.into(), LIST.into(), 1, 2, RESULT.into()]), OK);
    assert_eq!((guest.u32(RESULT), guest.read(BUFFER, 8)), (8, b"cdXYghij".to_vec()));
}

#[test]
fn offsets_move_and_have_bounds() {
    let (mut guest, fd) = with_file(b"0123456789");
    assert_eq!(guest.seek(fd, 4, SET), Ok(4));
    assert_eq!(guest.fd_read(fd, 2), Ok(b"45".to_vec()));
    assert_eq!(guest.seek(fd, -1, CUR), Ok(5));
    assert_eq!(guest.seek(fd, -3, END), Ok(7));
    assert_eq!(guest.fd_read(fd, 9), Ok(b"789".to_vec()));
    assert_eq!(guest.call("fd_tell", &[fd.into(), RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT), 10);
    assert_eq!(guest.seek(fd, 100, END), Ok(110));
    assert_eq!(guest.fd_read(fd, 9), Ok(vec![]));
    assert_eq!(guest.fd_write(fd, b"x"), Ok(1));
    assert_eq!(guest.stat("file", 0), Ok((111, 4)));
    for (delta, whence) in [(-1, SET), (-112, END), (-112, CUR), (i64::MIN, CUR), (0, 3)] {
        assert_eq!(guest.seek(fd, delta, whence), Err(Errno::Inval), "{delta} {whence}");
    }
    assert_eq!(guest.seek(fd, i64::MAX, CUR), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, i64::MAX, SET), Ok(i64::MAX as u64));
    assert_eq!(guest.fd_write(fd, b"x"), Err(Errno::Fbig));
    let (list, result) = (u64::from(LIST), u64::from(RESULT));
    let beyond = i64::MAX as u64 + 1;
    for name in ["fd_pread", "fd_pwrite"] {
        assert_eq!(guest.call(name, &[fd.into(), list, 1, beyond, result]), Err(Errno::Inval));
    }
}

#[test]
fn appending_goes_to_the_end() {
    let (mut guest, fd) = with_file(b"abc");
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), APPEND.into()]), OK);
    assert_eq!(guest.seek(fd, 0, SET), Ok(0));
    assert_eq!(guest.fd_write(fd, b"def"), Ok(3));
    assert_eq!(guest.seek(fd, 0, CUR), Ok(6));
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), 0]), OK);
    assert_eq!(guest.seek(fd, 0, SET), Ok(0));
    assert_eq!(guest.fd_write(fd, b"X"), Ok(1));
    assert_eq!(guest.seek(fd, 0, SET), Ok(0));
    assert_eq!(guest.fd_read(fd, 10), Ok(b"Xbcdef".to_vec()));
    let appending = Open { fdflags: APPEND, ..Open::file(0) };
    let other = guest.open("file", appending).unwrap();
    assert_eq!(guest.fd_write(other, b"!"), Ok(1));
    assert_eq!(guest.stat("file", 0), Ok((7, 4)));
}

#[test]
fn flags_are_kept_and_checked() {
    let (mut guest, fd) = with_file(b"");
    for flags in 0..32 {
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), flags]), OK);
        assert_eq!(guest.call("fd_fdstat_get", &[fd.into(), RESULT.into()]), OK);
        assert_eq!(guest.u32(RESULT), flags as u32 * 0x10000 + 4);
        assert_eq!(guest.fd_write(fd, b"x"), Ok(1));
    }
    for flags in [32, 0xffff, 0x1_0000, 0xffff_ffff] {
        let set = guest.call("fd_fdstat_set_flags", &[fd.into(), flags]);
        assert_eq!(set, Err(Errno::Inval), "{flags:#x}");
    }
}

#[test]
fn rights_only_shrink_and_are_asked_for() {
    let all = Rights::FILE;
    for (right, name, args) in [
        (Rights::FD_READ, "fd_read", vec![LIST.into(), 0, RESULT.into()]),
        (Rights::FD_READ, "fd_pread", vec![LIST.into(), 0, 0, RESULT.into()]),
        (Rights::FD_SEEK, "fd_pread", vec![LIST.into(), 0, 0, RESULT.into()]),
        (Rights::FD_WRITE, "fd_write", vec![LIST.into(), 0, RESULT.into()]),
        (Rights::FD_WRITE, "fd_pwrite", vec![LIST.into(), 0, 0, RESULT.into()]),
        (Rights::FD_SEEK, "fd_pwrite", vec![LIST.into(), 0, 0, RESULT.into()]),
        (Rights::FD_SEEK, "fd_seek", vec![1, 1, RESULT.into()]),
        (Rights::FD_TELL, "fd_seek", vec![0, 1, RESULT.into()]),
        (Rights::FD_TELL, "fd_tell", vec![RESULT.into()]),
        (Rights::FD_ADVISE, "fd_advise", vec![0, 0, 0]),
        (Rights::FD_ALLOCATE, "fd_allocate", vec![0, 1]),
        (Rights::FD_SYNC, "fd_sync", vec![]),
        (Rights::FD_DATASYNC, "fd_datasync", vec![]),
        (Rights::FDSTAT_SET_FLAGS, "fd_fdstat_set_flags", vec![0]),
        (Rights::FD_FILESTAT_GET, "fd_filestat_get", vec![RESULT.into()]),
        (Rights::FD_FILESTAT_SET_SIZE, "fd_filestat_set_size", vec![1]),
        (Rights::FD_FILESTAT_SET_TIMES, "fd_filestat_set_times", vec![0, 0, 0]),
    ] {
        let (mut guest, fd) = with_file(b"x");
        let args = [vec![u64::from(fd)], args].concat();
        assert_eq!(guest.call(name, &args), OK, "{name}");
        let rights = (all - right).bits();
        assert_eq!(guest.call("fd_fdstat_set_rights", &[fd.into(), rights, 0]), OK);
        assert_eq!(guest.rights(fd), (rights, 0));
        assert_eq!(guest.call(name, &args), Err(Errno::Notcapable), "{name} without {right:?}");
        for (rights, inheriting) in [(all.bits(), 0), (rights, 1), (u64::MAX, 0), (0, 1 << 63)] {
            let grown = guest.call("fd_fdstat_set_rights", &[fd.into(), rights, inheriting]);
            assert_eq!(grown, Err(Errno::Notcapable));
        }
    }
}

#[test]
fn asking_where_it_is_needs_only_the_right_to_tell() {
    let (mut guest, fd) = with_file(b"x");
    let rights = (Rights::FILE - Rights::FD_SEEK).bits();
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd.into(), rights, 0]), OK);
    assert_eq!(guest.seek(fd, 0, CUR), Ok(0));
    assert_eq!(guest.seek(fd, 0, SET), Err(Errno::Notcapable));
}

#[test]
fn sizes_and_space_are_set() {
    let (mut guest, fd) = with_file(b"0123456789");
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 4]), OK);
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 6]), OK);
    assert_eq!(guest.fd_read(fd, 10), Ok(b"0123\0\0".to_vec()));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 2, 2]), OK);
    assert_eq!(guest.stat("file", 0), Ok((6, 4)));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 5, 5]), OK);
    assert_eq!(guest.stat("file", 0), Ok((10, 4)));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), u64::MAX, 2]), Err(Errno::Fbig));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 1, 1 << 62]), Err(Errno::Fbig));
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), 1 << 62]), Err(Errno::Fbig));
    assert_eq!(guest.call("fd_filestat_set_size", &[fd.into(), u64::MAX]), Err(Errno::Inval));
}

#[test]
fn advice_is_checked() {
    let (mut guest, fd) = with_file(b"x");
    for advice in 0..6 {
        assert_eq!(guest.call("fd_advise", &[fd.into(), 0, 10, advice]), OK);
    }
    assert_eq!(guest.call("fd_advise", &[fd.into(), 0, 10, 6]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_advise", &[fd.into(), u64::MAX, 10, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_advise", &[DIR.into(), 0, 10, 0]), Err(Errno::Badf));
}

#[test]
fn times_are_set_as_the_flags_say() {
    let (mut guest, fd) = with_file(b"x");
    let mut times = |flags: u64| {
        let set = guest.call("fd_filestat_set_times", &[fd.into(), 11, 22, flags]);
        guest.call("fd_filestat_get", &[fd.into(), RESULT.into()]).unwrap();
        set.map(|()| (guest.u64(RESULT + 40), guest.u64(RESULT + 48)))
    };
    let now = 1_700_000_000_000_000_000;
    assert_eq!(times(0), Ok((77, 77)));
    assert_eq!(times(1), Ok((11, 77)));
    assert_eq!(times(4), Ok((11, 22)));
    assert_eq!(times(2), Ok((now, 22)));
    assert_eq!(times(8 | 1), Ok((11, now)));
    for flags in [3, 12, 15, 16, 0x1_0000] {
        assert_eq!(times(flags), Err(Errno::Inval), "{flags}");
    }
}

#[test]
fn descriptors_are_closed_and_renumbered() {
    let (mut guest, fs, _) = Guest::usual();
    fs.write("a", b"a").unwrap();
    fs.write("b", b"b").unwrap();
    let a = guest.open("a", Open::reading()).unwrap();
    let b = guest.open("b", Open::reading()).unwrap();
    assert_eq!((a, b), (4, 5));
    assert_eq!(guest.call("fd_renumber", &[a.into(), b.into()]), OK);
    assert_eq!(guest.fd_read(b, 1), Ok(b"a".to_vec()));
    assert_eq!(guest.fd_read(a, 1), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[b.into(), b.into()]), OK);
    for (from, to) in [(a, b), (b, a), (b, 1000), (u32::MAX, b)] {
        assert_eq!(guest.call("fd_renumber", &[from.into(), to.into()]), Err(Errno::Badf));
    }
    assert_eq!(guest.open("b", Open::reading()), Ok(a), "the lowest number that is free");
    assert_eq!(guest.call("fd_close", &[b.into()]), OK);
    assert_eq!(guest.call("fd_close", &[b.into()]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_close", &[DIR.into()]), OK);
    assert_eq!(guest.call("fd_prestat_get", &[DIR.into(), RESULT.into()]), Err(Errno::Badf));
}

#[test]
fn preopened_directories_have_names() {
    let (mut guest, _, _) = Guest::usual();
    assert_eq!(guest.call("fd_prestat_get", &[DIR.into(), RESULT.into()]), OK);
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (0, 5));
    let name = |guest: &mut Guest, len| {
        guest.call("fd_prestat_dir_name", &[DIR.into(), BUFFER.into(), len])
    };
    assert_eq!(name(&mut guest, 5), OK);
    assert_eq!(guest.read(BUFFER, 5), b"/data");
    assert_eq!(name(&mut guest, 9), OK);
    assert_eq!(name(&mut guest, 4), Err(Errno::Nametoolong));
    assert_eq!(name(&mut guest, u32::MAX.into()), Err(Errno::Fault));
    assert_eq!(guest.call("fd_prestat_dir_name", &[1, BUFFER.into(), 9]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_get", &[4, RESULT.into()]), Err(Errno::Badf));
}

#[test]
fn directories_are_not_read_or_written() {
    let (mut guest, _, _) = Guest::usual();
    for (name, args) in [
        ("fd_read", vec![LIST.into(), 0, RESULT.into()]),
        ("fd_write", vec![LIST.into(), 0, RESULT.into()]),
        ("fd_pread", vec![LIST.into(), 0, 0, RESULT.into()]),
        ("fd_pwrite", vec![LIST.into(), 0, 0, RESULT.into()]),
        ("fd_seek", vec![0, 0, RESULT.into()]),
        ("fd_tell", vec![RESULT.into()]),
        ("fd_allocate", vec![0, 1]),
        ("fd_filestat_set_size", vec![1]),
        ("fd_datasync", vec![]),
    ] {
        let args = [vec![u64::from(DIR)], args].concat();
        assert_eq!(guest.call(name, &args), Err(Errno::Notcapable), "{name}");
    }
    assert_eq!(guest.call("fd_sync", &[DIR.into()]), OK);
    assert_eq!(guest.call("fd_filestat_get", &[DIR.into(), RESULT.into()]), OK);
    assert_eq!(guest.call("fd_filestat_set_times", &[DIR.into(), 5, 6, 5]), OK);
}

#[test]
fn a_call_moves_no_more_than_its_limit() {
    let (mut builder, fs, _) = crate::guest::builder();
    let mut limits = kernref_wasi::Limits::default();
    limits.transfer_bytes = 1000;
    limits.buffers = 3;
    let mut guest = Guest::new(builder.limits(limits));
    fs.write("file", &[5; 2000]).unwrap();
    let fd = guest.open("file", Open::file(0)).unwrap();
    assert_eq!(guest.fd_read(fd, 1500).unwrap().len(), 1000);
    assert_eq!(guest.fd_read(fd, 1500).unwrap().len(), 1000);
    assert_eq!(guest.fd_write(fd, &[1; 1500]), Ok(1000));
    guest.list(&[(BUFFER, 600), (BUFFER, 600), (BUFFER, 600)]);
    let args = |count| [fd.into(), LIST.into(), count, 0, RESULT.into()];
    assert_eq!(guest.call("fd_pread", &args(3)), OK);
    assert_eq!(guest.u32(RESULT), 1000);
    assert_eq!(guest.call("fd_pread", &args(4)), Err(Errno::Inval));
    assert_eq!(guest.call("fd_pread", &args(u32::MAX.into())), Err(Errno::Inval));
}

#[test]
fn descriptors_have_a_limit() {
    let (mut builder, fs, _) = crate::guest::builder();
    let mut limits = kernref_wasi::Limits::default();
    limits.descriptors = 6;
    let mut guest = Guest::new(builder.limits(limits));
    fs.write("file", b"").unwrap();
    assert_eq!(guest.open("file", Open::file(0)), Ok(4));
    assert_eq!(guest.open("file", Open::file(0)), Ok(5));
    assert_eq!(guest.open("file", Open::file(0)), Err(Errno::Mfile));
    assert_eq!(guest.open("new", Open::file(CREAT)), Err(Errno::Mfile));
    assert_eq!(guest.stat("new", 0), Err(Errno::Noent), "nothing was made");
    assert_eq!(guest.call("fd_close", &[4]), OK);
    assert_eq!(guest.open("file", Open::file(0)), Ok(4));
}

#[test]
fn buffers_outside_the_memory_are_a_fault() {
    let (mut guest, fd) = with_file(b"0123456789");
    for (start, len) in [(MEMORY_BYTES, 1), (MEMORY_BYTES - 1, 2), (u32::MAX, 1), (1, u32::MAX)] {
        guest.list(&[(BUFFER, 1), (start, len)]);
        for name in ["fd_read", "fd_write"] {
            let call = guest.call(name, &[fd.into(), LIST.into(), 2, RESULT.into()]);
            assert_eq!(call, Err(Errno::Fault), "{start:#x} {len:#x}");
        }
    }
    guest.list(&[(BUFFER, 1)]);
    for (list, result) in [(u32::MAX, RESULT), (LIST, MEMORY_BYTES - 3), (MEMORY_BYTES - 7, 0)] {
        let call = guest.call("fd_read", &[fd.into(), list.into(), 1, result.into()]);
        assert_eq!(call, Err(Errno::Fault));
    }
    // Nothing was read.
    assert_eq!(guest.seek(fd, 0, CUR), Ok(0));
}
