//! Makes every processor forget what it knows of a range of pages: each is
//! interrupted, and answers.
//!
//! Invariants: one request at a time, under [`TURN`]. Who waits, for the turn or
//! for answers, answers meanwhile, so that processors which wait for each other
//! with interrupts masked do not wait forever. A request is complete in memory
//! before any processor is asked (`Release` and `Acquire` on [`ASKED`]).

use super::{apic, exceptions};
use crate::arch::{mask_interrupts, restore_interrupts};
use crate::smp;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use x86_64::VirtAddr;
use x86_64::instructions::tlb;

/// Ranges of more pages are not worth walking.
const MOST_PAGES: usize = 32;
const PAGE_BYTES: usize = 4096;

static TURN: AtomicBool = AtomicBool::new(false);
static RANGE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// A bit for each processor that has not answered.
static ASKED: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Drops all processors' cached translations of `[start, end)`, whole pages, and
/// of the tables behind them.
pub fn flush_everywhere(start: usize, end: usize) {
    let enabled = mask_interrupts();
    let others = ((1_u64 << smp::processors()) - 1) & !(1 << smp::this());
    flush_here(start, end);
    if others != 0 {
        while TURN.swap(true, Ordering::Acquire) {
            serve_requests();
            core::hint::spin_loop();
        }
        RANGE[0].store(start, Ordering::Relaxed);
        RANGE[1].store(end, Ordering::Relaxed);
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        ASKED.store(others, Ordering::Release);
        apic::send_to_others(exceptions::SHOOTDOWN);
        while ASKED.load(Ordering::Acquire) != 0 {
            core::hint::spin_loop();
        }
        TURN.store(false, Ordering::Release);
    }
    restore_interrupts(enabled);
}

/// Answers, if this processor is asked and interrupts are masked.
pub fn serve_requests() {
    if ASKED.load(Ordering::Relaxed) == 0 {
        return;
    }
    let enabled = mask_interrupts();
    let this = 1_u64 << smp::this();
    if ASKED.load(Ordering::Acquire) & this != 0 {
        flush_here(RANGE[0].load(Ordering::Relaxed), RANGE[1].load(Ordering::Relaxed));
        ASKED.fetch_and(!this, Ordering::Release);
    }
    restore_interrupts(enabled);
}

fn flush_here(start: usize, end: usize) {
    match end.saturating_sub(start) / PAGE_BYTES <= MOST_PAGES {
        true => (start..end).step_by(PAGE_BYTES).for_each(|page| {
            // Drops cached pointers to tables as well.
            tlb::flush(VirtAddr::new_truncate(page as u64));
        }),
        false => tlb::flush_all(),
    }
}

/// How often the other processors were asked.
pub fn flush_requests() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}
