//! Processor features by CPUID (Intel SDM vol. 2, "CPUID"; AMD APM vol. 3).

use crate::abi::Architecture;
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// See [`crate::arch::TARGET_TRIPLE`].
pub const TARGET_TRIPLE: &str = "x86_64-unknown-none";

/// See [`crate::arch::ARCHITECTURE`].
pub const ARCHITECTURE: Architecture = Architecture::X86_64;

struct Registers {
    leaf1_ecx: u32,
    leaf7_ebx: u32,
    extended_ecx: u32,
    /// The system saves and restores the upper halves of vector registers.
    avx_enabled: bool,
}

fn read() -> Registers {
    let highest = __cpuid(0).eax;
    let leaf1 = __cpuid(1);
    let leaf7_ebx = if highest >= 7 { __cpuid_count(7, 0).ebx } else { 0 };
    let extended_ecx =
        if __cpuid(0x8000_0000).eax >= 0x8000_0001 { __cpuid(0x8000_0001).ecx } else { 0 };
    let osxsave = leaf1.ecx & 1 << 27 != 0;
    Registers { leaf1_ecx: leaf1.ecx, leaf7_ebx, extended_ecx, avx_enabled: osxsave && ymm_saved() }
}

/// Whether XCR0 covers SSE and AVX state. Call only if OSXSAVE is set.
fn ymm_saved() -> bool {
    let low: u32;
    // SAFETY: `xgetbv` is available where OSXSAVE is set; it only reads.
    unsafe {
        core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack));
    }
    low & 0b110 == 0b110
}

/// See [`crate::arch::FEATURE_NAMES`]. In the order of `cpu_features`.
pub const FEATURE_NAMES: [&str; 12] = [
    "has_sse3",
    "has_ssse3",
    "has_cmpxchg16b",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

/// See [`crate::arch::BASELINE_FEATURES`]: SSE3, SSSE3 and SSE4.1.
#[cfg(feature = "compile")]
pub const BASELINE_FEATURES: u64 = 1 << 0 | 1 << 1 | 1 << 3;

/// See [`crate::arch::cpu_features`].
pub fn cpu_features() -> u64 {
    let r = read();
    let avx = r.avx_enabled;
    let present: [bool; FEATURE_NAMES.len()] = [
        r.leaf1_ecx & 1 != 0,
        r.leaf1_ecx & 1 << 9 != 0,
        r.leaf1_ecx & 1 << 13 != 0,
        r.leaf1_ecx & 1 << 19 != 0,
        r.leaf1_ecx & 1 << 20 != 0,
        r.leaf1_ecx & 1 << 23 != 0,
        avx && r.leaf1_ecx & 1 << 28 != 0,
        avx && r.leaf7_ebx & 1 << 5 != 0,
        avx && r.leaf1_ecx & 1 << 12 != 0,
        r.leaf7_ebx & 1 << 3 != 0,
        r.leaf7_ebx & 1 << 8 != 0,
        r.extended_ecx & 1 << 5 != 0,
    ];
    present.iter().rev().fold(0, |bits, present| bits << 1 | u64::from(*present))
}

/// See [`crate::arch::missing_for_floats`]. Without SSE4.1 rounding would need
/// library calls, and vectors need SSSE3.
pub fn missing_for_floats() -> Option<&'static str> {
    missing_in(read().leaf1_ecx)
}

fn missing_in(leaf1_ecx: u32) -> Option<&'static str> {
    [
        (
            leaf1_ecx & 1,
            "the processor lacks SSE3, which code with floats needs: with QEMU, choose another \
             `-cpu`, such as `max`; or set Config::floating_point(false)",
        ),
        (
            leaf1_ecx & 1 << 9,
            "the processor lacks SSSE3, which code with floats needs: with QEMU, choose another \
             `-cpu` than its default `qemu64`, such as `max`; or set Config::floating_point(false)",
        ),
        (
            leaf1_ecx & 1 << 19,
            "the processor lacks SSE4.1, which code with floats needs: with QEMU, choose another \
             `-cpu`, such as `max`; or set Config::floating_point(false)",
        ),
    ]
    .into_iter()
    .find_map(|(bit, missing)| (bit == 0).then_some(missing))
}

/// See [`crate::arch::PROTECTS_BRANCHES`]. The code generator has no `endbr64`.
pub const PROTECTS_BRANCHES: bool = false;

/// See [`crate::arch::COUNTS_BITS_IN_VECTORS`]: by `popcnt`, or by shifts and masks.
#[cfg(feature = "compile")]
pub const COUNTS_BITS_IN_VECTORS: bool = false;

#[cfg(test)]
mod tests {
    use super::missing_in;
    use std::format;

    #[test]
    fn what_is_missing_is_named_with_what_can_be_done() {
        let all = 1 | 1 << 9 | 1 << 19;
        assert_eq!(missing_in(all), None);
        for (bit, name) in [(1, "SSE3"), (1 << 9, "SSSE3"), (1 << 19, "SSE4.1")] {
            let said = missing_in(all & !bit).unwrap();
            assert!(said.contains(&format!("lacks {name},")), "{said}");
            assert!(said.contains("`-cpu`") && said.contains("floating_point(false)"), "{said}");
        }
        // QEMU's `qemu64` has SSE3 alone.
        assert!(missing_in(1).unwrap().contains("qemu64"));
    }
}
