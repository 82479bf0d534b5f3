//! Signatures: what is not exactly what a trusted key signed is refused, and each
//! reason is told.

use super::{SEVEN, calls, deserialize, engine, is_full, refused, serialized};
use kernref::signing::{KEY_BYTES, TRAILER_BYTES, TrustedKeys, sign_artifact, signer};
use kernref::{ArtifactFault, ArtifactPolicy, Error, Misuse, Module};

const SEED: [u8; KEY_BYTES] = [7; KEY_BYTES];

fn signed() -> (Vec<u8>, [u8; KEY_BYTES]) {
    let mut bytes = serialized(&wat::parse_str(SEVEN).unwrap());
    let key = sign_artifact(&mut bytes, &SEED).unwrap();
    (bytes, key)
}

fn trusted(keys: &[[u8; KEY_BYTES]]) -> TrustedKeys<'_> {
    // SAFETY: this file's key signs what the compiler made.
    unsafe { TrustedKeys::new(keys) }
}

fn fault(bytes: &[u8], keys: &[[u8; KEY_BYTES]]) -> ArtifactFault {
    refused(&trusted(keys).vouch(bytes).unwrap_err()).fault
}

#[test]
fn what_a_trusted_key_signed_runs() {
    let (engine, (bytes, key)) = (engine(), signed());
    assert_eq!(signer(&bytes).unwrap(), key);
    let keys = [[1; KEY_BYTES], key];
    let module = Module::deserialize_with(&engine, &bytes, &trusted(&keys)).unwrap();
    assert_eq!(calls(&engine, &module), 7);
    let leaked = bytes.clone().leak();
    let module = Module::deserialize_in_place_with(&engine, leaked, &trusted(&keys)).unwrap();
    assert_eq!(calls(&engine, &module), 7);
    // Whoever asks for no signature must not be given one.
    let error = refused(&deserialize(&engine, &bytes).unwrap_err());
    assert!(matches!(error.fault, ArtifactFault::Length { .. }));
}

#[test]
fn a_flipped_bit_is_refused() {
    let (bytes, key) = signed();
    let artifact = bytes.len() - TRAILER_BYTES;
    let mut sizes_seen = 0;
    for at in (0..bytes.len()).filter(|at| is_full() || at % 13 == 0 || *at >= artifact) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let expected = match at {
            0..8 => ArtifactFault::NotAnArtifact,
            8..12 => continue,
            // The stated length: what follows is no signature, or is missing.
            12..16 => {
                assert!(trusted(&[key]).vouch(&changed).is_err());
                sizes_seen += 1;
                continue;
            }
            _ if at < artifact => ArtifactFault::BadSignature,
            _ if at < artifact + 8 => ArtifactFault::TrailingBytes,
            _ if at < artifact + 8 + KEY_BYTES => ArtifactFault::UntrustedKey,
            _ => ArtifactFault::BadSignature,
        };
        assert_eq!(fault(&changed, &[key]), expected, "byte {at}");
    }
    assert!(sizes_seen > 0);
}

#[test]
fn each_other_reason_is_told() {
    let (bytes, key) = signed();
    let artifact = bytes.len() - TRAILER_BYTES;
    assert_eq!(fault(&bytes[..artifact], &[key]), ArtifactFault::Unsigned);
    assert_eq!(fault(&bytes, &[]), ArtifactFault::UntrustedKey);
    assert_eq!(fault(&bytes, &[[9; KEY_BYTES]]), ArtifactFault::UntrustedKey);
    assert_eq!(fault(&[&bytes[..], &[0]].concat(), &[key]), ArtifactFault::TrailingBytes);
    assert_eq!(fault(&bytes[..bytes.len() - 1], &[key]), ArtifactFault::TrailingBytes);
    // Signed with another key, under the name of the trusted one.
    let mut forged = bytes[..artifact].to_vec();
    sign_artifact(&mut forged, &[8; KEY_BYTES]).unwrap();
    forged[artifact + 8..artifact + 8 + KEY_BYTES].copy_from_slice(&key);
    assert_eq!(fault(&forged, &[key]), ArtifactFault::BadSignature);
    // The signature of another artifact.
    let mut other = serialized(&wat::parse_str("(module)").unwrap());
    other.extend_from_slice(&bytes[artifact..]);
    assert_eq!(fault(&other, &[key]), ArtifactFault::BadSignature);
    let mut twice = bytes;
    let error = sign_artifact(&mut twice, &SEED).unwrap_err();
    assert!(matches!(error, Error::Misuse(Misuse::InvalidConfig(_))));
}
