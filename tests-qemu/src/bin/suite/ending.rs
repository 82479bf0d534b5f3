//! Ends a guest after each of its instructions, one step of the processor at a time.
//!
//! A first run counts the instructions of published code. Then a guest of its own
//! comes to each of them, and is asked to end there, as the timer's handler would
//! ("not now" is asked again at the next instruction). What its objects have become,
//! whether the store is as good as ever, and what it has left of the kernel's memory
//! is looked at each time. With barriers that write in the wrong order, some guest
//! must leave something wrong: that ends the kernel, and the host expects it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use kernref::fault::FaultRegisters;
use kernref::{Engine, InterruptHandle};
use kernref_qemu::stepping::{Next, SteppedCode, while_stepping};
use kernref_qemu::{frames, heap, print, println};
use kernref_testsuite::Setup;
use kernref_testsuite::ending::{
    ACTIVATIONS, Afterwards, Barriers, Collections, Guest, Program, RETURNS,
};

/// The most instructions of published code that a run may have; two thirds more if
/// compiled as if large.
const MOST_INSTRUCTIONS: usize = 3000;
/// Unless all are asked for, each instruction whose number is a multiple of this.
const SOME: usize = 7;

static EVERYWHERE: AtomicBool = AtomicBool::new(false);

/// From now on, guests are ended at every instruction.
pub fn everywhere() {
    EVERYWHERE.store(true, Ordering::Relaxed);
}

/// The setups: each policy, by code and by the hardware, and as large functions are
/// compiled. Instructions are counted, so no collection may come at every safepoint.
pub fn setups() -> impl Iterator<Item = Setup> {
    let all = Setup::ALL.into_iter().chain(Setup::HARDWARE).chain(Setup::LARGE);
    let mut setups = Vec::<Setup>::new();
    for setup in all.map(|setup| Setup { zeal: false, ..setup }) {
        if !setups.iter().any(|known| known.name() == setup.name()) {
            setups.push(setup);
        }
    }
    setups.into_iter()
}

pub fn anywhere_with_many_collections(setup: Setup) {
    end_everywhere(setup, Barriers::Right, Collections::Many);
}

pub fn anywhere_with_few_collections(setup: Setup) {
    end_everywhere(setup, Barriers::Right, Collections::Few);
}

/// Ends guests with wrong barriers, until one of them is found to have been: that
/// does not return.
pub fn with_wrong_barriers(setup: Setup) {
    println!("ending guests with wrong barriers");
    end_everywhere(setup, Barriers::Wrong, Collections::Many);
    println!("nothing was wrong with wrong barriers");
}

/// Where "not now" may be the answer in published code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first instruction of an entry shim: the frame pointer still is the host's.
    ShimPush,
    /// The next one, which makes it the shim's.
    ShimFrame,
    /// The last one: the frame pointer is the host's again.
    ShimReturn,
    /// Any other: there must be none.
    Elsewhere,
}

impl Place {
    const ALL: [Self; 4] = [Self::ShimPush, Self::ShimFrame, Self::ShimReturn, Self::Elsewhere];

    /// # Safety
    /// The registers are those of code that was interrupted in published code.
    unsafe fn of(engine: &Engine, registers: &FaultRegisters) -> Self {
        // SAFETY: code can be read, and the frame pointer names a live frame.
        let (code, return_address) = unsafe {
            let code = (registers.pc as *const [u8; 4]).read_unaligned();
            (code, (registers.fp as *const usize).add(1).read())
        };
        // Only the frame of the entry returns to code that is not published and is not
        // the entry itself.
        if engine.is_published(return_address) {
            return Self::Elsewhere;
        }
        #[cfg(target_arch = "x86_64")]
        return match code {
            [0x55, ..] => Self::ShimPush,
            [0x48, 0x89, 0xe5, _] => Self::ShimFrame,
            [0xc3, ..] => Self::ShimReturn,
            _ => Self::Elsewhere,
        };
        #[cfg(target_arch = "aarch64")]
        return match u32::from_le_bytes(code) {
            // `stp x29, x30, [sp, #-16]!`
            0xa9bf_7bfd => Self::ShimPush,
            // `mov x29, sp`
            0x9100_03fd => Self::ShimFrame,
            // `ret`
            0xd65f_03c0 => Self::ShimReturn,
            _ => Self::Elsewhere,
        };
    }
}

/// What the hook knows of the guest that is stepped through.
struct Stepper {
    engine: Engine,
    handle: InterruptHandle,
    /// The instruction at which it is asked to end; none if zero.
    ask_at: usize,
    /// Instructions of published code so far.
    instructions: AtomicUsize,
    not_now: [AtomicUsize; Place::ALL.len()],
}

