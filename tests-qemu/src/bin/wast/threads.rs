//! Scripts as threads on several processors, preempted and moved to another
//! processor at every tick.
//!
//! Prints `begin N NAME` when a file begins, and what it reports all at once when
//! it has ended. A failure names the thread, which is called `file N NAME`.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernref_qemu::smp::{self, Request};
use kernref_qemu::{Verdict, embedder, print, println, sched};
use kernref_wast_script::{Options, report};

/// Priorities of the workers. More workers than processors, so that every tick
/// is another thread's turn.
const WORKERS: [u8; 5] = [2, 2, 2, 1, 3];

/// Runs the files, numbered from `first`. Does not return.
pub fn run(
    request: Request,
    files: Vec<(&'static str, &'static [u8])>,
    first: usize,
    options: impl FnOnce() -> Option<Options> + Send + 'static,
) -> ! {
    smp::run(request, move || {
        let Some(options) = options() else { return Verdict::Refused };
        let options = Arc::new(options);
        let (files, next) = (Arc::new(files), Arc::new(AtomicUsize::new(0)));
        let workers = WORKERS.map(|priority| {
            let (files, next, options) = (files.clone(), next.clone(), options.clone());
            sched::spawn("worker", priority, move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, bytes)) = files.get(at) else { break };
                    run_file(first + at, name, bytes, &options);
                }
            })
        });
        workers.into_iter().for_each(sched::JoinHandle::join);
        println!("{} switches", sched::switches());
        Verdict::Success
    })
}

fn run_file(number: usize, name: &str, bytes: &[u8], options: &Options) {
    println!("begin {number} {name}");
    sched::rename(&format!("file {number} {name}"));
    let mut text = String::new();
    report(&mut text, number, name, bytes, options).expect("strings grow");
    embedder::forget_engines();
    print!("{text}");
}
