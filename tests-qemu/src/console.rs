//! The serial console: `print!`, `println!`, and where `log` messages go.

use crate::lock::Lock;
use crate::smp;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicUsize, Ordering};

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(crate::arch::serial_write);
        Ok(())
    }
}

static CONSOLE: Lock<Console> = Lock::new(Console);
/// The processor that is printing, counted from one.
static PRINTING: AtomicUsize = AtomicUsize::new(0);

/// Prints with formatting. What is printed at once stays together.
pub fn print(args: fmt::Arguments<'_>) {
    // If printing itself raised an exception, mixed output is better than none.
    if PRINTING.load(Ordering::Relaxed) == smp::this() + 1 {
        let _ = Console.write_fmt(args);
        return;
    }
    let mut console = CONSOLE.lock();
    PRINTING.store(smp::this() + 1, Ordering::Relaxed);
    let _ = console.write_fmt(args);
    PRINTING.store(0, Ordering::Relaxed);
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
