//! Ends the tests with the names of cases that take too long: a case that hangs
//! would otherwise say nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

/// Far more than any case takes, on a machine that has other work to do.
const LIMIT_SECONDS: u64 = 300;

/// Cases that run.
static RUNNING: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());

fn limit() -> Duration {
    let seconds = std::env::var("KERNREF_CASE_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(LIMIT_SECONDS))
}

fn watch() {
    let limit = limit();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let running = RUNNING.lock().unwrap();
        let late = running.iter().filter(|(_, since)| since.elapsed() > limit);
        let late: Vec<&String> = late.map(|(name, _)| name).collect();
        if !late.is_empty() {
            eprintln!("after {} s, these have not ended: {late:?}", limit.as_secs());
            std::process::exit(101);
        }
    }
}

/// Takes a case off the list, also when it panics.
struct Entry<'n>(&'n str);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        RUNNING.lock().unwrap().remove(self.0);
    }
}

/// Runs a case, which must end in time.
pub fn timed<R>(name: &str, case: impl FnOnce() -> R) -> R {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| drop(std::thread::spawn(watch)));
    RUNNING.lock().unwrap().insert(name.into(), Instant::now());
    let _entry = Entry(name);
    case()
}
