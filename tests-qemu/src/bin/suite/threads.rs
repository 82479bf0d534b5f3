//! The suite as threads on several processors: workers of different priorities
//! take cases until there are none left, and are preempted and moved to another
//! processor at every tick. Then come the cases that need the kernel for
//! themselves, one after another, beside a thread that uses every register.
//!
//! Prints `begin N NAME` when a case begins, and `case N NAME ... ok` when it has
//! ended. A failure names the thread, which is called `case N NAME`.

use crate::{Chosen, shared};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use kernref_qemu::smp::{self, Request};
use kernref_qemu::{Verdict, embedder, println, sched};

/// Priorities of the workers. More workers than processors, so that every tick
/// is another thread's turn.
const WORKERS: [u8; 5] = [2, 2, 2, 1, 3];

/// Runs the cases. Does not return.
pub fn run(request: Request, cases: Vec<Chosen>) -> ! {
    smp::run(request, move || {
        let passed = Arc::new(AtomicU32::new(0));
        let (alone, together) = cases.into_iter().partition::<Vec<_>, _>(|case| case.alone);
        let (together, next) = (Arc::new(together), Arc::new(AtomicUsize::new(0)));
        let workers = WORKERS.map(|priority| {
            let (cases, next, passed) = (together.clone(), next.clone(), passed.clone());
            sched::spawn("worker", priority, move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run_case(case);
                    passed.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        workers.into_iter().for_each(sched::JoinHandle::join);
        if !alone.is_empty() {
            run_alone(alone, &passed);
        }
        println!("{} passed, 0 failed; {} switches", passed.load(Ordering::Relaxed), {
            sched::switches()
        });
        Verdict::Success
    })
}

fn run_case(case: &Chosen) {
    let name = format!("case {} {} [{}]", case.number, case.name, case.setup_name());
    println!("begin {}", &name["case ".len()..]);
    sched::rename(&name);
    (case.run)(case.setup);
    embedder::forget_engines();
    println!("{name} ... ok");
}

fn run_alone(cases: Vec<Chosen>, passed: &Arc<AtomicU32>) {
    let done = Arc::new(AtomicBool::new(false));
    let disturbing = sched::spawn("registers", 2, {
        let done = done.clone();
        move || {
            let mut seed = 0;
            while !done.load(Ordering::Relaxed) {
                seed += 1;
                shared::registers_are_kept(seed, 10_000);
                sched::give_way();
            }
        }
    });
    let passed = passed.clone();
    let worker = sched::spawn("worker", 2, move || {
        for case in cases {
            run_case(&case);
            passed.fetch_add(1, Ordering::Relaxed);
        }
    });
    worker.join();
    done.store(true, Ordering::Relaxed);
    disturbing.join();
}
