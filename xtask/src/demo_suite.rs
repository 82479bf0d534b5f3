//! Checks of the demonstration kernel: what `./x run` promises, for guests
//! that behave and for guests that do not.

use crate::precompiled::{Artifact, Precompiler};
use crate::qemu::{Arch, Boot, End};
use crate::setup::{Policy, Setup};
use crate::several::Processors;
use crate::{Result, cargo, demo, paths, wasi_suite};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// For one boot.
const DEADLINE: Duration = Duration::from_secs(120);
const SUCCESS: u8 = 0;
const TRAPPED: u8 = 1;
const REFUSED: u8 = 2;

/// What is run, and what must result.
struct Check {
    name: String,
    module: Vec<u8>,
    requests: Vec<String>,
    verdict: u8,
    /// The console must show each of these.
    shows: Vec<String>,
    /// Where many guests run at once.
    processors: Processors,
}

/// Passed and failed.
pub fn run(arch: Arch) -> Result<(u64, u64)> {
    // Built in the same place, and kept in another: so it comes first.
    let loader = match Precompiler::compiles_for(arch) {
        true => Some(cargo::kernel_without_compiler(arch)?),
        false => None,
    };
    let kernel = cargo::kernel(arch, "demo")?;
    let (mut passed, mut failed) = (0, 0);
    let mut checks: Vec<_> = checks()?.into_iter().map(|check| (check, &kernel)).collect();
    if let Some(loader) = &loader {
        checks.extend(precompiled(arch)?.into_iter().map(|check| (check, loader)));
    }
    for (check, kernel) in checks {
        match check.carry_out(arch, kernel) {
            Ok(()) => passed += 1,
            Err(why) => {
                failed += 1;
                println!("{} [{}]: {why}", check.name, arch.name());
            }
        }
    }
    let (programs_passed, programs_failed) = wasi_suite::run(arch, &kernel)?;
    Ok((passed + programs_passed, failed + programs_failed))
}

impl Check {
    fn carry_out(&self, arch: Arch, kernel: &Path) -> Result<()> {
        let options = self.processors.options();
        let boot = Boot {
            arch,
            kernel,
            args: &[&self.requests[..], &self.processors.arguments()].concat(),
            files: &[(self.name.clone(), self.module.clone())],
            deadline: DEADLINE,
            accel: self.processors.accel(),
            extra: &options.iter().map(String::as_str).collect::<Vec<_>>(),
        };
        let mut lines = Vec::new();
        let end = boot.run(|line| lines.push(line.to_string()))?;
        let console = lines.join("\n");
        if end != End::Verdict(self.verdict) {
            return Err(format!("ended with {end:?} instead of {}:\n{console}", self.verdict));
        }
        if let Some(missing) = self.shows.iter().find(|text| !console.contains(text.as_str())) {
            return Err(format!("the console does not show `{missing}`:\n{console}"));
        }
        if let Some(line) = lines.iter().find(|line| line.chars().any(is_raw)) {
            return Err(format!("the console shows what acts on a terminal: {line:?}"));
        }
        if lines.last().is_none_or(|last| last != "[kernel] shutting down") {
            return Err(format!("not shut down in order:\n{console}"));
        }
        released_once(&lines)
    }
}

/// Whether a character of a guest's must not reach the console.
fn is_raw(character: char) -> bool {
    character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character)
}

/// Each object that was handed out was released exactly once.
fn released_once(lines: &[String]) -> Result<()> {
    let mut releases = BTreeMap::new();
    for line in lines {
        if let Some(object) = line.strip_prefix("[kernel] + ") {
            releases.insert(object, 0);
        }
        let gone = line.strip_prefix("[kernel] - ");
        if let Some(object) = gone.and_then(|rest| rest.strip_suffix(" released")) {
            *releases.get_mut(object).ok_or(format!("{object} came from nowhere"))? += 1;
        }
    }
    match releases.iter().find(|(_, count)| **count != 1) {
        Some((object, count)) => Err(format!("{object} was released {count} times")),
        None => Ok(()),
    }
}

fn text(module: &str) -> Result<Vec<u8>> {
    wat::parse_str(module).map_err(|error| error.to_string())
}

fn check(name: &str, module: Vec<u8>, requests: &[&str], verdict: u8, shows: &[&str]) -> Check {
    Check {
        name: name.into(),
        module,
        requests: requests.iter().map(ToString::to_string).collect(),
        verdict,
        shows: shows.iter().map(ToString::to_string).collect(),
        processors: Processors::default(),
    }
}

