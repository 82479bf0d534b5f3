//! The control word of vector instructions (Arm ARM, C5.2 "FPCR, Floating-point
//! Control Register"). Wasm wants the default one, which is zero: round to
//! nearest, denormals kept, no exception trapped. Generated code never changes it.

use super::enter;
use core::arch::naked_asm;

/// Where [`enter`] goes on when it finds another control word, with only `x9`
/// changed, which holds that word: makes the same call with the default one. The
/// caller's word is back when that returns, however it ended.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter_from_another_word() {
    naked_asm!(
        #[cfg(not(target_feature = "neon"))]
        ".arch_extension fp",
        "stp x29, x30, [sp, #-32]!",
        "mov x29, sp",
        "str x9, [sp, #16]",
        "msr fpcr, xzr",
        "bl {enter}",
        "ldr x9, [sp, #16]",
        "msr fpcr, x9",
        "ldp x29, x30, [sp], #32",
        "ret",
        #[cfg(not(target_feature = "neon"))]
        ".arch_extension nofp",
        enter = sym enter,
    )
}

/// See [`crate::arch::DefaultControlWord`].
#[cfg(feature = "compile")]
pub struct DefaultControlWord {
    /// The word to go back to.
    #[cfg(all(target_feature = "neon", not(miri)))]
    before: u64,
}

#[cfg(all(feature = "compile", target_feature = "neon", not(miri)))]
impl DefaultControlWord {
    /// Makes the default word this thread's.
    pub fn set() -> Self {
        let before;
        // SAFETY: Rust code here uses vector registers, so they are on; only
        // reads the word.
        unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) before, options(nostack)) };
        load(0);
        Self { before }
    }
}

#[cfg(all(feature = "compile", target_feature = "neon", not(miri)))]
impl Drop for DefaultControlWord {
    fn drop(&mut self) {
        load(self.before);
    }
}

#[cfg(all(feature = "compile", target_feature = "neon", not(miri)))]
fn load(word: u64) {
    // SAFETY: the default word, or the one that was in place before.
    unsafe { core::arch::asm!("msr fpcr, {}", in(reg) word, options(nostack)) };
}

#[cfg(all(feature = "compile", not(all(target_feature = "neon", not(miri)))))]
impl DefaultControlWord {
    /// Nothing: Rust code here computes floating point with integers.
    pub fn set() -> Self {
        Self {}
    }
}

/// See [`crate::arch::vectors_off`].
#[cfg(target_os = "none")]
pub fn vectors_off() -> Option<&'static str> {
    let level: u64;
    // SAFETY: reads a register that every level but EL0 may read.
    unsafe { core::arch::asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack)) };
    let control: u64;
    match level >> 2 & 3 {
        1 => {
            // SAFETY: reads a register that this level may read.
            unsafe {
                core::arch::asm!("mrs {}, cpacr_el1", out(reg) control, options(nomem, nostack));
            }
            off_at_el1(control)
        }
        2 => {
            let hypervisor: u64;
            // SAFETY: as above.
            unsafe {
                core::arch::asm!(
                    "mrs {}, cptr_el2",
                    "mrs {}, hcr_el2",
                    out(reg) control,
                    out(reg) hypervisor,
                    options(nomem, nostack),
                );
            }
            off_at_el2(control, hypervisor)
        }
        _ => None,
    }
}

/// Where CPACR_EL1, and CPTR_EL2 of a host in EL2, have FPEN.
#[cfg(any(target_os = "none", test))]
const FPEN_BIT: u64 = 1 << 20;

/// Arm ARM, D24.2 "CPACR_EL1": FPEN is 0b11, or 0b01, which traps EL0 alone.
#[cfg(any(target_os = "none", test))]
fn off_at_el1(cpacr: u64) -> Option<&'static str> {
    (cpacr & FPEN_BIT == 0).then_some(
        "vector instructions are off: CPACR_EL1.FPEN (bits 21:20) is 0b00 or 0b10; set it to \
         0b11, then execute isb, before Engine::new",
    )
}

/// Arm ARM, D24.2 "CPTR_EL2", which has two formats.
#[cfg(any(target_os = "none", test))]
fn off_at_el2(cptr: u64, hcr: u64) -> Option<&'static str> {
    const E2H: u64 = 1 << 34;
    const TFP: u64 = 1 << 10;
    if hcr & E2H != 0 {
        return (cptr & FPEN_BIT == 0).then_some(
            "vector instructions are off: CPTR_EL2.FPEN (bits 21:20) is 0b00 or 0b10; set it to \
             0b11, then execute isb, before Engine::new",
        );
    }
    (cptr & TFP != 0).then_some(
        "vector instructions are off: CPTR_EL2.TFP (bit 10) is 1; clear it, then execute isb, \
         before Engine::new",
    )
}

#[cfg(test)]
mod tests {
    use super::{off_at_el1, off_at_el2};

    #[test]
    fn the_register_that_turns_vectors_off_is_named() {
        for (fpen, off) in [(0, true), (1, false), (2, true), (3, false)] {
            let name = "CPACR_EL1.FPEN (bits 21:20)";
            assert_eq!(off_at_el1(fpen << 20).is_some_and(|why| why.contains(name)), off);
            let name = "CPTR_EL2.FPEN (bits 21:20)";
            assert_eq!(off_at_el2(fpen << 20, 1 << 34).is_some_and(|why| why.contains(name)), off);
            assert_eq!(off_at_el2(fpen << 20, 0), None);
        }
        assert!(off_at_el2(1 << 10, 0).is_some_and(|why| why.contains("CPTR_EL2.TFP (bit 10)")));
        assert_eq!(off_at_el2(1 << 10 | 3 << 20, 1 << 34), None);
    }
}
