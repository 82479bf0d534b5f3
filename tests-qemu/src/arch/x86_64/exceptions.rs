//! Descriptor tables and the path from an exception or interrupt to Rust.
//!
//! Stable Rust has no `x86-interrupt` calling convention, so each vector has a
//! stub that saves the general registers. Kernel code is soft-float and never
//! touches vector registers, which therefore keep the values of the interrupted
//! Wasm. #PF and #DF have stacks of their own, because a stack that ran into
//! its guard page raises them. So have the interrupts after which another thread
//! may run: its registers then replace what the stub saved. Each processor has
//! these stacks. All gates disable interrupts; `iretq` enables them again if the
//! interrupted code had them enabled.

use super::{apic, fault_stub, shootdown, timer};
use crate::exceptions::{self, FaultEntry};
use crate::faults;
use crate::sched::{self, Why};
use crate::smp::{self, MAX_PROCESSORS};
use crate::stepping::{self, Next};
use core::sync::atomic::{AtomicBool, Ordering};
use kernref::fault::FaultRegisters;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::control::Cr2;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::idt::InterruptDescriptorTable;
use x86_64::structures::tss::TaskStateSegment;

const VECTORS: usize = 64;
/// First vector of the interrupt controllers' lines.
pub(super) const FIRST_LINE: u8 = 32;
/// The vectors from here on may switch threads.
const FIRST_SWITCHING: u8 = TIMER;
/// A processor's own timer.
pub(super) const TIMER: u8 = 48;
/// Another processor asks to look for a thread.
pub(super) const TOLD: u8 = 49;
/// Another processor asks to forget pages.
pub(super) const SHOOTDOWN: u8 = 50;
/// What a thread wishes: `int`.
pub(super) const WISH: u8 = 51;
/// What the local controller raises when there is nothing to raise.
pub(super) const SPURIOUS: u8 = 63;

core::arch::global_asm!(
    r#"
    .altmacro
    .macro stub vector
    .balign 16
    .if \vector == 14
    .global exception_stub_14
exception_stub_14:
    .endif
    .if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    .else
    push 0
    .endif
    push \vector
    jmp exception_common
    .endm

    .section .text.vectors, "ax", @progbits
    .balign 16
    .global exception_stubs
exception_stubs:
    .set vector, 0
    .rept 64
    stub %vector
    .set vector, vector + 1
    .endr

exception_common:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    call {handle}
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq
    "#,
    handle = sym handle,
);

const STUB_BYTES: usize = 16;

unsafe extern "C" {
    static exception_stubs: u8;
}

/// What a stub leaves on the stack, from the lowest address up.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Frame {
    pub(super) r15_to_r8: [u64; 8],
    pub(super) rdi: u64,
    pub(super) rsi: u64,
    pub(super) rbp: u64,
    pub(super) rbx: u64,
    pub(super) rdx: u64,
    pub(super) rcx: u64,
    pub(super) rax: u64,
    pub(super) vector: u64,
    pub(super) error: u64,
    pub(super) rip: u64,
    pub(super) cs: u64,
    pub(super) rflags: u64,
    pub(super) rsp: u64,
    pub(super) ss: u64,
}

const DEBUG: usize = 1;
const PAGE_FAULT: usize = 14;
/// Flag: a debug exception follows the next instruction.
const TRAP: u64 = 1 << 8;
/// Bit of a page fault's error code (Intel SDM volume 3, 5.7).
const ERROR_INSTRUCTION_FETCH: u64 = 1 << 4;
/// Each processor has one stack for page faults.
static HANDLING_PAGE_FAULT: [AtomicBool; MAX_PROCESSORS] =
    [const { AtomicBool::new(false) }; MAX_PROCESSORS];

const NAMES: [&str; 22] = [
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "no device",
    "double fault",
    "coprocessor overrun",
    "invalid TSS",
    "segment not present",
    "stack segment",
    "general protection",
    "page fault",
    "reserved",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualization",
    "control protection",
];

