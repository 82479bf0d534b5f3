//! File systems made from archives, and archives of what is new.

use kernref_wasi::types::{Errno, Filetype};
use kernref_wasi::{Directory, MemoryFs, Quota};
use std::io::Read;

/// An archive with what is asked for.
fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    builder.into_inner().unwrap()
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(1234);
    header
}

fn file(builder: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = header(tar::EntryType::Regular, content.len() as u64);
    builder.append_data(&mut header, path, content).unwrap();
}

fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, target: &str) {
    builder.append_link(&mut header(kind, 0), path, target).unwrap();
}

#[test]
fn a_tar_becomes_a_file_system() {
    let long = format!("dir/{}", "long/".repeat(30));
    let image = archive(|builder| {
        let mut dir = header(tar::EntryType::Directory, 0);
        builder.append_data(&mut dir, "dir/", std::io::empty()).unwrap();
        file(builder, "dir/file", b"content");
        file(builder, &format!("{long}deep"), b"deep");
        link(builder, tar::EntryType::Symlink, "link", "dir/file");
        link(builder, tar::EntryType::Symlink, "long-link", &format!("{long}deep"));
        link(builder, tar::EntryType::Link, "hard", "dir/file");
        let mut fifo = header(tar::EntryType::Fifo, 0);
        builder.append_data(&mut fifo, "fifo", std::io::empty()).unwrap();
        file(builder, "dir/file2", b"first");
        file(builder, "dir/file2", b"second");
    });
    let fs = MemoryFs::from_image(image, Quota::default()).unwrap();
    assert_eq!(fs.read("dir/file"), Ok(b"content".to_vec()));
    assert_eq!(fs.read("hard"), Ok(b"content".to_vec()));
    assert_eq!(fs.read("link"), Ok(b"content".to_vec()));
    assert_eq!(fs.read("long-link"), Ok(b"deep".to_vec()));
    assert_eq!(fs.read("dir/file2"), Ok(b"second".to_vec()));
    assert_eq!(fs.read("fifo"), Err(Errno::Noent));
    let stat = fs.root().stat_at("hard", false).unwrap();
    assert_eq!((stat.links, stat.modified, stat.size), (2, 1_234_000_000_000, 7));
    assert_eq!(fs.usage().bytes, 0, "an image is not charged for");
}

#[test]
fn pax_headers_are_read() {
    let long = format!("{}/file", "directory".repeat(20));
    let image = archive(|builder| {
        let records = [("path", long.as_bytes()), ("mtime", b"12.5"), ("comment", b"x")];
        builder.append_pax_extensions(records).unwrap();
        file(builder, "ignored", b"pax");
    });
    let fs = MemoryFs::from_image(image, Quota::default()).unwrap();
    assert_eq!(fs.read(&long), Ok(b"pax".to_vec()));
    assert_eq!(fs.root().stat_at(&long, false).unwrap().modified, 12_500_000_000);
}

/// An archive in the form of cpio, of files and links.
fn cpio(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pad = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(4), 0);
    for (name, mode, content) in [members, &[("TRAILER!!!", 0, b"")]].concat() {
        let (size, name_size) = (content.len(), name.len() + 1);
        bytes.extend(
            format!(
                "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{size:08x}{:08x}{:08x}{:08x}{:08x}\
                 {name_size:08x}{:08x}",
                1, 0, 0, 1, 99, 0, 0, 0, 0, 0
            )
            .bytes(),
        );
        bytes.extend(name.bytes().chain([0]));
        pad(&mut bytes);
        bytes.extend(content);
        pad(&mut bytes);
    }
    bytes
}

#[test]
fn a_cpio_becomes_a_file_system() {
    let image = cpio(&[
        (".", 0o040_755, b""),
        ("dir", 0o040_755, b""),
        ("dir/file", 0o100_644, b"content"),
        ("link", 0o120_777, b"dir/file"),
        ("null", 0o020_666, b""),
    ]);
    let fs = MemoryFs::from_image(image.clone(), Quota::default()).unwrap();
    assert_eq!(fs.read("link"), Ok(b"content".to_vec()));
    assert_eq!(fs.root().stat_at("dir/file", false).unwrap().modified, 99_000_000_000);
    assert_eq!(fs.read("null"), Err(Errno::Noent));
    for len in 0..image.len() - 4 {
        // Without its first bytes it is taken for a tar.
        assert_eq!(MemoryFs::from_image(image[..len].to_vec(), Quota::default()).is_ok(), len == 0);
    }
}

