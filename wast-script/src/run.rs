//! The runner: executes a script's directives on one store.
//!
//! It keeps no handles to externrefs: arguments are moved into the call, so
//! that a root missed by the collector shows as a wrong result. At the end it
//! checks that every object it handed out was dropped exactly once.

use crate::host::{Census, define_spectest};
use crate::matching;
use crate::script::{Action, Argument, Directive, Execute, Script};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use kernref::{
    Config, Engine, Error, Extern, Instance, Linker, Module, RefType, Store, Trap, Val, ValType,
    WasmFeatures,
};

/// How to run.
#[derive(Clone)]
pub struct Options {
    /// The configuration, except for the proposals, which the script decides.
    pub config: Config,
    /// Makes the engine; a kernel also registers it with its fault handler.
    pub engine: fn(&Config) -> kernref::Result<Engine>,
    /// Makes a module of its bytes.
    pub module: fn(&Engine, &[u8]) -> kernref::Result<Module>,
}

impl Options {
    /// Options with this configuration and plain engines.
    pub fn new(config: Config) -> Self {
        Self { config, engine: Engine::new, module: |engine, bytes| Module::new(engine, bytes) }
    }
}

/// How many directives behaved as expected and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Behaved as expected.
    pub passed: u64,
    /// Did not.
    pub failed: u64,
}

/// Runs a script, passing the line and reason of each failure to `failure`.
pub fn run(script: &Script, options: Options, mut failure: impl FnMut(u32, &str)) -> Totals {
    let mut totals = Totals::default();
    let mut count = |line, outcome: Result<(), String>| match outcome {
        Ok(()) => totals.passed += 1,
        Err(reason) => {
            totals.failed += 1;
            failure(line, &reason);
        }
    };
    let census = Census::default();
    match Runner::new(script.features, options, census.clone()) {
        Ok(mut runner) => {
            for Directive { line, action } in &script.directives {
                count(*line, runner.carry_out(action));
            }
        }
        Err(error) => count(0, Err(format!("set-up failed: {error}"))),
    }
    if census.alive() != 0 {
        count(0, Err(format!("{} externrefs were not released exactly once", census.alive())));
    }
    totals
}

struct Runner {
    engine: Engine,
    module: fn(&Engine, &[u8]) -> kernref::Result<Module>,
    store: Store<()>,
    linker: Linker<()>,
    census: Census,
    current: Option<Instance>,
    instances: BTreeMap<String, Instance>,
    last_definition: Option<Module>,
    definitions: BTreeMap<String, Module>,
}

fn told(error: Error) -> String {
    format!("{error}")
}

impl Runner {
    fn new(features: WasmFeatures, options: Options, census: Census) -> Result<Self, Error> {
        let Options { mut config, engine, module } = options;
        config.wasm_features(WasmFeatures::all(), false).wasm_features(features, true);
        let engine = engine(&config)?;
        let mut store = Store::new(&engine, ())?;
        let mut linker = Linker::new(&engine);
        linker.allow_shadowing(true);
        define_spectest(&mut linker, &mut store)?;
        Ok(Self {
            engine,
            module,
            store,
            linker,
            census,
            current: None,
            instances: BTreeMap::new(),
            last_definition: None,
            definitions: BTreeMap::new(),
        })
    }

