//! Starting the other processors by PSCI, and what each processor knows of
//! itself.
//!
//! Source: Arm DEN 0022 (PSCI), 5.6; Arm ARM (DDI 0487), D8.2.

use super::{exceptions, timer};
use crate::exceptions::FaultEntry;
use crate::paging;
use crate::smp::{self, MAX_PROCESSORS};
use aarch64_cpu::registers::{DAIF, MPIDR_EL1, Readable, TPIDR_EL1, Writeable};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property, ToCellInt};
use smccc::{Hvc, Smc, psci};

/// Where QEMU leaves the device tree for an image that is not Linux's.
const DEVICE_TREE: usize = super::RAM_START;
/// Affinity fields of `MPIDR_EL1`.
const AFFINITY: u64 = 0xff_00ff_ffff;

core::arch::global_asm!(
    r#"
    .section .text.boot, "ax", @progbits
    .global processor_start
processor_start:                    // x0: what it is to begin with
    msr daifset, #15
    mov x1, #(3 << 20)              // floating point and vectors
    msr cpacr_el1, x1
    isb
    ldp x5, x6, [x0]                // root table, stack
    ldp x7, x8, [x0, #16]           // exception stack, number
    mov x2, #0xff00                 // as in the boot code
    msr mair_el1, x2
    ldr x2, =0x200803510
    msr tcr_el1, x2
    msr ttbr0_el1, x5
    dsb ish
    isb
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    mrs x2, sctlr_el1
    ldr x3, =0x1005
    orr x2, x2, x3
    ldr x3, =0x8000a
    bic x2, x2, x3
    msr sctlr_el1, x2
    isb
    msr spsel, #1
    mov sp, x7
    msr spsel, #0
    mov sp, x6
    mov x29, xzr
    mov x30, xzr
    mov x0, x8
    bl {begin}
1:  wfe
    b 1b
    "#,
    begin = sym begin,
);

unsafe extern "C" {
    static processor_start: u8;
}

/// What a processor begins with: read with its caches off.
#[repr(C, align(64))]
struct Start {
    root: AtomicUsize,
    stack: AtomicUsize,
    exception_stack: AtomicUsize,
    number: AtomicUsize,
}

static STARTS: [Start; MAX_PROCESSORS] = [const {
    Start {
        root: AtomicUsize::new(0),
        stack: AtomicUsize::new(0),
        exception_stack: AtomicUsize::new(0),
        number: AtomicUsize::new(0),
    }
}; MAX_PROCESSORS];

const STACK_BYTES: usize = 32 << 10;
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "used by the processor")] [u8; STACK_BYTES]);
/// Where processors idle, and their stacks for exceptions; the first excepted.
static mut STACKS: [[Stack; 2]; MAX_PROCESSORS] =
    [const { [const { Stack([0; STACK_BYTES]) }; 2] }; MAX_PROCESSORS];

/// The firmware's numbers, by processor.
static AFFINITIES: [AtomicU64; MAX_PROCESSORS] = [const { AtomicU64::new(0) }; MAX_PROCESSORS];
static FOUND: AtomicUsize = AtomicUsize::new(1);
/// Whether the firmware is called by HVC rather than by SMC.
static BY_HVC: AtomicUsize = AtomicUsize::new(0);

/// Tells this processor its number.
pub fn init_this_processor(number: usize) {
    TPIDR_EL1.set(number as u64);
}

/// See [`smp::this`].
#[inline]
pub fn this_processor() -> usize {
    TPIDR_EL1.get() as usize
}

/// Finds the other processors, and gives this one its timer and its messages.
pub fn prepare_processors() {
    timer::init_messages();
    let this = MPIDR_EL1.get() & AFFINITY;
    AFFINITIES[0].store(this, Ordering::Relaxed);
    // SAFETY: QEMU put the tree there, into RAM that the kernel does not use.
    let tree = unsafe { Fdt::from_raw(DEVICE_TREE as *const u8) };
    let tree = tree.unwrap_or_else(|error| panic!("no device tree: {error:?}"));
    let psci = tree.find_node("/psci").expect("a node for PSCI");
    let method = psci.property("method").expect("how PSCI is called");
    BY_HVC.store(usize::from(method.value().starts_with(b"hvc")), Ordering::Relaxed);
    let cpus = tree.cpus().unwrap_or_else(|error| panic!("no processors: {error:?}"));
    let mut found = 1;
    for cpu in cpus.cpus() {
        let mut ids = cpu.ids().unwrap_or_else(|error| panic!("a processor: {error:?}"));
        let Some(id) = ids.next() else { continue };
        let id: u64 = id.to_int().unwrap_or_else(|error| panic!("a processor: {error:?}"));
        if id != this && found < MAX_PROCESSORS {
            AFFINITIES[found].store(id, Ordering::Relaxed);
            found += 1;
        }
    }
    FOUND.store(found, Ordering::Relaxed);
}

/// Has a processor start, which then joins in.
///
/// # Panics
/// If the machine does not have it, or the firmware refuses.
pub fn start_processor(number: usize) {
    let found = FOUND.load(Ordering::Relaxed);
    assert!(number < found, "the machine has {found} processors");
    let start = &STARTS[number];
    let stacks = (&raw const STACKS).addr() + 2 * number * STACK_BYTES;
    start.root.store(paging::root(), Ordering::Relaxed);
    start.stack.store(stacks + STACK_BYTES, Ordering::Relaxed);
    start.exception_stack.store(stacks + 2 * STACK_BYTES, Ordering::Relaxed);
    start.number.store(number, Ordering::Relaxed);
    let context = (&raw const *start).addr();
    // The processor reads this before it has caches. It fits a line, whatever
    // their size, and shares it with nothing that changes meanwhile.
    // SAFETY: writes back what is in the cache.
    unsafe {
        core::arch::asm!("dc civac, {}", "dsb sy", in(reg) context, options(nostack));
    }
    let affinity = AFFINITIES[number].load(Ordering::Relaxed);
    let (entry, context) = ((&raw const processor_start).addr() as u64, context as u64);
    let outcome = match BY_HVC.load(Ordering::Relaxed) {
        0 => psci::cpu_on::<Smc>(affinity, entry, context),
        _ => psci::cpu_on::<Hvc>(affinity, entry, context),
    };
    outcome.unwrap_or_else(|error| panic!("processor {number} is refused: {error:?}"));
}

/// The first function of a processor that was started.
extern "C" fn begin(number: usize) -> ! {
    init_this_processor(number);
    exceptions::set_fault_entry(FaultEntry::Own);
    timer::init_messages();
    smp::join_in(number)
}

/// Lets this processor have threads from now on.
pub fn idle() -> ! {
    super::arm_timer(1_000_000);
    loop {
        DAIF.write(DAIF::I::Unmasked + DAIF::D::Masked + DAIF::A::Masked + DAIF::F::Masked);
        aarch64_cpu::asm::wfi();
    }
}
