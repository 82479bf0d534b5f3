//! The in-kernel test suite: the cases that also run on the host, under every
//! setup, and those only a kernel can run.
//!
//! Prints `case N NAME ... ok` per case. A failing case panics and so ends the
//! run; the host's runner then reboots with `from=N+1`. `filter=TEXT` skips
//! cases whose name does not contain the text, `skip=N-M,…` those with these
//! numbers. With `smp=N`, two setups run as threads on so many processors: see
//! [`threads`]. With `every-instruction`, guests are ended at all of them: see
//! [`ending`]. With `touch-a-guard` or `wrong-barriers=SETUP` no case runs: see
//! [`faults::touch_a_guard`] and [`ending::with_wrong_barriers`].
#![no_std]
#![no_main]

extern crate alloc;
// What the shapes import, which the host's tests share, is in `alloc`.
extern crate alloc as std;

mod compiling;
#[path = "../../../../tests/encoding/mod.rs"]
mod encoding;
mod ended;
mod ending;
mod exhaustion;
mod fault_stub;
mod faults;
mod interrupts;
mod protection;
mod running;
#[path = "../../../../tests/compile_growth/shapes.rs"]
mod shapes;
mod shared;
mod texts;
mod threads;
#[cfg(not(target_feature = "neon"))]
mod vectors;
#[path = "../../../../tests/compile_growth/wasm.rs"]
mod wasm;

use alloc::string::String;
use alloc::vec::Vec;
use kernref_qemu::{Verdict, embedder, payload, print, println, smp};
use kernref_testsuite::{CASES, Hooks, Setup, cases_about_references, install, slots_needed};

kernref_qemu::entry!(main);

/// A case that needs a kernel.
type KernelCase = (&'static str, fn(Setup));

macro_rules! kernel_cases {
    ($($module:ident::$name:ident,)*) => {
        &[$((concat!("kernel::", stringify!($module), "::", stringify!($name)), $module::$name),)*]
    };
}

const KERNEL_CASES: &[KernelCase] = kernel_cases![
    protection::code_is_never_writable_and_executable,
    protection::a_published_frame_is_writable_nowhere,
    protection::code_runs_at_another_address,
    protection::linear_memory_is_not_executable,
    protection::the_kernel_is_protected_from_itself,
    running::the_walk_finds_every_frame,
    running::compiling_gives_its_memory_back,
    running::a_small_stack_is_enough_for_a_trap,
    running::nobody_knows_a_kernels_stack_but_the_kernel,
    running::recursion_ends_before_the_stack_does,
    interrupts::results_survive_interrupts,
    interrupts::collections_survive_interrupts,
    interrupts::a_timer_ends_an_endless_loop,
    compiling::bombs_in_sixteen_mebibytes,
    compiling::refused_requests_leave_nothing,
    compiling::interrupt_handlers_allocate,
    compiling::loggers_allocate,
    compiling::a_timer_ends_compiling,
    exhaustion::a_full_machine_refuses_to_grow,
    exhaustion::small_allocations_only,
    exhaustion::small_arenas,
];

/// Cases that are about one processor: they change where its faults enter, which
/// threads that are moved away would leave behind.
const ONE_PROCESSOR: &[KernelCase] =
    kernel_cases![fault_stub::what_is_not_a_guests_arrives_intact,];

/// Cases in which one processor's vector instructions are off: where the kernel's
/// own code has none.
#[cfg(not(target_feature = "neon"))]
const VECTOR_CASES: &[KernelCase] = kernel_cases![vectors::off_they_are_reported,];
#[cfg(target_feature = "neon")]
const VECTOR_CASES: &[KernelCase] = &[];

/// Cases about guards, for the setups that use them.
const GUARD_CASES: &[KernelCase] = kernel_cases![
    faults::a_memory_is_guarded_and_given_back,
    faults::a_refused_commit_takes_nothing,
    faults::a_stray_access_ends_the_guest_alone,
    faults::strays_end_one_activation_at_a_time,
    faults::kernel_faults_are_not_blamed_on_guests,
    faults::each_engine_knows_its_own,
    faults::more_engines_than_are_watched_are_refused,
    faults::strays_survive_interrupts,
    faults::thousands_of_strays_leak_nothing,
    protection::code_runs_at_another_address,
];

/// Cases about guards and one processor, as [`ONE_PROCESSOR`].
#[cfg(target_arch = "aarch64")]
const ONE_PROCESSOR_GUARDS: &[KernelCase] = kernel_cases![
    fault_stub::it_ends_guests_and_leaves_the_rest,
    fault_stub::it_shares_the_stack_of_the_fault,
];
#[cfg(target_arch = "x86_64")]
const ONE_PROCESSOR_GUARDS: &[KernelCase] =
    kernel_cases![fault_stub::it_ends_guests_and_leaves_the_rest,];

/// Cases about one processor, for setups of their own.
const ENDING_CASES: &[KernelCase] =
    kernel_cases![ending::anywhere_with_many_collections, ending::anywhere_with_few_collections,];

/// Cases about several processors.
const SHARED_CASES: &[KernelCase] = kernel_cases![
    shared::four_stores_share_objects,
    shared::modules_come_and_go_everywhere,
    shared::compiled_here_run_there,
    shared::guests_keep_their_registers,
    shared::pages_are_gone_everywhere,
    shared::ticks_end_endless_loops_everywhere,
    shared::spinning_threads_let_the_holder_run,
    shared::threads_wait_for_each_other,
    ended::guests_are_ended_wherever_they_run,
];

/// A case, its setup, and its number among all.
pub struct Chosen {
    number: usize,
    name: &'static str,
    run: fn(Setup),
    setup: Setup,
    /// It looks at what all share: the heap, the page frames, the timer.
    alone: bool,
}

impl Chosen {
    fn setup_name(&self) -> String {
        match self.setup.slots {
            Some(slots) => alloc::format!("{}, {slots} slots", self.setup.name()),
            None => self.setup.name().into(),
        }
    }
}

/// Setups of the cases on several processors, unless all are asked for: two that
/// differ in everything.
const ON_SEVERAL: [Setup; 2] = [Setup::ALL[0], Setup::HARDWARE[1]];

/// All cases on one processor, in order.
fn on_one() -> Vec<Chosen> {
    let shared = CASES.iter().map(|case| ((case.name, case.run), false));
    let kernel = KERNEL_CASES.iter().chain(ONE_PROCESSOR).chain(VECTOR_CASES);
    let all = shared.chain(kernel.map(|case| (*case, true)));
    let setups = || Setup::ALL.into_iter().chain(Setup::HARDWARE).chain(Setup::LARGE);
    let all = all.flat_map(|(case, alone)| setups().map(move |setup| (case, setup, alone)));
    let guards = GUARD_CASES.iter().chain(ONE_PROCESSOR_GUARDS);
    let guards = guards.flat_map(|case| Setup::HARDWARE.map(|setup| (*case, setup, true)));
    let small = small_arenas().map(|(case, setup)| (case, setup, false));
    let ending = ENDING_CASES.iter();
    let ending = ending.flat_map(|case| ending::setups().map(|setup| (*case, setup, true)));
    numbered(all.chain(guards).chain(small).chain(ending))
}

/// All cases on several processors, in order.
fn on_several(setups: &[Setup]) -> Vec<Chosen> {
    let shared = CASES.iter().map(|case| ((case.name, case.run), false));
    let kernel = KERNEL_CASES.iter().chain(SHARED_CASES).map(|case| (*case, true));
    let all = shared.chain(kernel);
    let all = all.flat_map(|(case, alone)| setups.iter().map(move |s| (case, *s, alone)));
    let guarded = setups.iter().filter(|setup| setup.hardware_traps);
    let guards = guarded.flat_map(|setup| GUARD_CASES.iter().map(|case| (*case, *setup, true)));
    numbered(all.chain(guards))
}

fn numbered(cases: impl Iterator<Item = (KernelCase, Setup, bool)>) -> Vec<Chosen> {
    let number = |(number, ((name, run), setup, alone))| Chosen { number, name, run, setup, alone };
    cases.enumerate().map(number).collect()
}

/// Whether `number` is in a list like `1,4-7`.
fn is_in(list: &str, number: usize) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let parsed = (first.parse::<usize>(), last.parse::<usize>());
        matches!(parsed, (Ok(first), Ok(last)) if (first..=last).contains(&number))
    })
}