static STEPPER: AtomicPtr<Stepper> = AtomicPtr::new(core::ptr::null_mut());

/// Runs before each instruction of published code.
fn stop(registers: &mut FaultRegisters) -> Next {
    // SAFETY: set before the first step, and valid until the last.
    let stepper = unsafe { &*STEPPER.load(Ordering::Relaxed) };
    let number = stepper.instructions.fetch_add(1, Ordering::Relaxed) + 1;
    if stepper.ask_at == 0 || number < stepper.ask_at {
        return Next::Stop;
    }
    if number == stepper.ask_at {
        stepper.handle.interrupt();
    }
    // SAFETY: interrupted here, and the stack stands still.
    if unsafe { stepper.engine.handle_interrupt(registers) } {
        return Next::Run;
    }
    // SAFETY: as above.
    let place = unsafe { Place::of(&stepper.engine, registers) };
    if place == Place::Elsewhere {
        println!("not now at pc {:#x}", registers.pc);
    }
    stepper.not_now[place as usize].fetch_add(1, Ordering::Relaxed);
    Next::Stop
}

/// What became of a guest.
struct Outcome {
    ended: bool,
    instructions: usize,
    not_now: [usize; Place::ALL.len()],
}

/// Steps through a guest, and asks it to end at one instruction.
fn run(program: &Program, guest: &mut Guest, ask_at: usize) -> Outcome {
    let mut stepper = Stepper {
        engine: program.engine().clone(),
        handle: guest.interrupt_handle(),
        ask_at,
        instructions: AtomicUsize::new(0),
        not_now: [const { AtomicUsize::new(0) }; Place::ALL.len()],
    };
    STEPPER.store(&raw mut stepper, Ordering::Relaxed);
    let ended = while_stepping(stop, || guest.run());
    STEPPER.store(core::ptr::null_mut(), Ordering::Relaxed);
    Outcome {
        ended,
        instructions: stepper.instructions.into_inner(),
        not_now: stepper.not_now.map(AtomicUsize::into_inner),
    }
}

fn end_everywhere(setup: Setup, barriers: Barriers, collections: Collections) {
    let setup = Setup { zeal: false, ..setup };
    let program = Program::new(setup, barriers, collections, |config| {
        config.code_memory(Arc::new(SteppedCode));
    });
    // Without any end, and under each way to look at what is left.
    for at in 0..5 {
        let mut guest = program.guest();
        assert!(!guest.run());
        guest.check(Afterwards::of(at));
    }
    let in_use = || (heap::usage().0, frames::available());
    let before = in_use();
    let mut guest = program.guest();
    let Outcome { ended, instructions, .. } = run(&program, &mut guest, 0);
    assert!(!ended);
    guest.check(Afterwards::Collect);
    let more = if setup.as_if_large { MOST_INSTRUCTIONS * 2 / 3 } else { 0 };
    let bounds = 500..=MOST_INSTRUCTIONS + more;
    assert!(bounds.contains(&instructions), "{instructions} instructions");

    let every = if EVERYWHERE.load(Ordering::Relaxed) { 1 } else { SOME };
    let (mut asked, mut ended, mut not_now) = (0, 0, [0; Place::ALL.len()]);
    for at in (every..=instructions).step_by(every) {
        let mut guest = program.guest();
        let outcome = run(&program, &mut guest, at);
        assert!(outcome.instructions >= at, "instruction {at} was not reached");
        guest.check(Afterwards::of(at / every));
        assert_eq!(in_use(), before, "memory in use after an end at instruction {at}");
        asked += 1;
        ended += usize::from(outcome.ended);
        for (sum, count) in not_now.iter_mut().zip(outcome.not_now) {
            *sum += count;
        }
    }
    // Within the case's line.
    print!(
        "{instructions} instructions, asked at {asked}: {ended} ended, {} went on; not now \
         {not_now:?} ... ",
        asked - ended,
    );
    // A nested activation was ended, and the outer one went on; or the program was
    // about to return.
    assert!(ended > asked / 2 && ended < asked, "nested activations are ended, too");
    assert_eq!(not_now[Place::Elsewhere as usize], 0);
    if every == 1 {
        // Asked first at the push, a guest is asked again at the next instruction.
        assert_eq!(not_now[..3], [ACTIVATIONS, 2 * ACTIVATIONS, RETURNS]);
    }
}

/// The setup of [`with_wrong_barriers`] for an argument of the kernel.
pub fn wrong_setup(args: &[&str]) -> Option<Setup> {
    let wrong = args.iter().find_map(|arg| arg.strip_prefix("wrong-barriers="))?;
    let setup = setups().find(|setup| setup.name() == wrong);
    Some(setup.unwrap_or_else(|| panic!("no setup is called {wrong}")))
}
