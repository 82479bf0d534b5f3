//! The serial console: `print!`, `println!`, and where `log` messages go.

use core::fmt::{self, Write};
use spin::Mutex;

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(crate::arch::serial_write);
        Ok(())
    }
}

static CONSOLE: Mutex<Console> = Mutex::new(Console);

/// Prints with formatting.
pub fn print(args: fmt::Arguments<'_>) {
    let _ = match CONSOLE.try_lock() {
        Some(mut console) => console.write_fmt(args),
        // If printing itself raised an exception, mixed output is better than none.
        None => Console.write_fmt(args),
    };
}

/// Prints to the serial console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(format_args!($($arg)*)) };
}

/// Prints a line to the serial console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::console::print(format_args!("{}\n", format_args!($($arg)*))) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }
    fn log(&self, record: &log::Record<'_>) {
        crate::heap::outside(|| {
            if let Some(listener) = *LISTENER.lock() {
                listener(record);
            }
            if self.enabled(record.metadata()) {
                println!("[{}] {}", record.level(), record.args());
            }
        });
    }
    fn flush(&self) {}
}

/// Is shown all that is logged, too.
static LISTENER: spin::Mutex<Option<fn(&log::Record<'_>)>> = spin::Mutex::new(None);

/// Runs `body` while `listener` is shown messages down to level debug. It may
/// allocate.
pub fn while_listening<R>(listener: fn(&log::Record<'_>), body: impl FnOnce() -> R) -> R {
    *LISTENER.lock() = Some(listener);
    log::set_max_level(log::LevelFilter::Debug);
    let result = body();
    log::set_max_level(log::LevelFilter::Warn);
    *LISTENER.lock() = None;
    result
}

/// Sets up the serial port and the logger.
pub fn init() {
    crate::arch::init_serial();
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}
