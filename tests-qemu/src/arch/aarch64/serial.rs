//! The machine's serial port.

use arm_pl011_uart::{PL011Registers, Uart, UniqueMmioPointer};
use core::ptr::NonNull;
use spin::{Mutex, Once};

static PORT: Once<Mutex<Uart<'static>>> = Once::new();

/// Finds the port; QEMU's needs no speed or format.
pub fn init_serial() {
    if let Some(registers) = NonNull::new(0x0900_0000 as *mut PL011Registers) {
        // SAFETY: the machine's port, mapped as device memory, used only here.
        let registers = unsafe { UniqueMmioPointer::new(registers) };
        PORT.call_once(|| Mutex::new(Uart::new(registers)));
    }
}

/// Sends a byte, waiting for room.
pub fn serial_write(byte: u8) {
    if let Some(mut port) = PORT.get().and_then(|port| port.try_lock()) {
        while port.is_tx_fifo_full() {}
        port.write_word(byte);
    }
}