#[test]
fn archives_that_lead_out_or_are_broken_are_refused() {
    let escape = cpio(&[("../x", 0o100_644, b"")]);
    let error = MemoryFs::from_image(escape, Quota::default()).unwrap_err();
    assert!(error.to_string().contains("leads out"), "{error}");
    let twice = cpio(&[("x", 0o100_644, b""), ("x/y", 0o100_644, b"")]);
    let error = MemoryFs::from_image(twice, Quota::default()).unwrap_err();
    assert!(error.to_string().contains("same name"), "{error}");
    let good = archive(|builder| file(builder, "file", &[7; 1000]));
    for (at, len) in [(0, 700), (0, 512), (0, 1400)] {
        assert!(MemoryFs::from_image(good[at..len].to_vec(), Quota::default()).is_err(), "{len}");
    }
    for at in 0..512 {
        let mut broken = good.clone();
        broken[at] ^= 0x55;
        let error = MemoryFs::from_image(broken, Quota::default()).unwrap_err();
        assert!(error.to_string().contains("of the image"), "{error}");
    }
    let missing = archive(|builder| link(builder, tar::EntryType::Link, "a", "none"));
    let error = MemoryFs::from_image(missing, Quota::default()).unwrap_err();
    assert!(error.to_string().contains("not there"), "{error}");
}

#[test]
fn an_image_does_not_count_and_changes_do() {
    let image = archive(|builder| {
        file(builder, "a", &[1; 5000]);
        file(builder, "b", b"b");
    });
    let quota = Quota { bytes: 8192, entries: 1, ..Quota::default() };
    let fs = MemoryFs::from_image(image, quota).unwrap();
    assert_eq!(fs.usage().bytes, 0);
    fs.write("new", b"").unwrap();
    assert_eq!(fs.write("other", b""), Err(Errno::Nospc));
    fs.write("a", &[2; 5000]).unwrap();
    assert_eq!(fs.usage().bytes, 8192);
    assert_eq!(fs.write("b", b"x"), Err(Errno::Nospc));
}

#[test]
fn what_is_new_goes_into_an_archive() {
    let long = "n".repeat(150);
    let image = archive(|builder| {
        file(builder, "same", b"same");
        file(builder, "changed", b"old");
        file(builder, "dir/same", b"same");
        file(builder, "dir/moved", b"moved");
        file(builder, "tree/leaf", b"leaf");
        file(builder, "removed", b"removed");
    });
    let fs = MemoryFs::from_image(image, Quota::default()).unwrap();
    let root = fs.root();
    fs.write("changed", b"newer").unwrap();
    fs.write("dir/new", &[3; 10_000]).unwrap();
    fs.write(&long, b"long").unwrap();
    root.rename("dir/moved", &root, "there").unwrap();
    root.rename("tree", &root, "forest").unwrap();
    root.symlink(&long, "link").unwrap();
    root.create_dir("empty").unwrap();
    root.remove_file("removed").unwrap();
    let mut out = Vec::new();
    fs.changes_to_tar(&mut |piece| {
        out.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    let mut archive = tar::Archive::new(&out[..]);
    let mut found: Vec<(String, usize, String)> = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let target = entry.link_name().unwrap().map(|target| target.display().to_string());
        let path = entry.path().unwrap().display().to_string();
        found.push((path, content.len(), target.unwrap_or_default()));
    }
    found.sort();
    let expected = [
        ("changed", 5, ""),
        ("dir/", 0, ""),
        ("dir/new", 10_000, ""),
        ("empty/", 0, ""),
        ("forest/", 0, ""),
        ("forest/leaf", 4, ""),
        ("link", 0, long.as_str()),
        (long.as_str(), 4, ""),
        ("there", 5, ""),
    ];
    let found: Vec<(&str, usize, &str)> =
        found.iter().map(|(path, len, target)| (path.as_str(), *len, target.as_str())).collect();
    assert_eq!(found, expected);
    // And what was written can be read again.
    let again = MemoryFs::from_image(out, Quota::default()).unwrap();
    assert_eq!(again.read("dir/new"), Ok(vec![3; 10_000]));
    let stat = again.root().stat_at("link", false).unwrap();
    assert_eq!(stat.filetype, Filetype::SymbolicLink);
}
