//! Programs for WASI: what they are handed, and how what they write reaches the host.
//!
//! A line that begins with [`MARK`] is not meant for eyes: a letter says what
//! follows in base64. Guests cannot make such lines.
//!
//! ```text
//! o, e    bytes of standard output, of standard error
//! x       the exit status, as a decimal number
//! 0, 1 …  an archive (tar) of what is new in this directory, in pieces
//! ```

use crate::request::Request;
use crate::{report, values, within_time};
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use core::sync::atomic::{AtomicBool, Ordering};
use kernref::{Error, Instance, Linker, Module, Store, Val};
use kernref_qemu::{Verdict, print, println, timer};
use kernref_wasi::types::{Errno, Result};
use kernref_wasi::{
    Clock, Closed, InputPipe, Interest, MemoryFs, Quota, Random, Readiness, Stream, Wait, WasiCtx,
    add_to_linker, exit_status, initialize, run_command,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Begins lines for the host: what guests choose is never shown with it.
const MARK: char = '\u{2}';
/// Bytes in a line for the host.
const LINE_BYTES: usize = 3072;

static HAS_RUN: AtomicBool = AtomicBool::new(false);

/// Whether the request was for WASI: the console then only has what its program
/// writes, and what went wrong.
pub fn has_run() -> bool {
    HAS_RUN.load(Ordering::Relaxed)
}

/// Whether a module imports functions of WASI.
pub fn is_for_wasi(module: &Module) -> bool {
    let is = module.imports().any(|import| import.module() == kernref_wasi::MODULE);
    HAS_RUN.store(is, Ordering::Relaxed);
    is
}

/// Sends bytes to the host.
fn send(kind: char, bytes: &[u8]) {
    let mut line = [0; LINE_BYTES / 3 * 4];
    for piece in bytes.chunks(LINE_BYTES) {
        let len = BASE64_STANDARD.encode_slice(piece, &mut line).unwrap_or(0);
        let text = line.get(..len).and_then(|text| core::str::from_utf8(text).ok());
        println!("{MARK}{kind}{}", text.unwrap_or_default());
    }
}

/// Standard output or standard error.
struct ToHost(char);

impl Stream for ToHost {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        send(self.0, buffer);
        Ok(buffer.len())
    }

    fn readiness(&mut self, interest: Interest) -> Result<Readiness> {
        match interest {
            Interest::Read => Err(Errno::Badf),
            Interest::Write => Ok(Readiness::Ready { bytes: LINE_BYTES as u64, hangup: false }),
        }
    }
}

/// The machine's clock, and when it began to count.
#[derive(Clone, Copy)]
struct MachineClock {
    started_ns: u64,
}

impl Clock for MachineClock {
    fn now_ns(&self) -> Result<u64> {
        Ok(self.started_ns.saturating_add(timer::now_ns()))
    }

    fn resolution_ns(&self) -> u64 {
        1000
    }
}

struct Halt;

/// Shorter than the time between two interrupts.
const SPIN_NS: u64 = 1_000_000_000 / crate::HERTZ as u64;

impl Wait for Halt {
    fn wait(&mut self, until_ns: Option<u64>) -> Result<()> {
        // Nothing but time ever happens.
        let until = until_ns.ok_or(Errno::Deadlk)?;
        match until.saturating_sub(timer::now_ns()) {
            left if left > SPIN_NS => timer::wait_for_interrupt(),
            _ => {
                while timer::now_ns() < until {
                    core::hint::spin_loop();
                }
            }
        }
        Ok(())
    }
}

struct Seeded(ChaCha20Rng);

impl Random for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.0.fill_bytes(buffer);
        Ok(())
    }
}

