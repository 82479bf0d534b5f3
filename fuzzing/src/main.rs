//! A seeded, bounded run. The exit status is 1 if any module fails.
#![forbid(unsafe_code)]

use clap::Parser;
use kernref_fuzzing::{Verdict, accesses, compare, generate};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Compares Kernref with wasmi on random modules. The last line is
/// `N passed, M failed`.
#[derive(Parser)]
struct Args {
    /// Seed of the first module; each further module uses the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of modules.
    #[arg(long, default_value_t = 300)]
    count: u64,
    /// Start no further module after this many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Use modules that access memory near its end, instead of general ones.
    #[arg(long)]
    accesses: bool,
    /// Where failing modules are saved.
    #[arg(long, default_value = "target/differential")]
    save: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // wasmi recurses while dropping, and Wasm runs on this stack.
    let runner = std::thread::Builder::new().stack_size(64 << 20).spawn(move || run(&args));
    match runner.map(|runner| runner.join()) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run(args: &Args) -> bool {
    let deadline = Instant::now() + Duration::from_secs(args.seconds);
    let (mut passed, mut failed, mut not_taken) = (0, 0, 0);
    for seed in args.seed..args.seed.saturating_add(args.count) {
        if Instant::now() > deadline {
            println!("stopped after {} seconds, before seed {seed}", args.seconds);
            break;
        }
        let module = match args.accesses {
            true => accesses::from_seed(seed),
            false => generate::from_seed(seed),
        };
        let Some(wasm) = module else {
            not_taken += 1;
            continue;
        };
        match compare(&wasm, seed) {
            Ok(Verdict::Same) => passed += 1,
            Ok(Verdict::NotTaken) => not_taken += 1,
            Err(difference) => {
                failed += 1;
                println!("seed {seed}: {difference}");
                save(&args.save, seed, &wasm);
            }
        }
    }
    println!("{not_taken} seeds gave no module that both engines take");
    println!("{passed} passed, {failed} failed");
    failed == 0 && passed > 0
}

fn save(folder: &Path, seed: u64, wasm: &[u8]) {
    let path = folder.join(format!("{seed}.wasm"));
    let saved = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, wasm));
    match saved {
        Ok(()) => println!("saved as {}", path.display()),
        Err(error) => println!("cannot be saved as {}: {error}", path.display()),
    }
}
