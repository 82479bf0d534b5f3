//! The in-kernel test suite: the cases that also run on the host, under every
//! setup, and those only a kernel can run.
//!
//! Prints `case N NAME ... ok` per case. A failing case panics and so ends the
//! run; the host's runner then reboots with `from=N+1`. `filter=TEXT` skips
//! cases whose name does not contain the text. With `touch-a-guard` no case
//! runs: see [`faults::touch_a_guard`].
#![no_std]
#![no_main]

extern crate alloc;
// What the shapes import, which the host's tests share, is in `alloc`.
extern crate alloc as std;

mod compiling;
#[path = "../../../../tests/encoding/mod.rs"]
mod encoding;
mod exhaustion;
mod fault_stub;
mod faults;
mod interrupts;
mod protection;
mod running;
#[path = "../../../../tests/compile_growth/shapes.rs"]
mod shapes;
mod texts;
#[cfg(not(target_feature = "neon"))]
mod vectors;
#[path = "../../../../tests/compile_growth/wasm.rs"]
mod wasm;

use kernref_qemu::{Verdict, embedder, payload, print, println};
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
    fault_stub::what_is_not_a_guests_arrives_intact,
];

/// Cases in which vector instructions are off: where the kernel's own code has none.
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
    fault_stub::it_ends_guests_and_leaves_the_rest,
];

/// Those of one architecture.
#[cfg(target_arch = "aarch64")]
const MORE_GUARD_CASES: &[KernelCase] =
    kernel_cases![fault_stub::it_shares_the_stack_of_the_fault,];
#[cfg(target_arch = "x86_64")]
const MORE_GUARD_CASES: &[KernelCase] = &[];

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
    let shared = CASES.iter().map(|case| (case.name, case.run));
    let all = shared.chain(KERNEL_CASES.iter().copied()).chain(VECTOR_CASES.iter().copied());
    let all = all.flat_map(|case| {
        Setup::ALL
            .into_iter()
            .chain(Setup::HARDWARE)
            .chain(Setup::LARGE)
            .map(move |setup| (case, setup))
    });
    let guards = GUARD_CASES.iter().chain(MORE_GUARD_CASES);
    let guards = guards.flat_map(|case| Setup::HARDWARE.map(|setup| (*case, setup)));
    let all = all.chain(guards);
    let mut passed = 0_u32;
    let chosen = all.chain(small_arenas()).enumerate().skip(from);
    for (number, ((name, run), setup)) in chosen.filter(|(_, ((name, _), _))| name.contains(filter))
    {
        print!("case {number} {name} [{}", setup.name());
        if let Some(slots) = setup.slots {
            print!(", {slots} slots");
        }
        print!("] ... ");
        run(setup);
        embedder::forget_engines();
        println!("ok");
        passed += 1;
    }
    println!("{passed} passed, 0 failed");
    Verdict::Success
}
