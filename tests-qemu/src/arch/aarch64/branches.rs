//! FEAT_BTI and FEAT_PAuth: pages where indirect branches must land, and signed
//! return addresses (Arm ARM, D8.4.4 and D8.10).

use core::arch::asm;

/// Turns both on; false if the processor lacks one of them. Guarded pages ask for
/// the strict form: signing a return address does not land everything.
pub fn protect_branches() -> bool {
    let (features, extensions): (u64, u64);
    // SAFETY: only reads registers.
    unsafe {
        asm!("mrs {}, id_aa64pfr1_el1", out(reg) features, options(nomem, nostack));
        asm!("mrs {}, id_aa64isar1_el1", out(reg) extensions, options(nomem, nostack));
    }
    let (lands, signs) = (features & 0xf != 0, extensions & 0xff0 != 0);
    if !lands || !signs {
        return false;
    }
    const BT1: u64 = 1 << 36;
    const ENABLE_KEY_A: u64 = 1 << 31;
    // SAFETY: the kernel's own code lies in pages that are not guarded and signs
    // nothing; the key may be any number.
    unsafe {
        asm!(
            ".arch_extension pauth",
            "msr apiakeylo_el1, {low}",
            "msr apiakeyhi_el1, {high}",
            "mrs {control}, sctlr_el1",
            "orr {control}, {control}, {on}",
            "msr sctlr_el1, {control}",
            "isb",
            low = in(reg) 0x243f_6a88_85a3_08d3_u64,
            high = in(reg) 0x1319_8a2e_0370_7344_u64,
            control = out(reg) _,
            on = in(reg) BT1 | ENABLE_KEY_A,
            options(nostack),
        );
    }
    true
}
