//! The cases about references in arenas of one, two and three slots: a case
//! that needs no more slots passes; any other is told that the arena is full.

mod watchdog;

use kernref_testsuite::{Case, Hooks, Setup, cases_about_references, install, slots_needed};
use libtest_mimic::{Arguments, Failed, Trial};
use std::any::Any;
use std::cell::Cell;
use std::panic::catch_unwind;

/// Cases that count objects waiting for their destructor. Without room nothing
/// waits, so what fails is the count.
const COUNTING_WHAT_WAITS: [&str; 4] = [
    "references::draining_can_be_left_to_the_embedder",
    "stepping::an_abandoned_step_loses_nothing",
    "stepping::a_store_dropped_in_the_middle_of_a_step",
    "stepping::steps_find_what_a_collection_finds",
];

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// Runs a case that must not pass.
fn is_refused(case: &'static Case, setup: Setup) -> Result<(), Failed> {
    QUIET.set(true);
    let outcome = catch_unwind(|| (case.run)(setup));
    QUIET.set(false);
    let Err(payload) = outcome else {
        return Err(format!("passes: it needs no {} slots", slots_needed(case)).into());
    };
    let told = text(&*payload).contains("ReferenceArenaFull");
    match told || COUNTING_WHAT_WAITS.contains(&case.name) {
        true => Ok(()),
        false => Err(format!("fails for another reason: {}", text(&*payload)).into()),
    }
}

fn main() {
    let arguments = Arguments::from_args();
    install(Hooks {
        config: kernref::Config::new,
        engine: kernref::Engine::new,
        assemble: |text| wat::parse_str(text).ok(),
    });
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            loud(info);
        }
    }));
    let trials = (1..=3).flat_map(|slots| {
        cases_about_references().flat_map(move |case| {
            Setup::ALL.into_iter().map(move |setup| {
                let setup = Setup { slots: Some(slots), ..setup };
                let name = format!("{} [{}, {slots} slots]", case.name, setup.name());
                Trial::test(name.clone(), move || {
                    watchdog::timed(&name, || match slots_needed(case) <= slots {
                        true => {
                            (case.run)(setup);
                            Ok(())
                        }
                        false => is_refused(case, setup),
                    })
                })
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
