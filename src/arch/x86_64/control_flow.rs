//! Indirect branch tracking (Intel SDM vol. 1, 17.3): with it on in supervisor mode,
//! every indirect call and jump has to lead to an `endbr64`, and generated code has
//! none. Nothing can be done page by page, so such a kernel is refused.

/// What of the processor's state decides.
trait State {
    /// The current privilege level.
    fn level(&self) -> u16;
    /// Whether the processor can track indirect branches.
    fn can_track(&self) -> bool;
    /// CR4. Privileged.
    fn cr4(&self) -> u64;
    /// IA32_S_CET. Privileged; exists if the processor can track.
    fn supervisor_cet(&self) -> u64;
}

/// The processor that this runs on.
struct Processor;

impl State for Processor {
    fn level(&self) -> u16 {
        let selector: u16;
        // SAFETY: only reads a register.
        unsafe {
            core::arch::asm!("mov {:x}, cs", out(reg) selector, options(nomem, nostack, preserves_flags));
        }
        selector & 3
    }

    fn can_track(&self) -> bool {
        use core::arch::x86_64::{__cpuid, __cpuid_count};
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & 1 << 20 != 0
    }

    fn cr4(&self) -> u64 {
        let value: u64;
        // SAFETY: asked only at level 0; only reads a register.
        unsafe {
            core::arch::asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }

    fn supervisor_cet(&self) -> u64 {
        const IA32_S_CET: u32 = 0x6a2;
        let (low, high): (u32, u32);
        // SAFETY: asked only at level 0, where the register exists; only reads it.
        unsafe {
            core::arch::asm!("rdmsr", in("ecx") IA32_S_CET, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    }
}

/// See [`crate::arch::enforced_landings`].
pub fn enforced_landings() -> Option<&'static str> {
    // Miri has no such registers.
    if cfg!(miri) { None } else { refusal(&Processor) }
}

fn refusal(state: &impl State) -> Option<&'static str> {
    const CR4_CET: u64 = 1 << 23;
    const ENDBR_EN: u64 = 1 << 2;
    let tracks = state.level() == 0
        && state.can_track()
        && state.cr4() & CR4_CET != 0
        && state.supervisor_cet() & ENDBR_EN != 0;
    tracks.then_some(
        "the kernel tracks indirect branches (CR4.CET and IA32_S_CET.ENDBR_EN are set), and \
         generated code has no endbr64: clear ENDBR_EN where guests run",
    )
}

#[cfg(test)]
mod tests {
    use super::{State, refusal};

    struct Made {
        level: u16,
        can_track: bool,
        cr4: u64,
        cet: u64,
    }

    impl State for Made {
        fn level(&self) -> u16 {
            self.level
        }
        fn can_track(&self) -> bool {
            self.can_track
        }
        fn cr4(&self) -> u64 {
            assert_eq!(self.level, 0, "CR4 is privileged");
            self.cr4
        }
        fn supervisor_cet(&self) -> u64 {
            assert!(self.level == 0 && self.can_track, "the register need not exist");
            self.cet
        }
    }

    #[test]
    fn only_kernels_that_track_are_refused() {
        let tracks = || Made { level: 0, can_track: true, cr4: 1 << 23 | 0x20, cet: 0b101 };
        assert!(refusal(&tracks()).unwrap().contains("endbr64"));
        assert_eq!(refusal(&Made { level: 3, ..tracks() }), None);
        assert_eq!(refusal(&Made { can_track: false, ..tracks() }), None);
        assert_eq!(refusal(&Made { cr4: 0x20, ..tracks() }), None);
        // Shadow stacks alone.
        assert_eq!(refusal(&Made { cet: 0b001, ..tracks() }), None);
        assert_eq!(super::enforced_landings(), None, "this is a host");
    }
}
