//! DEFLATE at several levels over text, noise and runs, and back.

use crate::{Checksum, generate::Generator};
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib;

const LEN_BYTES: usize = 48 << 10;
const LEVELS: [u8; 3] = [1, 6, 9];

/// Mostly words, with noise that does not compress and runs that do.
fn document(generator: &mut Generator) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEN_BYTES + 512);
    while bytes.len() < LEN_BYTES {
        match generator.below(64) {
            0 => bytes.extend((0..64).flat_map(|_| generator.number().to_le_bytes())),
            1 => {
                let (byte, len) = (generator.below(256) as u8, generator.below(400) as usize);
                bytes.resize(bytes.len() + len, byte);
            }
            _ => {
                bytes.extend_from_slice(generator.word().as_bytes());
                bytes.push(b' ');
            }
        }
    }
    bytes
}

/// Runs the program.
///
/// # Panics
///
/// If decompressing does not return what was compressed.
pub fn run(seed: i32) -> i64 {
    let mut generator = Generator::new(seed);
    let bytes = document(&mut generator);
    let mut checksum = Checksum::default();
    checksum.bytes(&bytes);
    for level in LEVELS {
        let packed = compress_to_vec_zlib(&bytes, level);
        let unpacked = decompress_to_vec_zlib(&packed).expect("it was just compressed");
        assert!(unpacked == bytes, "level {level} lost something");
        checksum.number(packed.len() as u64);
        checksum.bytes(&packed);
    }
    checksum.finish()
}
