//! Random modules: valid, terminating, without behavior that the specification
//! leaves to engines, and with imports that make and take host objects.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// What modules may import, if anything.
const IMPORTS: &str = r#"(module
    (import "h" "make" (func (param i32) (result externref)))
    (import "h" "take" (func (param externref) (result i32)))
    (import "h" "pick" (func (param externref externref) (result externref))))"#;

/// Loop rounds and calls before a module traps.
const FUEL: u32 = 1000;

fn config(u: &mut Unstructured<'_>) -> arbitrary::Result<Config> {
    let memory64 = u.arbitrary()?;
    Ok(Config {
        available_imports: wat::parse_str(IMPORTS).ok(),
        canonicalize_nans: true,
        export_everything: true,
        exceptions_enabled: false,
        gc_enabled: false,
        compact_imports_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        memory64_enabled: memory64,
        simd_enabled: u.ratio(1, 3)?,
        tail_call_enabled: true,
        memory_max_size_required: true,
        table_max_size_required: true,
        max_memory32_bytes: 1 << 20,
        max_memory64_bytes: 1 << 20,
        max_memories: 2,
        max_tables: 4,
        max_table_elements: 1000,
        min_imports: 3,
        max_imports: 3,
        min_funcs: 2,
        max_funcs: 12,
        min_types: 4,
        max_types: 12,
        max_globals: 12,
        max_instructions: 200,
        max_data_segments: 4,
        max_element_segments: 4,
        max_elements: 16,
        ..Config::default()
    })
}

/// The module generated from these bytes; `None` if there is none.
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut u = Unstructured::new(bytes);
    let config = config(&mut u).ok()?;
    let mut module = Module::new(config, &mut u).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

/// SplitMix64: a well-mixed number for each `seed` and position.
pub fn random(seed: u64, at: u64) -> u64 {
    let z = seed.wrapping_add((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The module for a seed.
pub fn from_seed(seed: u64) -> Option<Vec<u8>> {
    let words = 512 + random(seed, 0) % 1024;
    from_bytes(&(1..words).flat_map(|at| random(seed, at).to_le_bytes()).collect::<Vec<u8>>())
}
