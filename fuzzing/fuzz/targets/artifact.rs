//! Any bytes are refused, or are an artifact that is written as these bytes. Also
//! taken as changes of an artifact, whose checksum is then made anew.
#![no_main]

use kernref::__internals::ArtifactFile;
use kernref::Artifact;
use kernref_fuzz::artifacts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), artifacts::patched(bytes)] {
        let Ok(parts) = ArtifactFile::open(&bytes).and_then(|file| file.read()) else { continue };
        let (code, parts) = parts.replace_code(());
        let (_, parts) = parts.replace_code(code.to_vec());
        // SAFETY: it is never loaded.
        let artifact = unsafe { Artifact::from_parts(parts) };
        assert_eq!(artifact.serialize().unwrap(), bytes);
    }
});