extern "C" fn handle(frame: &mut Frame) {
    let vector = frame.vector as usize;
    if vector >= usize::from(FIRST_LINE) {
        interrupted(frame, vector as u8);
        return;
    }
    let is_page_fault = vector == PAGE_FAULT;
    let address = if is_page_fault { Cr2::read_raw() as usize } else { 0 };
    // The processor starts at the top of the page-fault stack each time: a fault
    // in the handler itself has overwritten the outer handler's return state.
    let handling = &HANDLING_PAGE_FAULT[smp::this()];
    let is_nested = is_page_fault && handling.swap(true, Ordering::Relaxed);
    if !is_nested && (step(frame) || resume_and_step(frame, address)) {
        if is_page_fault {
            handling.store(false, Ordering::Relaxed);
        }
        return;
    }
    let name = NAMES.get(vector).copied().unwrap_or("exception");
    let (error, sp) = (frame.error, frame.rsp);
    exceptions::fatal(
        name,
        frame.rip as usize,
        address,
        format_args!("error code {error:#x}, stack {sp:#x}"),
    )
}

fn interrupted(frame: &mut Frame, vector: u8) {
    if matches!(vector, TIMER | TOLD) || vector < FIRST_SWITCHING {
        // SAFETY: the registers are as the processor and the stub saved them. Nothing
        // of this thread runs before it goes on with what they are now.
        offer(frame, |registers| unsafe { faults::end_guest(registers) });
    }
    match vector {
        TIMER => {
            crate::timer::tick();
            apic::end_of_interrupt();
            sched::interrupted(frame, Why::Tick);
        }
        TOLD => {
            apic::end_of_interrupt();
            sched::interrupted(frame, Why::Told);
        }
        SHOOTDOWN => {
            shootdown::serve_requests();
            apic::end_of_interrupt();
        }
        WISH => sched::interrupted(frame, Why::Wish(frame.rdi, frame.rsi)),
        _ if vector < FIRST_SWITCHING => timer::interrupt(vector),
        _ => {}
    }
}

/// Asks whether and where to resume, and makes `iretq` go there.
fn resume(frame: &mut Frame, address: usize) -> bool {
    let is_access =
        frame.vector as usize == PAGE_FAULT && frame.error & ERROR_INSTRUCTION_FETCH == 0;
    // SAFETY: the registers are as the processor and the stub saved them, on
    // another stack. All code runs in ring 0.
    offer(frame, |registers| unsafe { exceptions::resume(registers, is_access.then_some(address)) })
}

/// Offers the registers; if they are taken, `iretq` goes where they say.
fn offer(frame: &mut Frame, take: impl FnOnce(&mut FaultRegisters) -> bool) -> bool {
    let mut registers = FaultRegisters {
        pc: frame.rip as usize,
        sp: frame.rsp as usize,
        fp: frame.rbp as usize,
        result: frame.rax as usize,
    };
    let taken = take(&mut registers);
    if taken {
        frame.rip = registers.pc as u64;
        frame.rsp = registers.sp as u64;
        frame.rbp = registers.fp as u64;
        frame.rax = registers.result as u64;
    }
    taken
}

/// Whether this is about single steps; if so, the next one is prepared.
fn step(frame: &mut Frame) -> bool {
    let is_fetch =
        frame.vector as usize == PAGE_FAULT && frame.error & ERROR_INSTRUCTION_FETCH != 0;
    let is_step = frame.vector as usize == DEBUG;
    match (is_step, is_fetch) {
        (true, _) => go_on(frame, |registers| Some(stepping::stepped(registers))),
        (false, true) => go_on(frame, stepping::entered),
        (false, false) => false,
    }
}

fn resume_and_step(frame: &mut Frame, address: usize) -> bool {
    let resumed = resume(frame, address);
    if resumed {
        go_on(frame, stepping::redirected);
    }
    resumed
}

/// Passes the registers on, and has the next instruction be a step or not, unless the
/// answer is that this is not to do with steps.
fn go_on(frame: &mut Frame, ask: impl FnOnce(&mut FaultRegisters) -> Option<Next>) -> bool {
    let mut next = None;
    offer(frame, |registers| {
        next = ask(registers);
        next.is_some()
    });
    match next {
        Some(Next::Stop) => frame.rflags |= TRAP,
        Some(Next::Run) => frame.rflags &= !TRAP,
        None => {}
    }
    next.is_some()
}

/// Nothing: the flag is the interrupted code's.
pub fn prepare_steps() {}

const STACK_BYTES: usize = 32 << 10;
/// Stacks of a processor: for double faults, for page faults, for switching.
const STACKS: usize = 3;
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "used by the processor")] [u8; STACK_BYTES]);
static mut EXCEPTION_STACKS: [[Stack; STACKS]; MAX_PROCESSORS] =
    [const { [const { Stack([0; STACK_BYTES]) }; STACKS] }; MAX_PROCESSORS];

