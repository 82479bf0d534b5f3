//! Prints `NAME SEED VALUE` for every program, with the seeds given or those of
//! the committed list.

use guest_logic::PROGRAMS;
use std::process::ExitCode;

const SEEDS: [i32; 6] = [0, 1, 2, 42, -1, i32::MIN];

fn main() -> ExitCode {
    let given: Result<Vec<i32>, _> = std::env::args().skip(1).map(|seed| seed.parse()).collect();
    let seeds = match given {
        Ok(seeds) if seeds.is_empty() => SEEDS.to_vec(),
        Ok(seeds) => seeds,
        Err(error) => {
            eprintln!("usage: expected [SEED]... ({error})");
            return ExitCode::from(2);
        }
    };
    for (name, program) in PROGRAMS {
        for seed in &seeds {
            println!("{name} {seed} {}", program(*seed));
        }
    }
    ExitCode::SUCCESS
}
