//! The first serial port.

use spin::{Mutex, Once};
use uart_16550::{Config, Uart16550, backend::PioBackend};

static PORT: Once<Mutex<Uart16550<PioBackend>>> = Once::new();

/// Sets the port up.
pub fn init_serial() {
    // SAFETY: the first serial port of every PC; nothing else drives it.
    if let Ok(mut port) = unsafe { Uart16550::new_port(0x3f8) }
        && port.init(Config::default()).is_ok()
    {
        PORT.call_once(|| Mutex::new(port));
    }
}

/// Sends a byte, waiting for room.
pub fn serial_write(byte: u8) {
    if let Some(mut port) = PORT.get().and_then(|port| port.try_lock()) {
        port.send_bytes_exact(&[byte]);
    }
}
