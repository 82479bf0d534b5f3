//! `kernref run`: calls an export here.

use crate::files::{self, Input, at};
use crate::flavor::{Switches, config_for};
use crate::{Result, keys, values};
use kernref::__internals::ArtifactFile;
use kernref::signing::TrustedKeys;
use kernref::{ArtifactPolicy, Engine, Error, ExternType, Instance, Linker, Module, Store, Val};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `kernref run`.
#[derive(clap::Args)]
#[command(after_help = "\
An artifact runs in an engine with the settings that it was compiled for. The
switches are for modules, which are compiled first. A call of what a module
imports ends with status 2 and the import's name.

Examples:
  kernref run app.wasm --invoke add 1 2
  kernref run app.kna --key key.pub.pem
  kernref run app.kna --unsigned --invoke greet text:world
  kernref run app.wasm --invoke sub -- -1 2

Exit status:
  0  the function returned
  1  the guest trapped
  2  the request or the file was refused")]
pub struct Args {
    /// Call this export instead of `run` or `_start`.
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// The artifact must be signed with this key: a PEM file from `kernref keygen`.
    /// May be given more than once.
    #[arg(long, value_name = "KEY")]
    key: Vec<PathBuf>,
    /// Run an artifact whoever made it. Its machine code can do anything that this
    /// process may.
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// Interrupt the guest after this many seconds; its code must have been compiled
    /// with epochs.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    switches: Switches,
    /// A .wasm or .wat file, or an artifact.
    file: PathBuf,
    /// Arguments of the function: numbers; for externrefs null or text:WORDS.
    args: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (engine, module) = module(args)?;
    if let Some(seconds) = args.timeout {
        let engine = engine.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(seconds));
            engine.increment_epoch();
        });
    }
    match call(args, &engine, &module) {
        Ok(results) => {
            results.iter().for_each(|value| println!("{}", values::shown(value)));
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Refused(message)) => Err(message),
        Err(Failure::Trapped(message)) => {
            eprintln!("{}", files::shown(&message));
            Ok(ExitCode::from(1))
        }
    }
}

fn module(args: &Args) -> Result<(Engine, Module)> {
    let path = &args.file;
    match files::input(path)? {
        Input::Module(wasm) => {
            if args.timeout.is_some() && !args.switches.epochs {
                return Err("--timeout wants --epochs".into());
            }
            let engine = Engine::new(&args.switches.config()).map_err(at(path))?;
            let module = Module::new(&engine, wasm).map_err(at(path))?;
            Ok((engine, module))
        }
        Input::Artifact(bytes) => {
            // Nothing of it is looked at before it is trusted.
            let artifact = match args.unsigned {
                true => files::without_signature(&bytes).0,
                false => vouched(args, &bytes)?,
            };
            let file = ArtifactFile::open(artifact).map_err(at(path))?;
            if args.timeout.is_some() && !file.flavor().epoch_interruption {
                return Err(format!("{}: compiled without epochs", path.display()));
            }
            let engine = Engine::new(&config_for(file.flavor())).map_err(at(path))?;
            // SAFETY: the user's explicit promise, or a holder's of a key.
            let module = unsafe { Module::deserialize(&engine, artifact) };
            Ok((engine, module.map_err(at(path))?))
        }
    }
}

/// The artifact in these bytes, if it is signed with one of the keys.
fn vouched<'b>(args: &Args, bytes: &'b [u8]) -> Result<&'b [u8]> {
    if args.key.is_empty() {
        return Err("an artifact needs --key KEY, or --unsigned to trust it blindly".into());
    }
    let keys = args.key.iter().map(|key| keys::public(key)).collect::<Result<Vec<_>>>()?;
    // SAFETY: the user's explicit promise.
    let trusted = unsafe { TrustedKeys::new(&keys) };
    trusted.vouch(bytes).map_err(at(&args.file))
}

/// Why there are no results.
enum Failure {
    Refused(String),
    Trapped(String),
}

fn call(args: &Args, engine: &Engine, module: &Module) -> Result<Vec<Val>, Failure> {
    let refused = |error: Error| Failure::Refused(format!("{}: {error}", args.file.display()));
    let mut store = Store::new(engine, ()).map_err(refused)?;
    // Refused where fuel is not counted; elsewhere it is without end.
    drop(store.set_fuel(u64::MAX));
    store.set_epoch_deadline(1);
    let mut linker = Linker::new(engine);
    linker.define_unknown_imports_as_traps(module).map_err(refused)?;
    let ended = |store: &Store<()>, error: Error| match error {
        Error::Trap(_) | Error::Host(_) => {
            let mut message = error.to_string();
            if let Some(backtrace) = store.last_backtrace() {
                message.push_str(&format!("\n{backtrace}"));
            }
            Failure::Trapped(message)
        }
        other => Failure::Refused(other.to_string()),
    };
    let instance = match linker.instantiate(&mut store, module) {
        Ok(instance) => instance,
        Err(error) => return Err(ended(&store, error)),
    };
    let name = name(args, module)?;
    let (func, ty) = export(&mut store, &instance, module, &name)?;
    let values = values::parse_all(&args.args, &ty)
        .map_err(|message| Failure::Refused(format!("`{name}` {message}")))?;
    let mut results: Vec<_> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
    match func.call(&mut store, &values, &mut results) {
        Ok(()) => Ok(results),
        Err(error) => Err(ended(&store, error)),
    }
}

/// The export to call.
fn name(args: &Args, module: &Module) -> Result<String, Failure> {
    if let Some(name) = &args.invoke {
        return Ok(name.clone());
    }
    let has = |name: &&str| module.exports().any(|export| export.name() == *name);
    ["run", "_start"].into_iter().find(has).map(str::to_string).ok_or_else(|| {
        Failure::Refused("neither `run` nor `_start` is exported; use --invoke".into())
    })
}

fn export(
    store: &mut Store<()>,
    instance: &Instance,
    module: &Module,
    name: &str,
) -> Result<(kernref::Func, kernref::FuncType), Failure> {
    let missing = || Failure::Refused(format!("no function is exported as `{name}`"));
    let ty = match module.get_export(name) {
        Ok(Some(ExternType::Func(ty))) => ty,
        Ok(_) => return Err(missing()),
        Err(error) => return Err(Failure::Refused(error.to_string())),
    };
    let func = instance.get_func(&mut *store, name).ok_or_else(missing)?;
    Ok((func, ty))
}
