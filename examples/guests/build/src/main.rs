//! Builds the guests, checks them, and writes the committed modules.
//!
//! ```text
//! cargo run -p guest-builder -- [--out DIR] [--check]
//! ```
//!
//! Guests whose toolchain is missing are not built; their prebuilt modules are
//! used instead. Nothing is ever installed. Everything written has been
//! validated and imports nothing but the host module `kernel`.

mod expected;
mod guests;
mod module;
mod tools;

use guests::{GUESTS, Guest};
use module::Interface;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tools::Tools;

/// Errors are meant for people, not for programs.
type Result<T> = std::result::Result<T, String>;

/// The list of what the programs must return.
const EXPECTED: &str = "expected.txt";

/// The workspace that this package belongs to.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

struct Args {
    out: Option<PathBuf>,
    check: bool,
}

impl Args {
    /// `None`: only help was requested.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut args = Self { out: None, check: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => return Ok(None),
                "--check" => args.check = true,
                "--out" => args.out = Some(words.next().ok_or("--out wants a directory")?.into()),
                other => return Err(format!("unknown argument `{other}`; see --help")),
            }
        }
        Ok(Some(args))
    }
}

const HELP: &str = "\
Builds the example guests.

usage: guest-builder [--out DIR] [--check]

  --out DIR  where modules and expected.txt go (default: prebuilt/)
  --check    rebuild, and compare with prebuilt/ instead of writing there:
             fails if the programs' results or a module's interface differ";

/// The outcome for one guest.
struct Outcome {
    bytes: Vec<u8>,
    /// Why the prebuilt module was used, if it was.
    missing: Option<String>,
}

fn make(guest: &Guest, tools: &Tools, prebuilt: &Path) -> Result<Outcome> {
    match guests::build(guest, tools) {
        Ok(bytes) => Ok(Outcome { bytes: module::tidy(&bytes)?, missing: None }),
        Err(guests::Failure::Missing(what)) => {
            let path = prebuilt.join(guest.file);
            let bytes = read(&path)
                .map_err(|error| format!("cannot be built ({what}), and no prebuilt: {error}"))?;
            Ok(Outcome { bytes, missing: Some(what) })
        }
        Err(guests::Failure::Broken(why)) => Err(why),
    }
}

/// Whether the bytes equal the prebuilt module's; an error if the interface
/// differs.
fn compare(guest: &Guest, bytes: &[u8], interface: &Interface, prebuilt: &Path) -> Result<bool> {
    let committed = read(&prebuilt.join(guest.file))?;
    let theirs = module::inspect(&committed)?;
    if theirs != *interface {
        return Err(format!(
            "the interface differs from the prebuilt module's\n  now\n{interface}  prebuilt\n{theirs}"
        ));
    }
    Ok(committed == bytes)
}

/// Builds and checks one guest; returns its size.
fn handle(guest: &Guest, tools: &Tools, args: &Args, prebuilt: &Path) -> Result<usize> {
    let outcome = make(guest, tools, prebuilt)?;
    let interface = module::inspect(&outcome.bytes)?;
    guest.accepts(&interface)?;
    let mut remark = String::new();
    if let Some(what) = &outcome.missing {
        remark = format!(", prebuilt: {what}");
    } else if args.check && !compare(guest, &outcome.bytes, &interface, prebuilt)? {
        remark = ", valid, but not the prebuilt bytes (another compiler?)".into();
    }
    println!("{}: {} bytes{remark}\n{interface}", guest.file, outcome.bytes.len());
    match &args.out {
        Some(out) => write(&out.join(guest.file), &outcome.bytes)?,
        None if args.check => {}
        None => write(&prebuilt.join(guest.file), &outcome.bytes)?,
    }
    Ok(outcome.bytes.len())
}

/// Runs the programs natively; compares with the list or writes it.
fn results(tools: &Tools, args: &Args, prebuilt: &Path) -> Result<()> {
    let list = expected::compute(tools)?;
    if args.check {
        let path = prebuilt.join(EXPECTED);
        let committed = String::from_utf8_lossy(&read(&path)?).into_owned();
        expected::compare(&committed, &list)?;
        println!("{EXPECTED}: {} results, all as listed", list.lines().count());
    }
    match &args.out {
        Some(out) => write(&out.join(EXPECTED), list.as_bytes())?,
        None if args.check => return Ok(()),
        None => write(&prebuilt.join(EXPECTED), list.as_bytes())?,
    }
    println!("{EXPECTED}: {} results", list.lines().count());
    Ok(())
}

fn run(args: &Args) -> Result<bool> {
    let prebuilt = root().join("prebuilt");
    let out = args.out.as_deref().unwrap_or(&prebuilt);
    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let tools = Tools::find();
    print!("{tools}");
    let (mut total, mut good) = (0, true);
    for guest in GUESTS {
        match handle(guest, &tools, args, &prebuilt) {
            Ok(len) => total += len,
            Err(why) => {
                good = false;
                eprintln!("error: {}: {why}", guest.file);
            }
        }
    }
    println!("{} modules, {total} bytes", GUESTS.len());
    if let Err(why) = results(&tools, args, &prebuilt) {
        good = false;
        eprintln!("error: {why}");
    }
    Ok(good)
}

fn main() -> ExitCode {
    let outcome = match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => run(&args),
        Ok(None) => {
            println!("{HELP}");
            Ok(true)
        }
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
