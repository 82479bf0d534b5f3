//! Modules and artifacts from files.

use crate::Result;
use kernref::__internals::{ArtifactFile, ArtifactParts};
use kernref::{Printable, signing};
use std::io::Write;
use std::path::Path;

/// How artifacts begin.
const MAGIC: &[u8] = b"KERNREF\0";

/// What a file holds.
pub enum Input {
    /// A module in binary form.
    Module(Vec<u8>),
    /// An artifact, signed or not.
    Artifact(Vec<u8>),
}

pub fn at<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(at(path))
}

/// A file's contents; text is assembled.
pub fn input(path: &Path) -> Result<Input> {
    let bytes = read(path)?;
    if bytes.starts_with(MAGIC) {
        return Ok(Input::Artifact(bytes));
    }
    let assembled = wat::Parser::new().parse_bytes(Some(path), &bytes);
    assembled.map(|bytes| Input::Module(bytes.into_owned())).map_err(|error| error.to_string())
}

/// An artifact's bytes.
pub fn artifact(path: &Path) -> Result<Vec<u8>> {
    match input(path)? {
        Input::Artifact(bytes) => Ok(bytes),
        Input::Module(_) => {
            let path = path.display();
            Err(format!("{path}: a module, not an artifact; `kernref compile {path}` makes one"))
        }
    }
}

/// An artifact without its signature, and the key with which it says it is signed,
/// unchecked.
pub fn without_signature(bytes: &[u8]) -> (&[u8], Option<[u8; signing::KEY_BYTES]>) {
    let signer = signing::signer(bytes).ok();
    let trailer = signer.map_or(0, |_| signing::TRAILER_BYTES);
    (&bytes[..bytes.len() - trailer], signer)
}

/// An artifact that was read and checked, but is not loaded.
pub struct Opened<'b> {
    /// The artifact without its signature.
    pub bytes: &'b [u8],
    pub file: ArtifactFile<'b>,
    pub parts: ArtifactParts<&'b [u8]>,
    /// The key with which it says it is signed, unchecked.
    pub signer: Option<[u8; signing::KEY_BYTES]>,
}

impl<'b> Opened<'b> {
    pub fn new(path: &Path, bytes: &'b [u8]) -> Result<Self> {
        let (bytes, signer) = without_signature(bytes);
        let file = ArtifactFile::open(bytes).map_err(at(path))?;
        let parts = file.read().map_err(at(path))?;
        Ok(Self { bytes, file, parts, signer })
    }
}

/// A message for a terminal: what acts on that is escaped in each of its lines.
pub fn shown(message: &str) -> String {
    let lines = message.split('\n').map(|line| Printable(line).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// JSON in which strings have none of the characters that act on a terminal.
pub fn plain_json(json: &str) -> String {
    let mut plain = String::new();
    for character in json.chars() {
        let mut text = [0; 4];
        let text = &*character.encode_utf8(&mut text);
        match matches!(character, '\n' | ' '..='~') || Printable(text).to_string() == text {
            true => plain.push(character),
            false => {
                let units = character.encode_utf16(&mut [0; 2]).to_vec();
                plain.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    plain
}

/// Prints; whoever reads may have seen enough.
pub fn print(text: &str) {
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
