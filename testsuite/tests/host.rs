//! Runs the cases on the host, each under every setup.

use kernref_testsuite::{CASES, Hooks, Setup, install};
use libtest_mimic::{Arguments, Trial};

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
            Trial::test(format!("{} [{}]", case.name, setup.name()), move || {
                (case.run)(setup);
                Ok(())
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