/// What each processor has for itself.
struct Tables {
    task: Once<TaskStateSegment>,
    global: Once<GlobalDescriptorTable>,
}

static TABLES: [Tables; MAX_PROCESSORS] =
    [const { Tables { task: Once::new(), global: Once::new() } }; MAX_PROCESSORS];
/// One for each [`FaultEntry`].
static IDTS: [Once<InterruptDescriptorTable>; 4] = [const { Once::new() }; 4];

/// Loads the descriptor tables, and sets up the clock.
pub fn init_exceptions() {
    load_tables(0);
    timer::init();
}

/// Loads this processor's descriptor tables. Its GS base is left alone.
pub(super) fn load_tables(processor: usize) {
    let tables = &TABLES[processor];
    let task = tables.task.call_once(|| {
        let mut tss = TaskStateSegment::new();
        let stacks = (&raw const EXCEPTION_STACKS).addr() + processor * STACKS * STACK_BYTES;
        for at in 0..STACKS {
            tss.interrupt_stack_table[at] = VirtAddr::new((stacks + (at + 1) * STACK_BYTES) as u64);
        }
        tss
    });
    let mut table = GlobalDescriptorTable::new();
    let code = table.append(Descriptor::kernel_code_segment());
    let data = table.append(Descriptor::kernel_data_segment());
    let task = table.append(Descriptor::tss_segment(task));
    tables.global.call_once(|| table).load();
    // SAFETY: the selectors name the segments just made, flat like the boot code's.
    unsafe {
        CS::set_reg(code);
        SS::set_reg(data);
        DS::set_reg(data);
        ES::set_reg(data);
        load_tss(task);
    }
    set_fault_entry(FaultEntry::Own);
}

/// Makes page faults enter so.
pub fn set_fault_entry(entry: FaultEntry) {
    IDTS[entry as usize].call_once(|| interrupt_table(entry)).load();
}

fn interrupt_table(entry: FaultEntry) -> InterruptDescriptorTable {
    let mut idt = InterruptDescriptorTable::new();
    let base = (&raw const exception_stubs).addr();
    let stub = |vector: usize| VirtAddr::new((base + vector * STUB_BYTES) as u64);
    let page_fault = match entry {
        FaultEntry::Own => stub(14),
        FaultEntry::Stub => function(fault_stub::page_fault_stub),
        FaultEntry::Recording => function(fault_stub::recording_entry),
        FaultEntry::StubAndRecording => function(fault_stub::stub_before_recording),
    };
    // SAFETY: each stub saves what it changes and returns by `iretq`; each
    // stack is used by one exception only.
    unsafe {
        idt.divide_error.set_handler_addr(stub(0));
        idt.debug.set_handler_addr(stub(1));
        idt.non_maskable_interrupt.set_handler_addr(stub(2));
        idt.breakpoint.set_handler_addr(stub(3));
        idt.overflow.set_handler_addr(stub(4));
        idt.bound_range_exceeded.set_handler_addr(stub(5));
        idt.invalid_opcode.set_handler_addr(stub(6));
        idt.device_not_available.set_handler_addr(stub(7));
        idt.double_fault.set_handler_addr(stub(8)).set_stack_index(0);
        idt.invalid_tss.set_handler_addr(stub(10));
        idt.segment_not_present.set_handler_addr(stub(11));
        idt.stack_segment_fault.set_handler_addr(stub(12));
        idt.general_protection_fault.set_handler_addr(stub(13));
        idt.page_fault.set_handler_addr(page_fault).set_stack_index(1);
        idt.x87_floating_point.set_handler_addr(stub(16));
        idt.alignment_check.set_handler_addr(stub(17));
        idt.machine_check.set_handler_addr(stub(18));
        idt.simd_floating_point.set_handler_addr(stub(19));
        idt.virtualization.set_handler_addr(stub(20));
        for vector in usize::from(FIRST_LINE)..VECTORS {
            let entry = idt[vector as u8].set_handler_addr(stub(vector));
            if vector >= usize::from(FIRST_SWITCHING) {
                entry.set_stack_index(2);
            }
        }
    }
    idt
}

fn function(entry: unsafe extern "C" fn()) -> VirtAddr {
    VirtAddr::new(entry as usize as u64)
}
