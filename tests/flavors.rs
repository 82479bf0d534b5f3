//! Artifacts load into engines of the flavor they were compiled for, and into
//! no others.
#![cfg(all(feature = "compile", feature = "std"))]

use kernref::__internals::{CompileSettings, compile};
use kernref::{
    Config, DeferralPolicy, Engine, Error, Instance, Misuse, Module, Store, WasmFeatures,
};
use std::num::NonZeroU32;

type Change = (&'static str, fn(&mut CompileSettings), fn(&mut Config));

/// One change per property that code relies on and an embedder can choose.
const CHANGES: [Change; 8] = [
    ("", |_| (), |_| ()),
    (
        "deferral policy",
        |settings| settings.policy = DeferralPolicy::CloneOnRead,
        |config| _ = config.deferral_policy(DeferralPolicy::CloneOnRead),
    ),
    ("zeal", |settings| settings.zeal = true, |config| _ = config.gc_zeal(NonZeroU32::new(1))),
    (
        "epoch interruption",
        |settings| settings.epoch_interruption = true,
        |config| _ = config.epoch_interruption(true),
    ),
    ("fuel", |settings| settings.consume_fuel = true, |config| _ = config.consume_fuel(true)),
    (
        "hardware traps",
        |settings| settings.hardware_traps = true,
        |config| _ = config.hardware_traps(true),
    ),
    (
        "speculation guards",
        |settings| settings.speculation_guards = false,
        |config| _ = config.speculation_guards(false),
    ),
    (
        "floating point",
        |settings| settings.features.remove(WasmFeatures::FLOATING_POINT),
        |config| _ = config.floating_point(false),
    ),
];

#[test]
fn code_runs_only_in_engines_of_its_flavor() {
    let wasm = wat::parse_str(r#"(module (memory 1) (func (export "f")))"#).unwrap();
    for (compiled_for, change_settings, _) in CHANGES {
        let mut settings = CompileSettings::default();
        change_settings(&mut settings);
        for (engine_has, _, change_config) in CHANGES {
            let mut config = Config::new();
            change_config(&mut config);
            let engine = Engine::new(&config).unwrap();
            let artifact = compile(&wasm, &settings).unwrap();
            match Module::from_artifact(&engine, artifact) {
                Ok(module) => {
                    assert_eq!(compiled_for, engine_has);
                    let mut store = Store::new(&engine, ()).unwrap();
                    // Refused where fuel is not counted.
                    drop(store.set_fuel(1 << 20));
                    Instance::new(&mut store, &module, &[]).unwrap();
                }
                Err(error) => {
                    let Error::Misuse(Misuse::WrongFlavor(mismatch)) = error else {
                        panic!("{error}");
                    };
                    assert!([compiled_for, engine_has].contains(&mismatch.setting));
                    assert_ne!(compiled_for, engine_has);
                    assert!(error.to_string().contains(mismatch.setting), "{error}");
                }
            }
        }
    }
}

#[test]
fn code_for_every_processor_runs_here() {
    let text = r#"(module (func (export "f") (param i32) (result i32)
        (i32.popcnt (i32.clz (local.get 0)))))"#;
    let wasm = wat::parse_str(text).unwrap();
    let mut config = Config::new();
    let engine = Engine::new(&config).unwrap();
    let here = engine.precompile_module(&wasm).unwrap();
    let everywhere = Engine::new(config.baseline_processor(true)).unwrap();
    let artifact = everywhere.precompile_module(&wasm).unwrap();
    let features = artifact.parts().flavor.processor;
    assert_eq!(features & !here.parts().flavor.processor, 0);
    let module = Module::from_artifact(&engine, artifact).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, 0x01ff_ffff).unwrap(), 3);
}

#[test]
fn free_choices_are_not_part_of_the_flavor() {
    let settings = CompileSettings { optimize: kernref::OptLevel::None, ..Default::default() };
    let artifact = compile(&wat::parse_str("(module)").unwrap(), &settings).unwrap();
    let mut config = Config::new();
    config.reference_slots(8).max_wasm_stack(64 << 10);
    Module::from_artifact(&Engine::new(&config).unwrap(), artifact).unwrap();
}

#[test]
fn an_artifact_can_be_rebuilt_from_its_parts() {
    let wasm = wat::parse_str(r#"(module (func (export "f") (result i32) i32.const 7))"#).unwrap();
    let parts = compile(&wasm, &CompileSettings::default()).unwrap().into_parts();
    let engine = Engine::new(&Config::new()).unwrap();
    // SAFETY: unchanged compiler output.
    let artifact = unsafe { kernref::Artifact::from_parts(parts) };
    let module = Module::from_artifact(&engine, artifact).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 7);
}
