//! The clock (the virtual counter), and the interrupts behind a GICv2: the
//! virtual timer, and messages between processors.

use super::exceptions::Frame;
use crate::sched::{self, Why};
use crate::smp::{self, MAX_PROCESSORS};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_TVAL_EL0, CNTVCT_EL0, DAIF, Readable, Writeable,
};
use arm_gic::gicv2::{GicV2, SgiTarget, SgiTargetListFilter};
use arm_gic::{IntId, InterruptGroup};
use core::sync::atomic::{AtomicU64, Ordering};
use spin::{Mutex, Once};

const DISTRIBUTOR: usize = 0x0800_0000;
const CONTROLLER: usize = 0x0801_0000;
/// Private peripheral interrupt 27; these are numbered from 16.
const VIRTUAL_TIMER: IntId = IntId::ppi(11);

/// A message: look for a thread.
const TOLD: IntId = IntId::sgi(0);
/// The rest of an acknowledged message's number is its sender's.
const NUMBER: u32 = 0x3ff;

/// Each processor has its own, with registers that each processor finds in the
/// same place: what they share is set up by the first alone, or sends a message.
/// Locked with interrupts masked, so never found locked.
static GICS: [Once<Mutex<GicV2<'static>>>; MAX_PROCESSORS] =
    [const { Once::new() }; MAX_PROCESSORS];
static START: AtomicU64 = AtomicU64::new(0);
static PERIOD: AtomicU64 = AtomicU64::new(0);

fn counter() -> u64 {
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// Sets up the interrupt controller; the timer stays off.
pub(super) fn init() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
    init_controller();
    START.store(counter(), Ordering::Relaxed);
}

/// Sets up what this processor has of the controller.
fn init_controller() {
    // SAFETY: the machine's controller, mapped as device memory, used only here,
    // and as `GICS` says.
    let mut gic = unsafe { GicV2::new(DISTRIBUTOR as *mut _, CONTROLLER as *mut _) };
    gic.setup();
    gic.set_interrupt_priority(VIRTUAL_TIMER, 0x80);
    let enabled = gic.enable_interrupt(VIRTUAL_TIMER, true);
    assert!(enabled.is_ok(), "the timer's interrupt cannot be enabled");
    GICS[smp::this()].call_once(|| Mutex::new(gic));
}

/// Prepares this processor to have threads.
pub(super) fn init_messages() {
    if GICS[smp::this()].get().is_none() {
        CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
        init_controller();
    }
    with_gic(|gic| {
        let enabled = gic.enable_interrupt(TOLD, true);
        assert!(enabled.is_ok(), "messages between processors cannot be enabled");
    });
}

fn with_gic<R>(body: impl FnOnce(&mut GicV2<'static>) -> R) -> Option<R> {
    let mut gic = GICS[smp::this()].get()?.try_lock()?;
    Some(body(&mut gic))
}

/// Interrupts a processor to have it look for a thread. Interrupts are masked.
pub fn tell(processor: usize) {
    let target = SgiTarget::List {
        target_list_filter: SgiTargetListFilter::CPUTargetList,
        target_list: 1 << processor,
    };
    // What the other is to see must not be seen after the message.
    barrier::dsb(barrier::ISHST);
    with_gic(|gic| gic.send_sgi(TOLD, target));
}

/// Has this processor's timer interrupt it once.
pub fn arm_timer(ns: u64) {
    let ticks = u128::from(ns) * u128::from(CNTFRQ_EL0.get()) / 1_000_000_000;
    CNTV_TVAL_EL0.set((ticks as u64).max(1));
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
}

/// Nanoseconds since [`init`].
pub fn now_ns() -> u64 {
    let ticks = u128::from(counter() - START.load(Ordering::Relaxed));
    (ticks * 1_000_000_000 / u128::from(CNTFRQ_EL0.get().max(1))) as u64
}

/// Called for each interrupt.
pub(super) fn interrupt(frame: &mut Frame) {
    let group = InterruptGroup::Group0;
    while let Some(id) = with_gic(|gic| gic.get_and_acknowledge_interrupt(group)).flatten() {
        let number = id.raw_value() & NUMBER;
        let is_timer = number == VIRTUAL_TIMER.raw_value();
        if is_timer {
            CNTV_TVAL_EL0.set(PERIOD.load(Ordering::Relaxed));
            crate::timer::tick();
        }
        with_gic(|gic| gic.end_interrupt(id, group));
        if smp::is_started() && (is_timer || number == TOLD.raw_value()) {
            sched::interrupted(frame, if is_timer { Why::Tick } else { Why::Told });
        }
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
