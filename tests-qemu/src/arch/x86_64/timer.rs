//! The clock (the time stamp counter, calibrated against the interval timer)
//! and the periodic interrupt (the interval timer behind the legacy interrupt
//! controllers).

use super::exceptions::FIRST_LINE;
use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU64, Ordering};
use pic8259::ChainedPics;
use spin::Mutex;
use x86_64::instructions::{interrupts, port::Port};

const INTERVAL_HERTZ: u32 = 1_193_182;
const CALIBRATION_TICKS: u16 = 11_932;

// SAFETY: the interrupt table has stubs at the vectors the lines use.
static CONTROLLERS: Mutex<ChainedPics> =
    Mutex::new(unsafe { ChainedPics::new_contiguous(FIRST_LINE) });
static START: AtomicU64 = AtomicU64::new(0);
static TICKS_PER_10_MS: AtomicU64 = AtomicU64::new(1);

fn counter() -> u64 {
    // SAFETY: every x86_64 processor has the counter.
    unsafe { _rdtsc() }
}

/// Measures the time stamp counter's rate; all interrupt lines stay masked.
pub(super) fn init() {
    let mut controllers = CONTROLLERS.lock();
    // SAFETY: the machine's interrupt controllers, set up once.
    unsafe {
        controllers.initialize();
        controllers.write_masks(0xff, 0xff);
    }
    let (mut gate, mut command, mut channel) =
        (Port::<u8>::new(0x61), Port::<u8>::new(0x43), Port::<u8>::new(0x42));
    // SAFETY: channel 2 of the interval timer, gated by port 0x61, counts down
    // once and then sets bit 5. The speaker (bit 1) stays off.
    let taken = unsafe {
        let idle = gate.read() & 0xfc;
        gate.write(idle);
        command.write(0xb0);
        let [low, high] = CALIBRATION_TICKS.to_le_bytes();
        channel.write(low);
        channel.write(high);
        gate.write(idle | 1);
        let from = counter();
        while gate.read() & 0x20 == 0 {}
        let taken = counter() - from;
        gate.write(idle);
        taken
    };
    TICKS_PER_10_MS.store(taken.max(1), Ordering::Relaxed);
    START.store(counter(), Ordering::Relaxed);
}

/// Nanoseconds since [`init`].
pub fn now_ns() -> u64 {
    let ticks = u128::from(counter() - START.load(Ordering::Relaxed));
    (ticks * 10_000_000 / u128::from(TICKS_PER_10_MS.load(Ordering::Relaxed))) as u64
}

/// Called for each interrupt line.
pub(super) fn interrupt(vector: u8) {
    if vector == FIRST_LINE {
        crate::timer::tick();
    }
    // SAFETY: acknowledges the line being served. Nobody holds the lock with
    // interrupts enabled.
    unsafe { CONTROLLERS.lock().notify_end_of_interrupt(vector) };
}

/// Starts interrupts at a rate of about `hertz` (at least 19).
pub fn start_timer(hertz: u32) {
    let divisor = (INTERVAL_HERTZ / hertz.max(1)).clamp(1, 0xffff) as u16;
    let [low, high] = divisor.to_le_bytes();
    let (mut command, mut channel) = (Port::<u8>::new(0x43), Port::<u8>::new(0x40));
    // SAFETY: channel 0 of the interval timer, in rate mode; its line is
    // unmasked and has a handler.
    unsafe {
        command.write(0x34);
        channel.write(low);
        channel.write(high);
        CONTROLLERS.lock().write_masks(0xfe, 0xff);
    }
    interrupts::enable();
}

/// Stops interrupts.
pub fn stop_timer() {
    interrupts::disable();
    // SAFETY: masks all lines.
    unsafe { CONTROLLERS.lock().write_masks(0xff, 0xff) };
}

/// Waits for the next interrupt, which the timer makes: interrupts are enabled.
pub fn halt() {
    x86_64::instructions::hlt();
}

/// Masks interrupts; says whether they were enabled.
#[inline]
pub fn mask_interrupts() -> bool {
    let enabled = interrupts::are_enabled();
    interrupts::disable();
    enabled
}

/// Undoes [`mask_interrupts`], which said this.
#[inline]
pub fn restore_interrupts(enabled: bool) {
    if enabled {
        interrupts::enable();
    }
}
