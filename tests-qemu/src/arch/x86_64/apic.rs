//! The local interrupt controller of each processor: its timer, and messages to
//! other processors.
//!
//! Source: Intel SDM volume 3, chapter 11 ("APIC"). Each processor finds its own
//! registers at the same address, so none of this needs a lock; interrupts are
//! masked meanwhile.

use super::timer::now_ns;
use core::sync::atomic::{AtomicU64, Ordering};

/// Where q35 has the registers: all processors, each its own.
pub(super) const REGISTERS: usize = 0xfee0_0000;

const IDENTITY: usize = 0x20;
const END_OF_INTERRUPT: usize = 0xb0;
const SPURIOUS: usize = 0xf0;
const COMMAND_LOW: usize = 0x300;
const COMMAND_HIGH: usize = 0x310;
const TIMER: usize = 0x320;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;

const ENABLED: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const DIVIDE_BY_16: u32 = 3;
/// Command bits.
const PENDING: u32 = 1 << 12;
const ASSERT: u32 = 1 << 14;
const INIT: u32 = 5 << 8;
const STARTUP: u32 = 6 << 8;
const ALL_OTHERS: u32 = 3 << 18;

const CALIBRATION_NS: u64 = 10_000_000;

/// Counts in 2^20 nanoseconds.
static RATE: AtomicU64 = AtomicU64::new(0);

fn read(register: usize) -> u32 {
    // SAFETY: a register of this processor, mapped as device memory; reading has no
    // side effects.
    unsafe { ((REGISTERS + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: a register of this processor, mapped as device memory; what is written
    // affects interrupts alone, for which there are handlers.
    unsafe { ((REGISTERS + register) as *mut u32).write_volatile(value) }
}

/// Switches this processor's controller on. The timer stays off.
pub(super) fn init(timer_vector: u8, spurious_vector: u8) {
    write(SPURIOUS, ENABLED | u32::from(spurious_vector));
    write(DIVIDE, DIVIDE_BY_16);
    write(TIMER, MASKED | u32::from(timer_vector));
    if RATE.load(Ordering::Relaxed) == 0 {
        calibrate();
    }
    write(TIMER, u32::from(timer_vector));
}

/// Measures the timer's rate, which all processors share.
fn calibrate() {
    let from = now_ns();
    write(INITIAL_COUNT, u32::MAX);
    while now_ns() - from < CALIBRATION_NS {}
    let counted = u64::from(u32::MAX - read(CURRENT_COUNT));
    let took = now_ns() - from;
    write(INITIAL_COUNT, 0);
    RATE.store(((counted << 20) / took).max(1), Ordering::Relaxed);
}

/// Has this processor's timer interrupt it once.
pub fn arm_timer(ns: u64) {
    let counts = (ns * RATE.load(Ordering::Relaxed)) >> 20;
    write(INITIAL_COUNT, counts.clamp(1, u64::from(u32::MAX)) as u32);
}

/// The interrupt that this processor handles is handled.
pub(super) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// This processor's number in messages.
pub(super) fn identity() -> u8 {
    (read(IDENTITY) >> 24) as u8
}

fn command(high: u32, low: u32) {
    while read(COMMAND_LOW) & PENDING != 0 {}
    write(COMMAND_HIGH, high);
    write(COMMAND_LOW, low);
}

/// Interrupts another processor.
pub(super) fn send(identity: u8, vector: u8) {
    command(u32::from(identity) << 24, ASSERT | u32::from(vector));
}

/// Interrupts all processors but this one.
pub(super) fn send_to_others(vector: u8) {
    command(0, ALL_OTHERS | ASSERT | u32::from(vector));
}

/// Resets another processor, which then waits for [`send_startup`].
pub(super) fn send_init(identity: u8) {
    command(u32::from(identity) << 24, ASSERT | INIT);
}

/// Starts another processor at the beginning of a page below 1 MiB.
pub(super) fn send_startup(identity: u8, page: u8) {
    command(u32::from(identity) << 24, ASSERT | STARTUP | u32::from(page));
}
