//! A program for WASI: its first argument says what it does.
//!
//! | word | does |
//! |---|---|
//! | `echo WORD…` | prints its arguments |
//! | `env` | prints the environment |
//! | `cat` | copies standard input to standard output |
//! | `split` | prints `out` and `err`, each where it belongs |
//! | `exit STATUS` | ends with a status |
//! | `panic` | ends with a trap |
//! | `clocks` | checks that time passes, also while it sleeps |
//! | `random` | checks that random bytes differ |
//! | `files DIR` | makes, moves, links, lists and removes files there |
//! | `sleep SECONDS` | sleeps |

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

type Outcome = Result<(), Box<dyn Error>>;

/// An error unless it holds.
fn check(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{what}: not so").into()) }
}

fn clocks() -> Outcome {
    let (started, today) = (Instant::now(), SystemTime::now());
    std::thread::sleep(Duration::from_millis(30));
    check(started.elapsed() >= Duration::from_millis(30), "time passes")?;
    check(today.elapsed()? >= Duration::from_millis(30), "so does the day")?;
    let year_2020 = Duration::from_secs(1_577_836_800);
    check(today.duration_since(SystemTime::UNIX_EPOCH)? > year_2020, "it is later than 2020")
}

/// The standard library seeds its hash maps with random bytes.
fn random() -> Outcome {
    use std::hash::BuildHasher;
    let hash = || std::collections::hash_map::RandomState::new().hash_one(1);
    // Each thread's seeds follow one another; the first two differ.
    check(hash() != hash(), "seeds differ")
}

fn files(dir: &Path) -> Outcome {
    let path = |name: &str| dir.join(name);
    fs::write(path("a"), "content of a")?;
    check(fs::read_to_string(path("a"))? == "content of a", "what was written is read")?;
    let mut file = OpenOptions::new().append(true).open(path("a"))?;
    file.write_all(b", more")?;
    let mut file = File::options().read(true).write(true).open(path("a"))?;
    file.seek(SeekFrom::End(-4))?;
    let mut tail = String::new();
    file.read_to_string(&mut tail)?;
    check(tail == "more", "the end is read")?;
    file.set_len(7)?;
    file.sync_all()?;
    check(file.metadata()?.len() == 7, "files are cut")?;
    check(File::create_new(path("a")).is_err(), "what is there is not made anew")?;
    fs::create_dir_all(path("deep/er"))?;
    fs::rename(path("a"), path("deep/er/b"))?;
    check(!path("a").exists(), "what was moved is gone")?;
    fs::hard_link(path("deep/er/b"), path("hard"))?;
    fs::write(path("hard"), "both")?;
    check(fs::read(path("deep/er/b"))? == b"both", "two names are one file")?;
    fs::copy(path("hard"), path("copy"))?;
    let mut names: Vec<_> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    names.sort();
    println!("{names:?}");
    check(fs::remove_dir(path("deep")).is_err(), "a full directory stays")?;
    fs::remove_dir_all(path("deep"))?;
    fs::remove_file(path("hard"))?;
    let out = fs::read_to_string(dir.join("..").join("secret"));
    check(out.is_err(), "nothing leads out")?;
    check(fs::read_to_string(path("none")).is_err(), "what is not there is not read")
}

fn run(args: &[String]) -> Outcome {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["echo", ..] => println!("{}", words.get(1..).unwrap_or_default().join(" ")),
        ["env"] => std::env::vars().for_each(|(name, value)| println!("{name}={value}")),
        ["cat"] => {
            io::copy(&mut io::stdin(), &mut io::stdout())?;
        }
        ["split"] => {
            println!("out");
            eprintln!("err");
        }
        ["exit", status] => std::process::exit(status.parse()?),
        ["panic"] => std::process::abort(),
        ["clocks"] => clocks()?,
        ["random"] => random()?,
        ["files", dir] => files(Path::new(dir))?,
        ["sleep", seconds] => std::thread::sleep(Duration::from_secs(seconds.parse()?)),
        _ => return Err("what is it to do?".into()),
    }
    Ok(())
}

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    run(&args)
}
