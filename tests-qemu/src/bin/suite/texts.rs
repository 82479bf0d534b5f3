//! Modules by their text: assembled on the host, looked up here. The format is
//! described in `testsuite/src/bin/assemble.rs`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use kernref_qemu::payload::Payload;
use spin::Once;

static TEXTS: Once<BTreeMap<&'static str, &'static [u8]>> = Once::new();

fn split(rest: &mut &'static [u8]) -> Option<&'static [u8]> {
    let (len, tail) = rest.split_first_chunk::<4>()?;
    let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *rest = tail;
    Some(part)
}

/// Reads the file the host passed in.
pub fn init(payload: &Payload) {
    let file = payload.files.iter().find(|(name, _)| *name == "texts");
    let (_, bytes) = file.expect("the host passes the file `texts`");
    let mut rest = bytes.strip_prefix(b"KREFTEXT").expect("the file `texts` is what it should be");
    let mut texts = BTreeMap::new();
    while let Some(text) = split(&mut rest) {
        let module = split(&mut rest).expect("a module follows its text");
        texts.insert(core::str::from_utf8(text).expect("text is UTF-8"), module);
    }
    TEXTS.call_once(|| texts);
}

/// The module for a text.
pub fn assemble(text: &str) -> Option<Vec<u8>> {
    TEXTS.get()?.get(text).map(|bytes| bytes.to_vec())
}
