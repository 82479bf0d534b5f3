//! The periodic timer: ticks, and a hook that runs in interrupt context. Where
//! there are threads, every processor's own timer does this, all the time.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

static TICKS: AtomicU64 = AtomicU64::new(0);
static HOOK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Called by the architecture's interrupt handler.
pub(crate) fn tick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
    let hook = HOOK.load(Ordering::Acquire);
    if !hook.is_null() {
        // SAFETY: only `set_hook` stores here, and only function pointers.
        let hook: fn() = unsafe { core::mem::transmute(hook) };
        hook();
    }
}

/// Timer interrupts so far.
pub fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

/// Runs `hook` at each tick, in interrupt context: it must not allocate or
/// print. `None` removes the hook.
pub fn set_hook(hook: Option<fn()>) {
    let hook = hook.map_or(core::ptr::null_mut(), |hook| hook as *mut ());
    HOOK.store(hook, Ordering::Release);
}

/// Starts the timer at about `hertz` and enables interrupts.
pub fn start(hertz: u32) {
    if !crate::smp::is_started() {
        crate::arch::start_timer(hertz);
    }
}

/// Stops the timer and disables interrupts.
pub fn stop() {
    if !crate::smp::is_started() {
        crate::arch::stop_timer();
    }
}

/// Nanoseconds since the kernel started.
pub fn now_ns() -> u64 {
    crate::arch::now_ns()
}

/// Waits for the next interrupt: the timer has been started.
pub fn wait_for_interrupt() {
    crate::arch::halt();
}
