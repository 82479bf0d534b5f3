//! Which proposals a script's modules may use: decided by the script's folder,
//! following the layout of the official test suite.

use kernref::WasmFeatures as F;

const WASM_2: F = F::MULTI_VALUE.union(F::BULK_MEMORY).union(F::REFERENCE_TYPES).union(F::SIMD);

/// The features for a script at `path` (with `/`). Folders named after a
/// version or proposal decide; elsewhere all that Kernref supports is on.
pub fn features_of(path: &str) -> F {
    let folders = || path.split('/').rev();
    let found = folders().find_map(|folder| {
        Some(match folder {
            "wasm-v1" => F::empty(),
            "wasm-v2" => WASM_2,
            "wasm-v3" | "wasm-latest" => F::all(),
            "bulk-memory"
            | "multi-value"
            | "reference-types"
            | "simd"
            | "sign-extension-ops"
            | "mutable-global"
            | "nontrapping-float-to-int-conversions" => WASM_2,
            "tail-call" => WASM_2 | F::TAIL_CALL,
            "extended-const" => WASM_2 | F::EXTENDED_CONST,
            "multi-memory" => WASM_2 | F::MULTI_MEMORY,
            "memory64" => WASM_2 | F::MEMORY64,
            _ => return None,
        })
    });
    let found = found.unwrap_or(F::all()) | F::FLOATING_POINT;
    // The one official script that needs more than its folder implies.
    match path.ends_with("simd/simd_memory-multi.wast") {
        true => found | F::MULTI_MEMORY,
        false => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_folder_decides() {
        assert_eq!(features_of("a/wasm-v2/x.wast"), WASM_2 | F::FLOATING_POINT);
        assert!(features_of("wasm-v2/proposals/tail-call/x.wast").contains(F::TAIL_CALL));
        assert_eq!(features_of("x.wast"), F::all());
    }
}
