//! Signed artifacts (feature `signed-artifacts`): Ed25519 (RFC 8032) over the
//! SHA-256 digest (FIPS 180-4) of an artifact.
//!
//! ```text
//!  0  the artifact
//!     magic        8 bytes
//!     public key   32 bytes
//!     signature    64 bytes  of "kernref artifact, format 1:" and the digest
//! ```
//! Invariant: what [`TrustedKeys`] vouches for has exactly this form, and was
//! signed with one of its keys.

use super::container::stated_length;
use super::policy::ArtifactPolicy;
use crate::error::{ArtifactError, ArtifactFault, ArtifactSection, Error, Misuse, Result};
use crate::fallible::OutOfMemory;
use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};
use sha2::{Digest, Sha256};
use std_alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"KREFSIGN";
/// What is signed begins with this, so that no signature of something else fits.
const CONTEXT: [u8; 27] = *b"kernref artifact, format 1:";
const DIGEST_BYTES: usize = 32;

/// Bytes of a public key, and of the seed of a secret one.
pub const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// Bytes that a signature adds to an artifact.
pub const TRAILER_BYTES: usize = MAGIC.len() + KEY_BYTES + SIGNATURE_BYTES;

const fn fault(fault: ArtifactFault) -> Error {
    Error::Artifact(ArtifactError { section: ArtifactSection::Signature, fault })
}

fn message(artifact: &[u8]) -> [u8; CONTEXT.len() + DIGEST_BYTES] {
    let mut message = [0; CONTEXT.len() + DIGEST_BYTES];
    message[..CONTEXT.len()].copy_from_slice(&CONTEXT);
    message[CONTEXT.len()..].copy_from_slice(&Sha256::digest(artifact));
    message
}

/// Vouches for artifacts that are signed with one of these keys.
#[derive(Clone, Copy, Debug)]
pub struct TrustedKeys<'k> {
    keys: &'k [[u8; KEY_BYTES]],
}

impl<'k> TrustedKeys<'k> {
    /// Trusts the holders of these public keys (RFC 8032, "Public Key": 32
    /// bytes). `kernref keygen` prints that of a key that it makes.
    ///
    /// # Safety
    /// Whoever holds one of the secret keys signs only what the compiler of this
    /// crate has made, as [`ArtifactPolicy`] says.
    #[expect(unsafe_code, reason = "the embedder's trust in whoever holds the keys")]
    pub const unsafe fn new(keys: &'k [[u8; KEY_BYTES]]) -> Self {
        Self { keys }
    }
}

/// Splits signed bytes into the artifact, the key and the signature.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8; KEY_BYTES], &[u8; SIGNATURE_BYTES])> {
    let (artifact, trailer) = bytes
        .split_at_checked(stated_length(bytes)?)
        .ok_or(fault(ArtifactFault::Malformed("shorter than its contents")))?;
    if trailer.is_empty() {
        return Err(fault(ArtifactFault::Unsigned));
    }
    let signed = || {
        let (key, signature) = trailer.strip_prefix(&MAGIC)?.split_first_chunk()?;
        Some((artifact, key, signature.try_into().ok()?))
    };
    signed().ok_or(fault(ArtifactFault::TrailingBytes))
}

// SAFETY: what is returned was signed with a key whose holder signs nothing else
// (`TrustedKeys::new`).
#[expect(unsafe_code, reason = "vouches as its maker promised")]
unsafe impl ArtifactPolicy for TrustedKeys<'_> {
    fn vouch<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8]> {
        let (artifact, key, signature) = split(bytes)?;
        if !self.keys.contains(key) {
            return Err(fault(ArtifactFault::UntrustedKey));
        }
        let verified = PublicKey::new(*key).verify(message(artifact), &Signature::new(*signature));
        verified.map_err(|_| fault(ArtifactFault::BadSignature))?;
        Ok(artifact)
    }
}

/// Appends a signature to an artifact, made with the secret key of this seed
/// (RFC 8032, "Private Key": 32 bytes). Returns the public key.
///
/// # Errors
/// [`Misuse::InvalidConfig`] if the bytes are not exactly an artifact, for instance
/// because they are signed already; [`Error::OutOfMemory`].
pub fn sign_artifact(artifact: &mut Vec<u8>, seed: &[u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES]> {
    if stated_length(artifact)? != artifact.len() {
        return Err(Misuse::InvalidConfig("only an artifact without signature is signed").into());
    }
    let refused = OutOfMemory { bytes: TRAILER_BYTES };
    artifact.try_reserve_exact(TRAILER_BYTES).map_err(|_| refused)?;
    let pair = KeyPair::from_seed(Seed::new(*seed));
    let signature = pair.sk.sign(message(artifact), None);
    artifact.extend_from_slice(&MAGIC);
    artifact.extend_from_slice(&*pair.pk);
    artifact.extend_from_slice(&*signature);
    Ok(*pair.pk)
}

/// The public key with which the bytes say they are signed, unchecked.
///
/// # Errors
/// [`Error::Artifact`] if they are not an artifact with a signature.
pub fn signer(bytes: &[u8]) -> Result<[u8; KEY_BYTES]> {
    split(bytes).map(|(_, key, _)| *key)
}
