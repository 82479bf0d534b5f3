//! Kernref and its peers side by side, in a single process.

mod heap;
mod measure;
mod native;
mod packages;
mod report;
mod rig;
mod rows;
mod yardstick;

use clap::Parser;
use measure::{Effort, Row};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;

/// Native stack of the measuring thread: some rows nest calls deeply.
const STACK_BYTES: usize = 64 << 20;

#[derive(Parser)]
#[command(name = "./x bench", about)]
struct Args {
    /// Take fewer and shorter samples.
    #[arg(long)]
    quick: bool,
    /// Print the rows' names without measuring.
    #[arg(long)]
    list: bool,
    /// For the row about memory: measure one contender with this many references.
    #[arg(long, hide = true, num_args = 2)]
    footprint: Vec<String>,
    /// Substrings of row names: only matching rows are measured.
    filters: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(&args));
    let outcome = worker.expect("there is a thread").join();
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        // The panic has already reported why.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(args: &Args) -> Result<(), String> {
    if let [name, count] = &args.footprint[..] {
        println!("{}", rows::footprint::measure(name, count)?);
        return Ok(());
    }
    let rows = select(rows::all(), &args.filters)?;
    if args.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return Ok(());
    }
    let (effort, count) = (Effort::new(args.quick), rows.len());
    let mut outcomes = Vec::with_capacity(count);
    for (at, row) in rows.into_iter().enumerate() {
        eprintln!("[{}/{count}] {}", at + 1, row.name);
        match measure::run(row, &effort) {
            Ok(outcome) => outcomes.push(outcome),
            Err(why) => eprintln!("skipped: {why}"),
        }
    }
    report::publish(&outcomes, args.quick)
}

/// The rows that match a filter, or all if there is none.
fn select(rows: Vec<Row>, filters: &[String]) -> Result<Vec<Row>, String> {
    if let Some(filter) = filters.iter().find(|f| !rows.iter().any(|row| row.name.contains(*f))) {
        return Err(format!("no row's name contains `{filter}`; --list prints the names"));
    }
    let wanted =
        |row: &Row| filters.is_empty() || filters.iter().any(|filter| row.name.contains(filter));
    Ok(rows.into_iter().filter(wanted).collect())
}
