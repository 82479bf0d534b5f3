//! The guest `large`: the work of the other programs plus some more, using
//! libraries that make it large. Exports `run`.

use guest_logic::{Checksum, PROGRAMS};
use regex::{Regex, bytes};
use std::fmt::Write;
use toml_edit::DocumentMut;

/// Writes a module as text and converts it to binary.
fn assemble(seed: i32, checksum: &mut Checksum) {
    let text = format!(
        "(module (memory 1) (global $seed (mut i32) (i32.const {seed}))
            (func (export \"step\") (param i32) (result i32)
                (global.set $seed (i32.mul (global.get $seed) (i32.const 0x41c64e6d)))
                (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (i32.load offset=8 (i32.and (global.get $seed) (i32.const 0xfff)))))"
    );
    let binary = wat::parse_str(text).expect("the text is right");
    checksum.bytes(&binary);
}

/// Edits a settings file and converts it to JSON.
fn settings(seed: i32, checksum: &mut Checksum) {
    let mut text = format!("seed = {seed}\n");
    for table in 0..20 {
        let _ = writeln!(text, "[table.{table}]\nlimit = {}\nnames = ['a', \"ß\"]", table * 7);
    }
    let mut document: DocumentMut = text.parse().expect("the text is right");
    document["table"]["3"]["limit"] = toml_edit::value(i64::from(seed));
    checksum.bytes(document.to_string().as_bytes());
    let value: serde_json::Value =
        toml_edit::de::from_document(document).expect("all of it has a counterpart");
    checksum.bytes(value.to_string().as_bytes());
}

/// Searches that need all Unicode tables, in text and in bytes.
fn search(seed: i32, checksum: &mut Checksum) {
    let text = format!("Ελλάδα {seed} Москва café 東京 naïve 𝔘 ").repeat(20);
    for pattern in
        [r"\p{Greek}+\s\d*", r"(?i)\p{Lu}\w+", r"[\p{Han}--東]", r"\b\p{Script=Cyrillic}{4,}"]
    {
        let hits = Regex::new(pattern).expect("constant").find_iter(&text).count();
        let bytes =
            bytes::Regex::new(pattern).expect("constant").find_iter(text.as_bytes()).count();
        assert_eq!(hits, bytes);
        checksum.number(hits as u64);
    }
}

/// Runs the program on input generated from `seed`; returns the checksum.
// SAFETY: no other item of the module is called `run`.
#[unsafe(no_mangle)]
pub extern "C" fn run(seed: i32) -> i64 {
    let mut checksum = Checksum::default();
    for (_, program) in PROGRAMS {
        checksum.number(program(seed) as u64);
    }
    assemble(seed, &mut checksum);
    settings(seed, &mut checksum);
    search(seed, &mut checksum);
    checksum.finish()
}
