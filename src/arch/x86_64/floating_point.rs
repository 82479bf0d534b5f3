//! The control word of vector instructions (Intel SDM vol. 1, 10.2.3 "MXCSR
//! Control and Status Register"). Wasm wants the default one: round to nearest,
//! denormals kept, all exceptions masked. Generated code never changes it.

use super::enter;
use core::arch::naked_asm;

/// MXCSR as Wasm wants it, whatever its status bits.
pub(super) const DEFAULT_WORD: u32 = 0x1f80 | STATUS_BITS;
/// Which exceptions occurred: of no consequence while they are masked.
pub(super) const STATUS_BITS: u32 = 0x3f;

/// Where [`enter`] goes on when it finds another control word, with nothing but
/// `rax` changed: makes the same call with the default word. The caller's word is
/// back when that returns, however it ended.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter_from_another_word() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, 16",
        "stmxcsr [rsp]",
        "mov dword ptr [rsp + 4], {word}",
        "ldmxcsr [rsp + 4]",
        "call {enter}",
        "ldmxcsr [rsp]",
        "leave",
        "ret",
        word = const DEFAULT_WORD & !STATUS_BITS,
        enter = sym enter,
    )
}

/// See [`crate::arch::DefaultControlWord`].
#[cfg(feature = "compile")]
pub struct DefaultControlWord {
    /// The word to go back to, if it is another.
    #[cfg(all(target_feature = "sse", not(miri)))]
    before: Option<u32>,
}

#[cfg(all(feature = "compile", target_feature = "sse", not(miri)))]
impl DefaultControlWord {
    /// Makes the default word this thread's.
    pub fn set() -> Self {
        let mut word = 0_u32;
        // SAFETY: Rust code here uses vector registers, so they are on; only
        // stores the word.
        unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack)) };
        if word | STATUS_BITS == DEFAULT_WORD {
            return Self { before: None };
        }
        load(DEFAULT_WORD & !STATUS_BITS);
        Self { before: Some(word) }
    }
}

#[cfg(all(feature = "compile", target_feature = "sse", not(miri)))]
impl Drop for DefaultControlWord {
    fn drop(&mut self) {
        if let Some(word) = self.before {
            load(word);
        }
    }
}

#[cfg(all(feature = "compile", target_feature = "sse", not(miri)))]
fn load(word: u32) {
    // SAFETY: the default word, or one that was in place before.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) };
}

#[cfg(all(feature = "compile", not(all(target_feature = "sse", not(miri)))))]
impl DefaultControlWord {
    /// Nothing: Rust code here computes floating point with integers.
    pub fn set() -> Self {
        Self {}
    }
}

/// See [`crate::arch::vectors_off`].
#[cfg(target_os = "none")]
pub fn vectors_off() -> Option<&'static str> {
    let selector: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, cs", out(reg) selector, options(nomem, nostack)) };
    if selector & 3 != 0 {
        return None;
    }
    let (cr0, cr4): (u64, u64);
    // SAFETY: reads registers that ring 0 may read.
    unsafe {
        core::arch::asm!(
            "mov {}, cr0",
            "mov {}, cr4",
            out(reg) cr0,
            out(reg) cr4,
            options(nomem, nostack),
        );
    }
    why_off(cr0, cr4)
}

/// Intel SDM vol. 3, 2.5 "Control Registers", and 14.1 on what enables SSE. That
/// CR0.TS is set is no reason: whoever sets it handles the exception.
#[cfg(any(target_os = "none", test))]
fn why_off(cr0: u64, cr4: u64) -> Option<&'static str> {
    const EM: u64 = 1 << 2;
    const OSFXSR: u64 = 1 << 9;
    if cr4 & OSFXSR == 0 {
        return Some(
            "vector instructions are off: CR4.OSFXSR (bit 9) is 0; set it, and clear CR0.EM \
             (bit 2), before Engine::new",
        );
    }
    (cr0 & EM != 0)
        .then_some("vector instructions are off: CR0.EM (bit 2) is 1; clear it before Engine::new")
}

#[cfg(test)]
mod tests {
    use super::why_off;

    #[test]
    fn the_register_that_turns_vectors_off_is_named() {
        assert_eq!(why_off(0x8001_0033, 0x6a0), None);
        assert_eq!(why_off(0x8001_003b, 0x6a0), None, "lazy switching");
        assert!(why_off(0x8001_0033, 0x4a0).unwrap().contains("CR4.OSFXSR (bit 9) is 0"));
        assert!(why_off(0x8001_0037, 0x6a0).unwrap().contains("CR0.EM (bit 2) is 1"));
    }
}
