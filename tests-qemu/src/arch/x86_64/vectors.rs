//! Switching vector instructions off.

use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};

/// Runs `body` while they are off in one of two ways, and names what is off.
pub fn while_vectors_are_off(way: usize, body: &mut dyn FnMut()) -> &'static str {
    let (cr0, cr4) = (Cr0::read(), Cr4::read());
    // SAFETY: kernel code uses no vector registers.
    unsafe {
        match way {
            0 => Cr4::write(cr4 - Cr4Flags::OSFXSR),
            _ => Cr0::write(cr0 | Cr0Flags::EMULATE_COPROCESSOR),
        }
    }
    body();
    // SAFETY: as it was.
    unsafe {
        Cr0::write(cr0);
        Cr4::write(cr4);
    }
    if way == 0 { "CR4.OSFXSR (bit 9)" } else { "CR0.EM (bit 2)" }
}
