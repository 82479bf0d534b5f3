//! Starting the other processors as INIT and two startup messages do, and what
//! each processor knows of itself.
//!
//! A processor starts in real mode below 1 MiB, where memory is not executable
//! in the kernel's page tables: so the code there only goes on to protected mode,
//! without paging, and jumps to the kernel's image, which enables paging.
//!
//! Source: Intel SDM volume 3, 9.4 and 9.8; ACPI 6.5, 5.2.12; Xen's PVH boot protocol.

use super::{apic, context, exceptions};
use crate::paging;
use crate::smp::{self, MAX_PROCESSORS};
use acpi::madt::{Madt, MadtEntry};
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::GsBase;

/// The page below 1 MiB where processors start.
const START_PAGE: u8 = 8;
const START: usize = START_PAGE as usize * 4096;

core::arch::global_asm!(
    r#"
    .section .rodata.start, "a", @progbits
    .balign 16
    .global processor_start
processor_start:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl start_gdt_pointer - processor_start
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $8, $processor_start_32
    .balign 8
start_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
start_gdt_pointer:
    .word 23
    .long start_gdt - processor_start + 0x8000
    .global processor_start_end
processor_start_end:

    .section .text.boot, "ax", @progbits
    .code32
processor_start_32:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $0x620, %eax           # PAE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl start_root, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax            # LME, NXE
    wrmsr
    movl $0x80010013, %eax      # PG, WP, ET, MP, PE; caches on
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmpl $8, $2f
    .code64
2:  movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq start_stack(%rip), %rsp
    movq start_number(%rip), %rdi
    xorl %ebp, %ebp
    call {begin}
3:  hlt
    jmp 3b

    .section .bss.start, "aw", @nobits
    .balign 8
    .global start_root
start_root: .skip 8
    .global start_stack
start_stack: .skip 8
    .global start_number
start_number: .skip 8
    "#,
    begin = sym begin,
    options(att_syntax)
);

unsafe extern "C" {
    static boot_start_info: usize;
    static processor_start: u8;
    static processor_start_end: u8;
    static start_root: AtomicUsize;
    static start_stack: AtomicUsize;
    static start_number: AtomicUsize;
}

/// What GS points to: the processor's number.
static NUMBERS: [usize; MAX_PROCESSORS] = {
    let mut numbers = [0; MAX_PROCESSORS];
    let mut at = 0;
    while at < MAX_PROCESSORS {
        numbers[at] = at;
        at += 1;
    }
    numbers
};

/// Local controllers' numbers, by processor.
static IDENTITIES: [AtomicU8; MAX_PROCESSORS] = [const { AtomicU8::new(0) }; MAX_PROCESSORS];

/// Offset of the address of the ACPI tables' root (Xen, `hvm/start_info.h`).
const START_INFO_RSDP: usize = 32;

const STACK_BYTES: usize = 16 << 10;
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "used by the processor")] [u8; STACK_BYTES]);
/// Where processors idle, the first excepted.
static mut STACKS: [Stack; MAX_PROCESSORS] = [const { Stack([0; STACK_BYTES]) }; MAX_PROCESSORS];

/// Tells this processor its number.
pub fn init_this_processor(number: usize) {
    GsBase::write(VirtAddr::from_ptr(&NUMBERS[number]));
}

/// See [`smp::this`].
#[inline]
pub fn this_processor() -> usize {
    let number;
    // SAFETY: GS points to a number that does not change. Not `pure`, because the
    // thread may be on another processor the next time.
    unsafe { asm!("mov {}, gs:[0]", out(reg) number, options(nostack, readonly, preserves_flags)) };
    number
}

#[derive(Clone)]
struct Identity;

impl AcpiHandler for Identity {
    unsafe fn map_physical_region<T>(
        &self,
        address: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        let start = NonNull::new(address as *mut T).expect("page 0 has no tables");
        // SAFETY: all RAM is mapped where it is.
        unsafe { PhysicalMapping::new(address, start, size, size, Self) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

/// Notes which processors the machine has, this one first.
fn find_processors() {
    let mut found = 1;
    IDENTITIES[0].store(apic::identity(), Ordering::Relaxed);
    // SAFETY: the boot code keeps what QEMU passes: where its structure lies, which has
    // the tables' address at this offset. All in RAM that the kernel does not use.
    let tables = unsafe {
        let root = (boot_start_info as *const u64).byte_add(START_INFO_RSDP).read_unaligned();
        AcpiTables::from_rsdp(Identity, root as usize)
    };
    let tables = tables.unwrap_or_else(|error| panic!("no ACPI tables: {error:?}"));
    let madt = tables.find_table::<Madt>();
    let madt = madt.unwrap_or_else(|error| panic!("no table of processors: {error:?}"));
    for entry in madt.get().entries() {
        let MadtEntry::LocalApic(local) = entry else { continue };
        let enabled = { local.flags } & 1 != 0;
        if enabled && local.apic_id != apic::identity() && found < MAX_PROCESSORS {
            IDENTITIES[found].store(local.apic_id, Ordering::Relaxed);
            found += 1;
        }
    }
    FOUND.store(found, Ordering::Relaxed);
}

static FOUND: AtomicUsize = AtomicUsize::new(1);

/// Finds the other processors, and gives this one its timer and its messages.
pub fn prepare_processors() {
    context::enable_extended();
    apic::init(exceptions::TIMER, exceptions::SPURIOUS);
    find_processors();
}

/// Has a processor start, which then joins in.
///
/// # Panics
/// If the machine does not have it.
pub fn start_processor(number: usize) {
    let found = FOUND.load(Ordering::Relaxed);
    assert!(number < found, "the machine has {found} processors");
    let stack = (&raw const STACKS).addr() + (number + 1) * STACK_BYTES;
    let (code, end) = (&raw const processor_start, &raw const processor_start_end);
    // SAFETY: the page is RAM that nothing else uses; the code does not depend on
    // where it is, but for the address it has from here. Nobody else uses the words.
    unsafe {
        (START as *mut u8).copy_from_nonoverlapping(code, end.addr() - code.addr());
        start_root.store(paging::root(), Ordering::SeqCst);
        start_stack.store(stack, Ordering::SeqCst);
        start_number.store(number, Ordering::SeqCst);
    }
    let identity = IDENTITIES[number].load(Ordering::Relaxed);
    apic::send_init(identity);
    wait(10_000_000);
    for _ in 0..2 {
        apic::send_startup(identity, START_PAGE);
        wait(1_000_000);
        if smp::processors() > number {
            break;
        }
    }
}

fn wait(ns: u64) {
    let from = super::now_ns();
    while super::now_ns() - from < ns {
        core::hint::spin_loop();
    }
}

/// The first function of a processor that was started.
extern "C" fn begin(number: usize) -> ! {
    exceptions::load_tables(number);
    init_this_processor(number);
    context::enable_extended();
    apic::init(exceptions::TIMER, exceptions::SPURIOUS);
    smp::join_in(number)
}

/// Interrupts a processor to have it look for a thread.
pub fn tell(processor: usize) {
    apic::send(IDENTITIES[processor].load(Ordering::Relaxed), exceptions::TOLD);
}

/// Lets this processor have threads from now on.
pub fn idle() -> ! {
    apic::arm_timer(1_000_000);
    loop {
        x86_64::instructions::interrupts::enable_and_hlt();
    }
}
