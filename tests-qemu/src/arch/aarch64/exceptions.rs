//! The vector table and the path from an exception or interrupt to Rust.
//!
//! Where Rust code uses vector registers, the stub saves them along with their
//! status and control: interrupted Wasm finds everything unchanged. The processor
//! switches to `SP_EL1` and masks interrupts, and `eret` undoes both. A fault in
//! the handler itself comes through another vector and is not resumed. When
//! another thread's turn has come, its registers replace what the stub saved.

use super::{fault_stub, timer};
use crate::exceptions::{self, FaultEntry};
use crate::faults;
use crate::sched::{self, Why};
use crate::stepping::{self, Next};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ESR_EL1, FAR_EL1, Readable, VBAR_EL1, Writeable};
use kernref::fault::FaultRegisters;

core::arch::global_asm!(
    #[cfg(target_feature = "neon")]
    r#"
    .macro save_vectors
    mrs x2, fpsr
    mrs x3, fpcr
    stp x2, x3, [sp, #272]
    add x2, sp, #288
    stp q0, q1, [x2]
    stp q2, q3, [x2, #32]
    stp q4, q5, [x2, #64]
    stp q6, q7, [x2, #96]
    stp q8, q9, [x2, #128]
    stp q10, q11, [x2, #160]
    stp q12, q13, [x2, #192]
    stp q14, q15, [x2, #224]
    stp q16, q17, [x2, #256]
    stp q18, q19, [x2, #288]
    stp q20, q21, [x2, #320]
    stp q22, q23, [x2, #352]
    stp q24, q25, [x2, #384]
    stp q26, q27, [x2, #416]
    stp q28, q29, [x2, #448]
    stp q30, q31, [x2, #480]
    .endm
    .macro restore_vectors
    add x2, sp, #288
    ldp q0, q1, [x2]
    ldp q2, q3, [x2, #32]
    ldp q4, q5, [x2, #64]
    ldp q6, q7, [x2, #96]
    ldp q8, q9, [x2, #128]
    ldp q10, q11, [x2, #160]
    ldp q12, q13, [x2, #192]
    ldp q14, q15, [x2, #224]
    ldp q16, q17, [x2, #256]
    ldp q18, q19, [x2, #288]
    ldp q20, q21, [x2, #320]
    ldp q22, q23, [x2, #352]
    ldp q24, q25, [x2, #384]
    ldp q26, q27, [x2, #416]
    ldp q28, q29, [x2, #448]
    ldp q30, q31, [x2, #480]
    ldp x2, x3, [sp, #272]
    msr fpsr, x2
    msr fpcr, x3
    .endm
    "#,
    // Handlers without vector registers leave those of Wasm alone.
    #[cfg(not(target_feature = "neon"))]
    r#"
    .macro save_vectors
    .endm
    .macro restore_vectors
    .endm
    "#,
    r#"
    .section .text.vectors, "ax", @progbits
    .macro vector kind
    .balign 128
    sub sp, sp, #800
    stp x0, x1, [sp]
    mov x1, #\kind
    b exception_common
    .endm

    .balign 2048
    .global exception_vectors
exception_vectors:
    vector 0
    vector 1
    vector 2
    vector 3
    .balign 128
    .global exception_vector_4
exception_vector_4:
    vector 4
    vector 5
    vector 6
    vector 7
    vector 8
    vector 9
    vector 10
    vector 11
    vector 12
    vector 13
    vector 14
    vector 15

    // The same with other entries for accesses to memory.
    .macro table name, zero, four
    .balign 2048
    .global \name
\name:
    b \zero
    vector 1
    vector 2
    vector 3
    .balign 128
    b \four
    vector 5
    vector 6
    vector 7
    vector 8
    vector 9
    vector 10
    vector 11
    vector 12
    vector 13
    vector 14
    vector 15
    .endm

    table stub_vectors, {stub}, {stub_same_stack}
    table recording_vectors, recording_entry, exception_vector_4
    table stub_recording_vectors, {recording}, exception_vector_4

exception_common:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x2, elr_el1
    stp x30, x2, [sp, #240]
    mrs x2, spsr_el1
    mrs x3, sp_el0
    stp x2, x3, [sp, #256]
    save_vectors
    mov x0, sp
    bl {handle}
    restore_vectors
    ldp x2, x3, [sp, #256]
    msr spsr_el1, x2
    msr sp_el0, x3
    ldp x30, x2, [sp, #240]
    msr elr_el1, x2
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp]
    add sp, sp, #800
    eret
    "#,
    handle = sym handle,
    stub = sym fault_stub::abort_stub,
    stub_same_stack = sym fault_stub::abort_stub_same_stack,
    recording = sym fault_stub::stub_before_recording,
);

unsafe extern "C" {
    static exception_vectors: u8;
    static stub_vectors: u8;
    static recording_vectors: u8;
    static stub_recording_vectors: u8;
}

/// What the stub leaves on the exception stack, from the lowest address up.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Frame {
    pub(super) general: [u64; 31],
    pub(super) elr: u64,
    pub(super) spsr: u64,
    pub(super) sp: u64,
    pub(super) fpsr: u64,
    pub(super) fpcr: u64,
    pub(super) vectors: [u128; 32],
}
const _: () = assert!(size_of::<Frame>() == 800);

/// Kinds of vectors, in table order: 0 to 3 come from the kernel's stack.
const SYNCHRONOUS: u64 = 0;
const INTERRUPT: u64 = 1;

/// Class of a system call: what a thread wishes.
const SYSTEM_CALL: u64 = 0x15;
/// Class of an instruction abort that came from this exception level.
const INSTRUCTION_ABORT: u64 = 0x21;
/// Class of a step that this exception level took.
const STEP: u64 = 0x33;
/// Class of a data abort that came from this exception level.
const DATA_ABORT: u64 = 0x25;
/// Syndrome bit of a data abort: `FAR_EL1` holds no address.
const FAR_NOT_VALID: u64 = 1 << 10;
/// Saved-state bits: how the interrupted code was branched to, which does not
/// apply to where it resumes.
const BRANCH_TYPE: u64 = 3 << 10;
/// Saved-state bits: debug exceptions are masked; the next instruction is a step.
const DEBUG_MASKED: u64 = 1 << 9;
const SINGLE_STEP: u64 = 1 << 21;

extern "C" fn handle(frame: &mut Frame, kind: u64) {
    if kind == INTERRUPT {
        // SAFETY: the registers are as the processor and the stub saved them. Nothing
        // of this thread runs before it goes on with what they are now.
        offer(frame, |registers| unsafe { faults::end_guest(registers) });
        timer::interrupt(frame);
        return;
    }
    let address = FAR_EL1.get() as usize;
    let pc = frame.elr as usize;
    let syndrome = ESR_EL1.get();
    let class = syndrome >> 26 & 63;
    if kind == SYNCHRONOUS && class == SYSTEM_CALL {
        let [number, argument, ..] = frame.general;
        sched::interrupted(frame, Why::Wish(number, argument));
        return;
    }
    let is_access = class == DATA_ABORT && syndrome & FAR_NOT_VALID == 0;
    let accessed = is_access.then_some(address);
    if kind == SYNCHRONOUS && (step(frame, class) || resume_and_step(frame, accessed)) {
        return;
    }
    let name = match class {
        0x00 => "undefined instruction",
        0x07 => "floating point off",
        0x20 | 0x21 => "instruction abort",
        0x22 => "pc alignment",
        0x24 | 0x25 => "data abort",
        0x26 => "stack alignment",
        0x2f => "SError",
        0x3c => "breakpoint",
        _ => "exception",
    };
    let sp = frame.sp;
    exceptions::fatal(
        name,
        pc,
        address,
        format_args!("vector {kind}, syndrome {syndrome:#x}, stack {sp:#x}"),
    )
}

/// Asks whether and where to resume, and makes `eret` go there.
fn resume(frame: &mut Frame, accessed: Option<usize>) -> bool {
    // SAFETY: the registers are as the processor and the stub saved them, of
    // code on `SP_EL0` at this level; the handler is on `SP_EL1`.
    offer(frame, |registers| unsafe { exceptions::resume(registers, accessed) })
}

/// Offers the registers; if they are taken, `eret` goes where they say.
fn offer(frame: &mut Frame, take: impl FnOnce(&mut FaultRegisters) -> bool) -> bool {
    let [x0, .., fp, _] = &mut frame.general;
    let mut registers = FaultRegisters {
        pc: frame.elr as usize,
        sp: frame.sp as usize,
        fp: *fp as usize,
        result: *x0 as usize,
    };
    let taken = take(&mut registers);
    if taken {
        if frame.elr != registers.pc as u64 {
            frame.spsr &= !BRANCH_TYPE;
        }
        frame.elr = registers.pc as u64;
        frame.sp = registers.sp as u64;
        *fp = registers.fp as u64;
        *x0 = registers.result as u64;
    }
    taken
}

/// Whether this is about single steps; if so, the next one is prepared.
fn step(frame: &mut Frame, class: u64) -> bool {
    match class {
        STEP => go_on(frame, |registers| Some(stepping::stepped(registers))),
        INSTRUCTION_ABORT => go_on(frame, stepping::entered),
        _ => false,
    }
}

fn resume_and_step(frame: &mut Frame, accessed: Option<usize>) -> bool {
    let resumed = resume(frame, accessed);
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
    frame.spsr = match next {
        Some(Next::Stop) => frame.spsr & !DEBUG_MASKED | SINGLE_STEP,
        Some(Next::Run) => frame.spsr & !SINGLE_STEP | DEBUG_MASKED,
        None => frame.spsr,
    };
    next.is_some()
}

/// Has this processor take steps where debug exceptions are not masked: nowhere, until
/// a frame says so (Arm ARM, D2.12; the lock is for debuggers from outside).
pub fn prepare_steps() {
    const STEPS_AT_THIS_LEVEL: u64 = 1 << 13 | 1;
    // SAFETY: changes what happens where debug exceptions are not masked alone.
    unsafe {
        core::arch::asm!(
            "msr oslar_el1, xzr",
            "msr mdscr_el1, {}",
            "isb",
            in(reg) STEPS_AT_THIS_LEVEL,
            options(nostack),
        );
    }
}

/// Loads the vector table, sets up interrupts and the clock.
pub fn init_exceptions() {
    set_fault_entry(FaultEntry::Own);
    timer::init();
}

/// Makes synchronous exceptions enter so.
pub fn set_fault_entry(entry: FaultEntry) {
    let table = match entry {
        FaultEntry::Own => &raw const exception_vectors,
        FaultEntry::Stub => &raw const stub_vectors,
        FaultEntry::Recording => &raw const recording_vectors,
        FaultEntry::StubAndRecording => &raw const stub_recording_vectors,
    };
    VBAR_EL1.set(table.addr() as u64);
    barrier::isb(barrier::SY);
}