fn checks() -> Result<Vec<Check>> {
    let prebuilt = paths::root().join("examples/guests/prebuilt");
    let mut checks = Vec::new();
    for policy in ["policy=zero-count", "policy=clone-on-read"] {
        let objects = ["run() = 0", "0 of 4096 slots used"];
        checks.push(check("demo", demo::load(&demo::bundled())?, &[policy], SUCCESS, &objects));
        for guest in ["c-objects", "rust-objects"] {
            let module = demo::load(&prebuilt.join(guest).with_extension("wasm"))?;
            checks.push(check(guest, module.clone(), &[policy], SUCCESS, &objects));
            checks.push(check(guest, module, &[policy, "zeal=1"], SUCCESS, &objects));
        }
    }
    programs(&prebuilt, &mut checks)?;
    let add = text(ADD)?;
    let sum = ["invoke=add", "arg=1", "arg=2"];
    checks.push(check("add", add.clone(), &sum, SUCCESS, &["add(1, 2) = 3"]));
    checks.push(check("no such export", add.clone(), &["invoke=sub"], REFUSED, &["`sub`"]));
    checks.push(check("too few arguments", add, &sum[..2], REFUSED, &["refused: add"]));
    let echo = text(ECHO)?;
    let float = |arg, shown| check("float", echo.clone(), &["invoke=f64", arg], SUCCESS, &[shown]);
    checks.push(float("arg=inf", "= inf"));
    checks.push(float("arg=bits:-:4c70000000000000", "= 1.606938044258990"));
    let payload = ["invoke=bits", "arg=bits:-:7ff0000000000001"];
    checks.push(check("payload", echo.clone(), &payload, SUCCESS, &["= 9218868437227405313"]));
    let large = ["invoke=f64", "arg=1e400"];
    checks.push(check("too large", echo.clone(), &large, REFUSED, &["in range"]));
    let alike = ["exports pay", "exports p\u{430}y (p\\u{430}y)"];
    checks.push(check("alike", echo, &["invoke=nosuch"], REFUSED, &alike));
    let bad = b"\0asn\x01\0\0\0".to_vec();
    checks.push(check("bad magic", bad, &[], REFUSED, &["magic"]));
    let missing = text(r#"(module (import "kernel" "teapot" (func)))"#)?;
    checks.push(check("missing import", missing, &[], REFUSED, &["kernel::teapot"]));
    let named = text(NAMES)?;
    let shown = ["backtrace", "\\u{1b}[31mRED\\u{1b}[2J\\u{d}\\u{a}fake line", "\\u{202e}module"];
    checks.push(check("names", named.clone(), &["invoke=run"], TRAPPED, &shown));
    checks.push(check("names", named, &["invoke=nosuch"], REFUSED, &shown[1..2]));
    let import = text(r#"(module (import "kernel" "\1b[2Jtea\0apot" (func)))"#)?;
    checks.push(check("import", import, &[], REFUSED, &["kernel::\\u{1b}[2Jtea\\u{a}pot"]));
    let trapping = text(TRAPPING)?;
    let outside = ["out of bounds memory access", "outside"];
    checks.push(check("bounds", trapping.clone(), &["invoke=outside"], TRAPPED, &outside));
    let by_hardware = ["invoke=outside", "hardware-traps=1"];
    checks.push(check("guard", trapping.clone(), &by_hardware, TRAPPED, &outside));
    let deep = ["call stack exhausted", "recurse"];
    checks.push(check("recursion", trapping.clone(), &["invoke=recurse"], TRAPPED, &deep));
    let forever = ["invoke=forever", "timeout=1"];
    checks.push(check("endless loop", trapping, &forever, demo::LATE, &["interrupt"]));
    let slow = slow_to_compile()?;
    let still = ["deadline: slow was still being compiled"];
    checks.push(check("slow", slow.clone(), &["timeout=1"], demo::LATE, &still));
    checks.push(check("patience", slow, &["timeout=600"], SUCCESS, &["run() = 7"]));
    many_guests(&mut checks)?;
    Ok(checks)
}

/// Many guests on four processors: half of them never end.
fn many_guests(checks: &mut Vec<Check>) -> Result<()> {
    let examples = paths::root().join("examples/guests/demo");
    let greedy = demo::load(&examples.join("greedy.wat"))?;
    let mut check = |name: &str, module: &[u8], requests: &[&str], verdict, shows: &[&str]| {
        let check = check(name, module.to_vec(), requests, verdict, shows);
        checks.push(Check { processors: Processors::FOUR, ..check });
    };
    let of_each = [
        "6 guests returned, 6 were ended, 0 trapped, 0 were refused",
        "guest 1 (priority 1) was ended",
        "guest 4 (priority 1) returned 8",
        "guest 12 (priority 0) holds nothing any more",
        "still holding clock #",
        "page frames that were not given back: 0",
        "everything was released",
    ];
    for policy in ["policy=zero-count", "policy=clone-on-read"] {
        check("greedy", &greedy, &["guests=12", "timeout=1", policy], SUCCESS, &of_each);
    }
    let all = ["9 guests returned, 0 were ended", "counter `demo.blocks` stands at", "released"];
    check("demo", &demo::load(&demo::bundled())?, &["guests=9", "zeal=1"], SUCCESS, &all);
    let kept = [
        "guest 1 (priority 1) is gone, and of it remain forgotten object #",
        "not everything was released",
    ];
    check("kept", &greedy, &["guests=4", "timeout=1", "keep=1"], TRAPPED, &kept);
    let trapping = text(TRAPPING)?;
    let trapped = ["0 were ended, 5 trapped", "everything was released"];
    let requests = ["guests=5", "invoke=outside", "hardware-traps=1"];
    check("strays", &trapping, &requests, SUCCESS, &trapped);
    let refused = ["5 were refused"];
    check("no such export", &trapping, &["guests=5", "invoke=x"], REFUSED, &refused);
    check("too many", &trapping, &["guests=100"], REFUSED, &["100 guests: 1 to 48 can run"]);
    Ok(())
}

/// The same kernel without the compiler: what was compiled and signed here, and
/// what must be refused.
fn precompiled(arch: Arch) -> Result<Vec<Check>> {
    let tool = Precompiler::new()?;
    let setup = Setup::plain(Policy::ZeroCount);
    let Artifact { bytes, key } = tool.compile(arch, setup, &demo::bundled())?;
    let key = &*format!("key={key}");
    let check = |name: &str, bytes: &[u8], requests: &[&str], verdict, shows: &[&str]| {
        check(name, bytes.to_vec(), requests, verdict, shows)
    };
    let changed = |at: usize, change: u8| {
        let mut bytes = bytes.clone();
        bytes[at] ^= change;
        bytes
    };
    let unsigned = bytes.len() - 104;
    let other = &*format!("key={}", "07".repeat(32));
    let good = ["loaded artifact", "run() = 0", "0 of 4096 slots used"];
    let policy = ["code and engine differ in deferral policy"];
    Ok(vec![
        check("artifact", &bytes, &[key], SUCCESS, &good),
        check("artifact", &bytes, &[other, key], SUCCESS, &good),
        check("another key", &bytes, &[other], REFUSED, &["a key that is not trusted"]),
        check("no key", &bytes, &[], REFUSED, &["a key that is not trusted"]),
        check("unsigned", &bytes[..unsigned], &[key], REFUSED, &["no signature"]),
        check("a flipped bit", &changed(unsigned / 2, 4), &[key], REFUSED, &["does not match"]),
        check("newer", &changed(8, 3), &[key], REFUSED, &["newer format version 2"]),
        check("cut off", &bytes[..unsigned / 2], &[key], REFUSED, &["shorter"]),
        check("policy", &bytes, &[key, "policy=clone-on-read"], REFUSED, &policy),
        check("a module", &text(ADD)?, &[key], REFUSED, &["these bytes are no artifact"]),
    ])
}

/// Takes a while: long chains of conversions, each of which the optimizer looks at.
fn slow_to_compile() -> Result<Vec<u8>> {
    let chain = "f32.convert_i32_s i32.trunc_f32_s ".repeat(4000);
    let functions = format!("(func (param i32) (result i32) local.get 0 {chain})").repeat(4);
    text(&format!(r#"(module {functions} (func (export "run") (result i32) (i32.const 7)))"#))
}

/// Runs each program with each argument listed for it; the list has the results
/// of native runs.
fn programs(prebuilt: &Path, checks: &mut Vec<Check>) -> Result<()> {
    let list = prebuilt.join("expected.txt");
    let list =
        std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    for line in list.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [program, argument, result] = words[..] else {
            return Err(format!("expected.txt: `{line}`"));
        };
        let module = demo::load(&prebuilt.join(program).with_extension("wasm"))?;
        let argument = format!("arg={argument}");
        let shown = format!(" = {result}");
        checks.push(check(program, module, &["invoke=run", &argument], SUCCESS, &[&shown]));
    }
    Ok(())
}

const ADD: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1))))"#;

