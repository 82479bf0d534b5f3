//! Switching vector instructions off.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CPACR_EL1, ReadWriteable};

/// Runs `body` while they are off in one of two ways, and names what is off.
pub fn while_vectors_are_off(way: usize, body: &mut dyn FnMut()) -> &'static str {
    CPACR_EL1.modify(match way {
        0 => CPACR_EL1::FPEN::TrapEl0El1,
        _ => CPACR_EL1::FPEN.val(0b10),
    });
    barrier::isb(barrier::SY);
    body();
    CPACR_EL1.modify(CPACR_EL1::FPEN::TrapNothing);
    barrier::isb(barrier::SY);
    "CPACR_EL1.FPEN (bits 21:20)"
}
