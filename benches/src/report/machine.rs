//! Where, when and what was measured. Anything that cannot be determined stays
//! empty: an incomplete report is better than none.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

const LOCK: &str = include_str!("../../Cargo.lock");
/// Packages whose versions affect the results.
const PACKAGES: [&str; 4] = ["kernref", "cranelift-codegen", "wasmtime", "wasmi"];

/// A machine, a point in time, and all relevant versions.
pub struct Machine {
    /// Date and time, UTC.
    pub date: String,
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cpus: usize,
    /// Operating system and architecture.
    pub system: String,
    /// The compiler's version.
    pub rustc: String,
    /// Kernref's commit, with the suffix `-dirty` if files were changed.
    pub commit: String,
    /// Names and versions of packages.
    pub packages: Vec<(&'static str, String)>,
}

/// Describes this machine at this time.
pub fn describe() -> Machine {
    Machine {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        cpu: cpu(),
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        rustc: output("rustc", &["--version"]),
        commit: output("git", &["describe", "--always", "--dirty"]),
        packages: PACKAGES.map(|name| (name, versions(name))).into(),
    }
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or("", |(_, name)| name).to_owned()
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// All versions of a package in the lock file: peers may use other ones.
fn versions(package: &str) -> String {
    let name = format!("name = \"{package}\"\nversion = \"");
    let found: Vec<_> =
        LOCK.split(&name).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
    found.join(", ")
}