/// Returns what it is given. Two of its exports look alike.
const ECHO: &str = r#"(module
    (func (export "f64") (export "pay") (export "p\d0\b0y") (param f64) (result f64)
        (local.get 0))
    (func (export "bits") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0))))"#;

/// Names that act on a terminal.
const NAMES: &str = r#"(module (@name "\u{202e}module")
    (func (@name "\1b[31mRED\1b[2J\0d\0afake line") (export "run") unreachable)
    (export "\1b[31mRED\1b[2J\0d\0afake line" (func 0)))"#;

const TRAPPING: &str = r#"(module
    (memory 1)
    (func $outside (export "outside") (result i32) (i32.load (i32.const 65536)))
    (func $recurse (export "recurse") (call $recurse) (call $recurse))
    (func $forever (export "forever") (loop $again (br $again))))"#;

#[cfg(test)]
mod tests {
    use super::released_once;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| format!("[kernel] {line}")).collect()
    }

    #[test]
    fn objects_are_released_exactly_once() {
        released_once(&lines("+ block #1\n- block #1 released")).unwrap();
        assert!(released_once(&lines("+ block #1")).is_err());
        assert!(released_once(&lines("- block #1 released")).is_err());
        let twice = lines("+ block #1\n- block #1 released\n- block #1 released");
        assert!(released_once(&twice).is_err());
    }
}