/// Hands a program over what the request says. Its directories are in the second
/// part.
fn context(request: &Request) -> core::result::Result<(WasiCtx, Vec<MemoryFs>), String> {
    let wasi = &request.wasi;
    let clock = MachineClock { started_ns: wasi.started_ns };
    let mut builder = WasiCtx::builder();
    builder
        .arg(request.module.0)
        .args(&request.args)
        .envs(&wasi.env)
        .stdout(ToHost('o'))
        .stderr(ToHost('e'))
        .realtime_clock(clock)
        .monotonic_clock(MachineClock { started_ns: 0 })
        .process_cpu_clock(MachineClock { started_ns: 0 })
        .thread_cpu_clock(MachineClock { started_ns: 0 })
        .random(Seeded(ChaCha20Rng::from_seed(wasi.seed)))
        .wait(Halt);
    match wasi.stdin {
        Some(bytes) => builder.stdin(InputPipe::new(bytes)),
        None => builder.stdin(Closed),
    };
    let mut dirs = Vec::new();
    for (path, archive) in wasi.dirs.iter().copied() {
        let fs = MemoryFs::from_image(archive, Quota::default())
            .map_err(|error| alloc::format!("{path}: {error}"))?;
        let fs = fs.with_clock(clock).map_err(|error| alloc::format!("{path}: {error}"))?;
        builder.preopened_dir(fs.root(), path);
        dirs.push(fs);
    }
    let context = builder.build().map_err(|error| alloc::format!("{error}"))?;
    Ok((context, dirs))
}

/// Runs a program and sends what it has made of its directories.
pub fn serve(request: &Request, module: &Module) -> Verdict {
    let (context, dirs) = match context(request) {
        Ok(parts) => parts,
        Err(why) => {
            println!("refused: {why}");
            return Verdict::Refused;
        }
    };
    let mut linker = Linker::new(module.engine());
    let store = add_to_linker(&mut linker, |context: &mut WasiCtx| context)
        .and_then(|()| Store::new(module.engine(), context));
    let mut store = match store {
        Ok(store) => store,
        Err(error) => return report::refusal(request.module.0, &error),
    };
    store.set_epoch_deadline(1);
    let verdict = within_time(request, || run(request, &mut store, module, &linker));
    for (at, fs) in dirs.iter().enumerate() {
        let Some(kind) = char::from_digit(at as u32, 10) else { break };
        // Pieces are gathered into lines that are worth their while.
        let mut pieces = Vec::new();
        let sent = fs.changes_to_tar(&mut |piece| {
            pieces.try_reserve(piece.len()).map_err(|_| Errno::Nomem)?;
            pieces.extend_from_slice(piece);
            if pieces.len() >= LINE_BYTES {
                send(kind, &pieces);
                pieces.clear();
            }
            Ok(())
        });
        send(kind, &pieces);
        if let Err(error) = sent {
            println!("what is new in directory {at} is not complete: {error}");
        }
    }
    verdict
}

fn run(
    request: &Request,
    store: &mut Store<WasiCtx>,
    module: &Module,
    linker: &Linker<WasiCtx>,
) -> Verdict {
    let instance = match linker.instantiate(&mut *store, module) {
        Ok(instance) => instance,
        Err(error @ Error::Trap(_)) => return report::trap("instantiation", store, &error),
        Err(error) => return report::refusal(request.module.0, &error),
    };
    let is_command = instance.get_func(&mut *store, "_start").is_some();
    let outcome = match (is_command, request.invoke) {
        (true, None | Some("_start")) => run_command(&mut *store, &instance),
        (_, invoke) => react(request, store, instance, invoke),
    };
    match outcome {
        Ok(status) => {
            print!("{MARK}x{status}\n");
            Verdict::Success
        }
        Err(error) => match exit_status(&error) {
            Some(status) => {
                print!("{MARK}x{status}\n");
                Verdict::Success
            }
            None => report::trap(request.module.0, store, &error),
        },
    }
}

/// Prepares a reactor, and calls the export that the request names. What that
/// returns goes to standard output.
fn react(
    request: &Request,
    store: &mut Store<WasiCtx>,
    instance: Instance,
    invoke: Option<&str>,
) -> kernref::Result<i32> {
    initialize(&mut *store, &instance)?;
    let Some(name) = invoke else { return Ok(0) };
    let Some(func) = instance.get_func(&mut *store, name) else {
        println!("refused: the module exports no function named `{}`", kernref::Printable(name));
        return Ok(i32::from(Verdict::Refused as u8));
    };
    let ty = func.ty(&*store)?;
    let args = match values::parse_all(&request.args, &ty) {
        Ok(args) => args,
        Err(message) => {
            println!("refused: {name}: {message}");
            return Ok(i32::from(Verdict::Refused as u8));
        }
    };
    let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
    func.call(&mut *store, &args, &mut results)?;
    if !results.is_empty() {
        send('o', alloc::format!("{}\n", values::Shown(&results)).as_bytes());
    }
    Ok(0)
}
