//! Programs for WASI in the demonstration kernel: what they are handed, and what
//! the kernel's console says of them. The form of both is described where the kernel
//! has them: `tests-qemu/src/bin/demo/wasi.rs`.

use crate::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Options for programs for WASI.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Programs for WASI")]
pub struct Handover {
    /// Hand a directory over, as it is now; what the program changes stays in the
    /// kernel. Without GUEST, under the same path.
    #[arg(long, value_name = "HOST::GUEST")]
    pub dir: Vec<String>,
    /// Put what is new in a directory into this one afterwards: for the first --dir,
    /// for the second, and so on.
    #[arg(long, value_name = "HOST")]
    pub dir_out: Vec<PathBuf>,
    /// Set a variable of the environment.
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Take standard input from a file; `-` is this command's.
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,
}

/// Kernels number the archives that they send.
const MAX_DIRS: usize = 10;

/// Whether a module imports functions of WASI: looks for the name as imports
/// contain it, after its length.
pub fn is_for_wasi(module: &[u8]) -> bool {
    const NAME: &[u8] = b"\x16wasi_snapshot_preview1";
    module.windows(NAME.len()).any(|part| part == NAME)
}

/// An archive of a directory.
fn archive(host: &Path) -> Result<Vec<u8>> {
    let failed = |error| format!("{}: {error}", host.display());
    if !host.is_dir() {
        return Err(format!("{}: not a directory", host.display()));
    }
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", host).map_err(failed)?;
    builder.into_inner().map_err(failed)
}

impl Handover {
    /// Whether nothing is handed over.
    pub fn is_empty(&self) -> bool {
        let Self { dir, dir_out, env, stdin } = self;
        dir.is_empty() && dir_out.is_empty() && env.is_empty() && stdin.is_none()
    }

    /// Adds to what a kernel is passed.
    pub fn hand_over(
        &self,
        requests: &mut Vec<String>,
        files: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        if self.dir.len() > MAX_DIRS {
            return Err(format!("more than {MAX_DIRS} directories"));
        }
        if self.dir_out.len() > self.dir.len() {
            return Err("--dir-out wants a --dir each".into());
        }
        for variable in &self.env {
            if !variable.contains('=') {
                return Err(format!("--env {variable}: NAME=VALUE is wanted"));
            }
            requests.push(format!("env={variable}"));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        requests.push(format!("started={}", now.as_nanos()));
        let mut seed = vec![0; 32];
        getrandom::fill(&mut seed).map_err(|error| format!("no random bytes: {error}"))?;
        files.push(("seed=".into(), seed));
        if let Some(path) = &self.stdin {
            files.push(("stdin=".into(), input(path)?));
        }
        for dir in &self.dir {
            let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
            files.push((format!("dir={guest}"), archive(Path::new(host))?));
        }
        Ok(())
    }

    /// Unpacks what kernels have sent of the directories.
    pub fn bring_back(&self, archives: &BTreeMap<char, Vec<u8>>) -> Result<()> {
        for (at, host) in self.dir_out.iter().enumerate() {
            let kind = char::from_digit(at as u32, 10).ok_or("too many directories")?;
            let Some(bytes) = archives.get(&kind) else { continue };
            let failed = |error| format!("{}: {error}", host.display());
            std::fs::create_dir_all(host).map_err(failed)?;
            let mut archive = tar::Archive::new(&bytes[..]);
            archive.set_preserve_mtime(false);
            archive.unpack(host).map_err(failed)?;
        }
        Ok(())
    }
}

fn input(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        false => std::fs::read(path),
    };
    read.map_err(|error| format!("{}: {error}", path.display()))
}

/// What the console says, taken apart.
pub struct Output<F> {
    each: F,
    exit: Exit,
    broken: Option<String>,
}

/// How a program ended, and what it left.
#[derive(Default)]
pub struct Exit {
    /// Its exit status, if it has one.
    pub status: Option<i32>,
    /// Archives of what is new, by the number of the directory.
    pub archives: BTreeMap<char, Vec<u8>>,
}

/// A piece of what a console says.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'p> {
    /// Standard output.
    Output(&'p [u8]),
    /// Standard error.
    Error(&'p [u8]),
    /// A line of the kernel's.
    Kernel(&'p str),
}

/// Passes the program's output on; what went wrong in the kernel goes to standard
/// error, and what goes well is not said.
pub fn pass_on(piece: Piece<'_>) {
    // Whoever reads may be gone; the run goes on.
    let _ = match piece {
        Piece::Output(bytes) => {
            let mut output = std::io::stdout().lock();
            output.write_all(bytes).and_then(|()| output.flush())
        }
        Piece::Error(bytes) => std::io::stderr().write_all(bytes),
        Piece::Kernel(line) if line.starts_with("[kernel] ") => Ok(()),
        Piece::Kernel(line) => writeln!(std::io::stderr(), "{line}"),
    };
}

impl<F: FnMut(Piece<'_>)> Output<F> {
    /// Passes what a program writes to `each`.
    pub fn new(each: F) -> Self {
        Self { each, exit: Exit::default(), broken: None }
    }

    /// Takes a line of the console.
    pub fn line(&mut self, line: &str) {
        let Some(marked) = line.strip_prefix('\u{2}') else {
            return (self.each)(Piece::Kernel(line));
        };
        let mut characters = marked.chars();
        let (kind, rest) = (characters.next().unwrap_or(' '), characters.as_str());
        if kind == 'x' {
            self.exit.status = rest.parse().ok();
            return;
        }
        match BASE64_STANDARD.decode(rest) {
            Err(error) => self.broken = Some(format!("the console is garbled: {error}")),
            Ok(bytes) => match kind {
                'o' => (self.each)(Piece::Output(&bytes)),
                'e' => (self.each)(Piece::Error(&bytes)),
                _ => self.exit.archives.entry(kind).or_default().extend(bytes),
            },
        }
    }

    /// How the program ended.
    pub fn finish(self) -> Result<Exit> {
        match self.broken {
            Some(why) => Err(why),
            None => Ok(self.exit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_taken_apart() {
        let mut seen = Vec::new();
        let mut output = Output::new(|piece: Piece<'_>| seen.push(format!("{piece:?}")));
        for line in
            ["\u{2}oaGk=", "\u{2}eb2g=", "trap in x", "\u{2}0AAE=", "\u{2}0Ag==", "\u{2}x-3"]
        {
            output.line(line);
        }
        let exit = output.finish().unwrap();
        assert_eq!(exit.status, Some(-3));
        assert_eq!(exit.archives.get(&'0'), Some(&vec![0, 1, 2]));
        assert_eq!(seen, ["Output([104, 105])", "Error([111, 104])", "Kernel(\"trap in x\")"]);
        let mut output = Output::new(|_: Piece<'_>| {});
        output.line("\u{2}o?");
        assert!(output.finish().is_err());
    }

    #[test]
    fn imports_tell_what_is_for_wasi() {
        let text = r#"(module (import "wasi_snapshot_preview1" "fd_close"
            (func (param i32) (result i32))))"#;
        assert!(is_for_wasi(&wat::parse_str(text).unwrap()));
        assert!(!is_for_wasi(&wat::parse_str("(module)").unwrap()));
    }
}
