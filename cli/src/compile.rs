//! `kernref compile`: a module to an artifact.

use crate::files::{self, Input, at};
use crate::flavor::Switches;
use crate::{Result, keys};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernref::{Architecture, CompilePhase, CompileProgress, Engine};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For which processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// AMD64 and Intel 64.
    #[value(name = "x86_64")]
    X86_64,
    /// Arm, 64 bits.
    #[value(name = "aarch64")]
    Aarch64,
}

impl Target {
    const fn architecture(self) -> Architecture {
        match self {
            Self::X86_64 => Architecture::X86_64,
            Self::Aarch64 => Architecture::Aarch64,
        }
    }
}

/// Arguments of `kernref compile`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kernref compile app.wasm                          writes app.kna
  kernref compile app.wat -o out.kna --epochs       guests can be ended
  kernref compile app.wasm --baseline --sign key.pem")]
pub struct Args {
    /// A .wasm or .wat file.
    file: PathBuf,
    /// Where the artifact is written; by default next to the module, as .kna.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The architecture. For now, that of this machine only.
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Use no more of the processor than Kernref requires of each.
    #[arg(long)]
    baseline: bool,
    /// Sign the artifact with this key: a PEM file from `kernref keygen`.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Show no progress, and say nothing if all is well.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    switches: Switches,
}

pub fn run(args: &Args) -> Result<()> {
    // Before long work.
    let seed = args.sign.as_deref().map(keys::secret).transpose()?;
    let wasm = match files::input(&args.file)? {
        Input::Module(wasm) => wasm,
        Input::Artifact(_) => {
            return Err(format!("{}: an artifact already", args.file.display()));
        }
    };
    let mut config = args.switches.config();
    config.baseline_processor(args.baseline);
    let engine = Engine::new(&config).map_err(|error| error.to_string())?;
    let here = engine_architecture();
    let target = args.target.map_or(here, Target::architecture);
    if target != here {
        return Err(format!("compiling for {target} on {here} is not supported yet"));
    }
    let mut bytes = compile(&engine, &args.file, &wasm, args.quiet)?;
    let len = bytes.len();
    let output = args.output.clone().unwrap_or_else(|| args.file.with_extension("kna"));
    let key = match &seed {
        Some(seed) => Some(kernref::signing::sign_artifact(&mut bytes, seed).map_err(at(&output))?),
        None => None,
    };
    std::fs::write(&output, &bytes).map_err(at(&output))?;
    if !args.quiet {
        println!("{}: {len} bytes for {target}, of a module of {}", output.display(), wasm.len());
        key.iter().for_each(|key| println!("signed with {}", keys::shown(key)));
    }
    Ok(())
}

/// The architecture of this machine.
pub const fn engine_architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 }
}

/// Compiles, with a bar if it takes long.
fn compile(engine: &Engine, path: &Path, wasm: &[u8], quiet: bool) -> Result<Vec<u8>> {
    let bar = match quiet {
        true => ProgressBar::hidden(),
        false => bar(wasm.len() as u64),
    };
    let mut show = |progress: CompileProgress| {
        // Validation takes a small part of the time.
        if progress.phase >= CompilePhase::Compiling {
            bar.set_position(progress.at_bytes);
        }
    };
    let compilation = engine.compilation(wasm).map_err(at(path))?;
    let made = compilation.on_progress(&mut show).precompile();
    bar.finish_and_clear();
    made.and_then(|artifact| artifact.serialize()).map_err(at(path))
}

fn bar(bytes: u64) -> ProgressBar {
    let template = "compiling [{wide_bar}] {percent}% {eta}";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
    bar.enable_steady_tick(Duration::from_millis(500));
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
