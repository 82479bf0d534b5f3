//! The clock (the virtual counter) and the periodic interrupt (the virtual
//! timer behind a GICv2).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_TVAL_EL0, CNTVCT_EL0, DAIF, Readable, Writeable,
};
use arm_gic::gicv2::GicV2;
use arm_gic::{IntId, InterruptGroup};
use core::sync::atomic::{AtomicU64, Ordering};
use spin::{Mutex, Once};

const DISTRIBUTOR: usize = 0x0800_0000;
const CONTROLLER: usize = 0x0801_0000;
/// Private peripheral interrupt 27; these are numbered from 16.
const VIRTUAL_TIMER: IntId = IntId::ppi(11);

static GIC: Once<Mutex<GicV2<'static>>> = Once::new();
static START: AtomicU64 = AtomicU64::new(0);
static PERIOD: AtomicU64 = AtomicU64::new(0);

fn counter() -> u64 {
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// Sets up the interrupt controller; the timer stays off.
pub(super) fn init() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
    // SAFETY: the machine's controller, mapped as device memory, used only here.
    let mut gic = unsafe { GicV2::new(DISTRIBUTOR as *mut _, CONTROLLER as *mut _) };
    gic.setup();
    gic.set_interrupt_priority(VIRTUAL_TIMER, 0x80);
    let enabled = gic.enable_interrupt(VIRTUAL_TIMER, true);
    assert!(enabled.is_ok(), "the timer's interrupt cannot be enabled");
    GIC.call_once(|| Mutex::new(gic));
    START.store(counter(), Ordering::Relaxed);
}

/// Nanoseconds since [`init`].
pub fn now_ns() -> u64 {
    let ticks = u128::from(counter() - START.load(Ordering::Relaxed));
    (ticks * 1_000_000_000 / u128::from(CNTFRQ_EL0.get().max(1))) as u64
}

/// Called for each interrupt.
pub(super) fn interrupt() {
    let Some(mut gic) = GIC.get().and_then(|gic| gic.try_lock()) else { return };
    while let Some(id) = gic.get_and_acknowledge_interrupt(InterruptGroup::Group0) {
        if id == VIRTUAL_TIMER {
            CNTV_TVAL_EL0.set(PERIOD.load(Ordering::Relaxed));
            crate::timer::tick();
        }
        gic.end_interrupt(id, InterruptGroup::Group0);
    }
}

/// Starts interrupts at a rate of about `hertz`.
pub fn start_timer(hertz: u32) {
    let period = (CNTFRQ_EL0.get() / u64::from(hertz.max(1))).max(1);
    PERIOD.store(period, Ordering::Relaxed);
    CNTV_TVAL_EL0.set(period);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
    DAIF.write(DAIF::I::Unmasked + DAIF::D::Masked + DAIF::A::Masked + DAIF::F::Masked);
}

/// Stops interrupts.
pub fn stop_timer() {
    DAIF.write(DAIF::I::Masked + DAIF::D::Masked + DAIF::A::Masked + DAIF::F::Masked);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
}

/// Waits for the next interrupt, which the timer makes: interrupts are enabled.
pub fn halt() {
    aarch64_cpu::asm::wfi();
}

/// Masks interrupts; says whether they were enabled.
#[inline]
pub fn mask_interrupts() -> bool {
    let enabled = !DAIF.is_set(DAIF::I);
    DAIF.write(DAIF::I::Masked + DAIF::D::Masked + DAIF::A::Masked + DAIF::F::Masked);
    enabled
}

/// Undoes [`mask_interrupts`], which said this.
#[inline]
pub fn restore_interrupts(enabled: bool) {
    if enabled {
        DAIF.write(DAIF::I::Unmasked + DAIF::D::Masked + DAIF::A::Masked + DAIF::F::Masked);
    }
}
