//! Runs the cases on the host, each under every setup and within a time limit.

mod watchdog;

use kernref_testsuite::{CASES, Hooks, Setup, install};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::Command;

/// Never ends; run by [`a_hang_is_named`] alone.
const HANG: &str = "a case that hangs";

/// The limit holds, and says which case it was.
fn a_hang_is_named() -> Result<(), Failed> {
    let this = std::env::current_exe()?;
    let arguments = ["--ignored", "--exact", HANG];
    let run = Command::new(this).args(arguments).env("KERNREF_CASE_SECONDS", "1").output()?;
    let told = String::from_utf8_lossy(&run.stderr).contains(HANG);
    match run.status.code() == Some(101) && told {
        true => Ok(()),
        false => Err(format!("{run:?}").into()),
    }
}

fn main() {
    let arguments = Arguments::from_args();
    install(Hooks {
        config: kernref::Config::new,
        engine: kernref::Engine::new,
        assemble: |text| wat::parse_str(text).ok(),
    });
    let trials = CASES.iter().flat_map(|case| {
        let setups = Setup::ALL.into_iter().chain(Setup::HARDWARE).chain(Setup::LARGE);
        setups.map(move |setup| {
            let name = format!("{} [{}]", case.name, setup.name());
            Trial::test(name.clone(), move || {
                watchdog::timed(&name, || (case.run)(setup));
                Ok(())
            })
        })
    });
    let hang = || {
        watchdog::timed(HANG, || {
            loop {
                std::thread::park()
            }
        })
    };
    let hang = Trial::test(HANG, hang).with_ignored_flag(true);
    let named = Trial::test("a_hang_is_named", a_hang_is_named);
    libtest_mimic::run(&arguments, trials.chain([hang, named]).collect()).exit();
}
