//! Kernref and its peers side by side, in one process run.

mod measure;
mod rig;
mod rows;

use measure::{Effort, Who};

fn main() {
    let worker = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let effort = Effort::new(arguments.iter().any(|argument| argument == "--quick"));
        for row in rows::all() {
            let outcome = measure::run(row, &effort);
            print!("{:<28}", outcome.name);
            for stat in &outcome.stats {
                let (low, high) = stat.quartiles;
                print!(" {} {:.2} [{low:.2}-{high:.2}]", stat.who.name(), stat.median);
            }
            for who in [Who::W1, Who::W2] {
                print!(" | x{} {:.2}", who.name(), outcome.ratio(who).unwrap_or(f64::NAN));
            }
            match outcome.against_goal() {
                Some((found, goal)) => println!(" | goal {found:.2} <= {goal} {}", outcome.unit),
                None => println!(),
            }
        }
    });
    worker.expect("a thread").join().expect("all contenders agree");
}