/// Cases that need few slots, with one setup per arena size.
fn small_arenas() -> impl Iterator<Item = (KernelCase, Setup)> {
    [(1, Setup::ALL[0]), (2, Setup::ALL[2]), (3, Setup::ALL[3])].into_iter().flat_map(
        |(slots, setup)| {
            let fit = cases_about_references().filter(move |case| slots_needed(case) <= slots);
            let setup = Setup { slots: Some(slots), ..setup };
            fit.map(move |case| ((case.name, case.run), setup))
        },
    )
}

fn main() -> Verdict {
    let payload = payload::read();
    let from = payload
        .args
        .iter()
        .find_map(|arg| arg.strip_prefix("from=")?.parse::<usize>().ok())
        .unwrap_or(0);
    let filter = payload.args.iter().find_map(|arg| arg.strip_prefix("filter=")).unwrap_or("");
    texts::init(&payload);
    install(Hooks {
        config: embedder::config,
        engine: embedder::engine,
        assemble: texts::assemble,
    });
    if payload.args.contains(&"protected-branches") && !embedder::protect_branches() {
        println!("this processor protects no branches");
        return Verdict::Refused;
    }
    if payload.args.contains(&"touch-a-guard") {
        faults::touch_a_guard();
        return Verdict::Failure;
    }
    if let Some(setup) = ending::wrong_setup(&payload.args) {
        ending::with_wrong_barriers(setup);
        return Verdict::Failure;
    }
    if payload.args.contains(&"every-instruction") {
        ending::everywhere();
    }
    let skip = payload.args.iter().find_map(|arg| arg.strip_prefix("skip=")).unwrap_or("");
    let several = smp::Request::of(&payload.args);
    let mut cases = match (&several, payload.args.contains(&"every-setup")) {
        (None, _) => on_one(),
        (Some(_), false) => on_several(&ON_SEVERAL),
        (Some(_), true) => on_several(&[&Setup::ALL[..], &Setup::HARDWARE, &Setup::LARGE].concat()),
    };
    cases.retain(|case| {
        case.number >= from && case.name.contains(filter) && !is_in(skip, case.number)
    });
    if let Some(request) = several {
        threads::run(request, cases);
    }
    let mut passed = 0_u32;
    for case in cases {
        print!("case {} {} [{}] ... ", case.number, case.name, case.setup_name());
        (case.run)(case.setup);
        embedder::forget_engines();
        println!("ok");
        passed += 1;
    }
    println!("{passed} passed, 0 failed");
    Verdict::Success
}
