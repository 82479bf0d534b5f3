//! `kernref keygen`: keys in PEM files, the secret one as PKCS #8 (RFC 8410), the
//! public one as SubjectPublicKeyInfo, as `openssl genpkey -algorithm ed25519` and
//! `openssl pkey -pubout` write them.

use crate::Result;
use crate::files::{at, hex};
use ed25519_compact::{KeyPair, PublicKey, Seed};
use kernref::signing::KEY_BYTES;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `kernref keygen`.
#[derive(clap::Args)]
#[command(after_help = "\
The public key goes to FILE with the ending .pub.pem, and is printed as what a
kernel passes to `TrustedKeys::new`.

Examples:
  kernref keygen key.pem
  openssl genpkey -algorithm ed25519 -out key.pem   (makes such a key as well)")]
pub struct Args {
    /// Where the secret key is written; must not exist.
    file: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let pair = KeyPair::from_seed(Seed::generate());
    create(&args.file, &pair.sk.to_pem(), true)?;
    let public = args.file.with_extension("pub.pem");
    create(&public, &pair.pk.to_pem(), false)?;
    println!("secret key: {}", args.file.display());
    println!("public key: {}", public.display());
    let bytes: Vec<String> = pair.pk.iter().map(|byte| format!("{byte:#04x}")).collect();
    println!("[{}]", bytes.join(", "));
    Ok(())
}

fn create(path: &Path, text: &str, is_secret: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path).map_err(at(path))?;
    file.write_all(text.as_bytes()).map_err(at(path))
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(at(path))
}

/// The seed of the secret key in a PEM file.
pub fn secret(path: &Path) -> Result<[u8; KEY_BYTES]> {
    let pair = KeyPair::from_pem(&text(path)?)
        .map_err(|_| format!("{}: no Ed25519 key in PEM form (PKCS #8)", path.display()))?;
    Ok(*pair.sk.seed())
}

/// The public key in a PEM file, which may hold the secret one.
pub fn public(path: &Path) -> Result<[u8; KEY_BYTES]> {
    let text = text(path)?;
    let key = PublicKey::from_pem(&text).or_else(|_| KeyPair::from_pem(&text).map(|pair| pair.pk));
    key.map(|key| *key)
        .map_err(|_| format!("{}: no Ed25519 public key in PEM form", path.display()))
}

/// A public key for people.
pub fn shown(key: &[u8; KEY_BYTES]) -> String {
    hex(key)
}
