//! What the system control register must say for guests to run (Arm ARM, D24.2
//! "SCTLR_EL1", "SCTLR_EL2").

/// See [`crate::arch::memory_unsuited`].
#[cfg(target_os = "none")]
pub fn memory_unsuited() -> Option<&'static str> {
    let level: u64;
    // SAFETY: reads a register that every level but EL0 may read.
    unsafe { core::arch::asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack)) };
    let control: u64;
    match level >> 2 & 3 {
        // SAFETY: reads a register that this level may read.
        1 => unsafe {
            core::arch::asm!("mrs {}, sctlr_el1", out(reg) control, options(nomem, nostack));
        },
        // SAFETY: as above.
        2 => unsafe {
            core::arch::asm!("mrs {}, sctlr_el2", out(reg) control, options(nomem, nostack));
        },
        _ => return None,
    }
    why_unsuited(control)
}

#[cfg(any(target_os = "none", test))]
fn why_unsuited(control: u64) -> Option<&'static str> {
    const M: u64 = 1 << 0;
    const A: u64 = 1 << 1;
    if control & M == 0 {
        return Some(
            "the MMU is off (SCTLR.M, bit 0, is 0): processors take unaligned and exclusive \
             accesses to Normal memory alone; turn it on before Engine::new",
        );
    }
    (control & A != 0).then_some(
        "unaligned accesses fault (SCTLR.A, bit 1, is 1), and guests make them; clear it before \
         Engine::new",
    )
}

#[cfg(test)]
mod tests {
    use super::why_unsuited;

    #[test]
    fn the_bit_that_makes_memory_unsuited_is_named() {
        assert_eq!(why_unsuited(0x1005), None);
        assert!(why_unsuited(0x1004).is_some_and(|why| why.contains("SCTLR.M, bit 0, is 0")));
        assert!(why_unsuited(0x1007).is_some_and(|why| why.contains("SCTLR.A, bit 1, is 1")));
    }
}