    fn carry_out(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Module { name, bytes } => {
                // After a failed module there is no current instance, so that
                // later directives cannot pass by using the previous one.
                self.current = None;
                let module = self.compile(bytes).map_err(told)?;
                self.instantiate(name, &module)
            }
            Action::Definition { name, bytes } => {
                let module = self.compile(bytes).map_err(told)?;
                if let Some(name) = name {
                    self.definitions.insert(name.clone(), module.clone());
                }
                self.last_definition = Some(module);
                Ok(())
            }
            Action::Instance { name, definition } => {
                let found = match definition {
                    Some(name) => self.definitions.get(name),
                    None => self.last_definition.as_ref(),
                };
                let module = found.ok_or("no such module definition")?.clone();
                self.instantiate(name, &module)
            }
            Action::Register { import_name, instance } => {
                let instance = self.instance(instance)?;
                let linked = self.linker.instance(&mut self.store, import_name, instance);
                linked.map(|_| ()).map_err(told)
            }
            Action::Perform(execute) => self.execute(execute).map(|_| ()).map_err(told),
            Action::Return(execute, expected) => {
                let results = self.execute(execute).map_err(told)?;
                matching::results(&results, expected)
            }
            Action::Trap(execute, message) => match self.execute(execute) {
                Err(Error::Trap(trap)) if matching::trap(trap, message) => Ok(()),
                other => Err(wrong(&format!("the trap `{message}`"), other)),
            },
            Action::Exhaustion(execute) => match self.execute(execute) {
                Err(Error::Trap(Trap::StackOverflow)) => Ok(()),
                other => Err(wrong("an exhausted stack", other)),
            },
            Action::Refused(bytes) => match self.compile(bytes) {
                Err(Error::Malformed { .. } | Error::Unsupported { .. } | Error::Limit(_)) => {
                    Ok(())
                }
                Err(other) => Err(told(other)),
                Ok(_) => Err("expected the module to be refused, it was compiled".to_owned()),
            },
            Action::Unlinkable(bytes) => {
                let module = self.compile(bytes).map_err(told)?;
                match self.linker.instantiate(&mut self.store, &module) {
                    Err(Error::Link(_)) => Ok(()),
                    other => Err(wrong("a refused import", other.map(|_| Vec::new()))),
                }
            }
            Action::Exception(execute) => Err(wrong("an exception", self.execute(execute))),
            Action::Decided(outcome) => outcome.clone(),
        }
    }

    fn compile(&self, bytes: &[u8]) -> Result<Module, Error> {
        (self.module)(&self.engine, bytes)
    }

    fn instantiate(&mut self, name: &Option<String>, module: &Module) -> Result<(), String> {
        let instance = self.linker.instantiate(&mut self.store, module).map_err(told)?;
        if let Some(name) = name {
            self.instances.insert(name.clone(), instance);
        }
        self.current = Some(instance);
        Ok(())
    }

    fn instance(&self, name: &Option<String>) -> Result<Instance, String> {
        let found = match name {
            Some(name) => self.instances.get(name).copied(),
            None => self.current,
        };
        found.ok_or_else(|| format!("no instance {}", name.as_deref().unwrap_or("at hand")))
    }

    fn execute(&mut self, execute: &Execute) -> Result<Vec<Val>, Error> {
        let missing = |what: String| Error::Host(what.into());
        let export = |runner: &mut Self, instance, name: &str| {
            let instance = runner.instance(instance).map_err(missing)?;
            let export = instance.get_export(&mut runner.store, name);
            export.ok_or_else(|| missing(format!("no export `{name}`")))
        };
        match execute {
            Execute::Invoke { instance, name, args } => {
                let Extern::Func(func) = export(self, instance, name)? else {
                    return Err(missing(format!("`{name}` is not a function")));
                };
                let ty = func.ty(&self.store)?;
                let args = args.iter().map(|arg| self.argument(*arg)).collect::<Result<_, _>>()?;
                let mut results: Vec<Val> =
                    ty.results().iter().map(|ty: &ValType| Val::default_for_ty(*ty)).collect();
                func.call_moving(&mut self.store, args, &mut results)?;
                Ok(results)
            }
            Execute::Get { instance, name } => match export(self, instance, name)? {
                Extern::Global(global) => Ok(Vec::from([global.get(&self.store)?])),
                _ => Err(missing(format!("`{name}` is not a global"))),
            },
            Execute::Instantiate(bytes) => {
                let module = self.compile(bytes)?;
                self.linker.instantiate(&mut self.store, &module).map(|_| Vec::new())
            }
        }
    }

    fn argument(&self, argument: Argument) -> Result<Val, Error> {
        Ok(match argument {
            Argument::I32(value) => Val::I32(value as i32),
            Argument::I64(value) => Val::I64(value as i64),
            Argument::F32(bits) => Val::F32(bits),
            Argument::F64(bits) => Val::F64(bits),
            Argument::V128(bits) => Val::V128(bits),
            Argument::NullFunc => Val::null_ref(RefType::FUNCREF),
            Argument::NullExtern => Val::null_ref(RefType::EXTERNREF),
            Argument::Extern(number) => Val::ExternRef(Some(self.census.object(number)?)),
        })
    }
}

fn wrong(expected: &str, found: Result<Vec<Val>, Error>) -> String {
    match found {
        Ok(_) => format!("expected {expected}, it ended normally"),
        Err(error) => format!("expected {expected}, got: {error}"),
    }
}
