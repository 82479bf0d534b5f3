//! Artifacts as bytes: what is written is read, what is changed is refused or is
//! another artifact, and nothing panics.
#![cfg(all(feature = "compile", feature = "std"))]

mod changes;
mod modules;
#[cfg(feature = "signed-artifacts")]
mod signing;

use kernref::__internals::{ArtifactFile, CompileSettings, compile};
use kernref::{
    Artifact, ArtifactError, ArtifactFault, ArtifactPolicy, ArtifactSection, Config, Engine, Error,
    Instance, Misuse, Module, Store,
};
use std::path::Path;

/// Set by `./x test --full`: every value of every byte, and large modules.
fn is_full() -> bool {
    std::env::var_os("KERNREF_EVERY_BYTE").is_some()
}

fn engine() -> Engine {
    Engine::new(&Config::new()).unwrap()
}

fn serialized(wasm: &[u8]) -> Vec<u8> {
    engine().precompile_module(wasm).unwrap().serialize().unwrap()
}

fn deserialize(engine: &Engine, bytes: &[u8]) -> kernref::Result<Module> {
    // SAFETY: the code in `bytes` is what the compiler made; whatever else was
    // changed, nothing of it is called.
    unsafe { Module::deserialize(engine, bytes) }
}

/// The artifact in `bytes`, written again.
fn rewritten(bytes: &[u8]) -> kernref::Result<Vec<u8>> {
    let (code, parts) = ArtifactFile::open(bytes)?.read()?.replace_code(());
    let (_, parts) = parts.replace_code(code.to_vec());
    // SAFETY: it is never loaded.
    unsafe { Artifact::from_parts(parts) }.serialize()
}

fn refused(error: &Error) -> ArtifactError {
    match error {
        Error::Artifact(error) => *error,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_written_is_read() {
    let engine = engine();
    for (name, text) in modules::MODULES {
        let artifact = engine.precompile_module(wat::parse_str(text).unwrap()).unwrap();
        let bytes = artifact.serialize().unwrap();
        assert_eq!(rewritten(&bytes).unwrap(), bytes, "{name}");
        let from_artifact = Module::from_artifact(&engine, artifact).unwrap();
        assert!(from_artifact.serialize().unwrap() == bytes, "{name}: from a module");
        let module = deserialize(&engine, &bytes).unwrap();
        assert!(module.serialize().unwrap() == bytes, "{name}: from a loaded module");
        assert_eq!(module.name(), from_artifact.name());
        let declared = |module: &Module| format!("{:?}", module.imports().collect::<Vec<_>>());
        assert_eq!(declared(&module), declared(&from_artifact));
        let declared = |module: &Module| format!("{:?}", module.exports().collect::<Vec<_>>());
        assert_eq!(declared(&module), declared(&from_artifact));
    }
}

#[test]
fn guests_survive_the_round_trip() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guests/prebuilt");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let is_large = path.ends_with("large.wasm");
        if path.extension().is_none_or(|extension| extension != "wasm") || is_large && !is_full() {
            continue;
        }
        let bytes = serialized(&std::fs::read(&path).unwrap());
        let module = deserialize(&engine(), &bytes).unwrap();
        assert!(module.serialize().unwrap() == bytes, "{}", path.display());
        count += 1;
    }
    assert!(count >= 6, "{count} guests");
}

const SEVEN: &str = r#"(module $seven (func $f (export "f") (result i32) (i32.const 7))
    (memory (export "m") 1) (data (i32.const 0) "data"))"#;

fn calls(engine: &Engine, module: &Module) -> i32 {
    let mut store = Store::new(engine, ()).unwrap();
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "m").unwrap();
    assert_eq!(memory.data(&store).unwrap()[..4], *b"data");
    instance.get_typed_func::<(), i32>(&mut store, "f").unwrap().call(&mut store, ()).unwrap()
}

#[test]
fn loaded_code_runs() {
    let engine = engine();
    let bytes = serialized(&wat::parse_str(SEVEN).unwrap());
    let module = deserialize(&engine, &bytes).unwrap();
    drop(bytes);
    assert_eq!(calls(&engine, &module), 7);
    assert_eq!(module.name(), Some("seven"));
    assert_eq!(module.function_name(0), Some("f"));
}

#[test]
fn loaded_in_place_it_runs_wherever_it_lies() {
    let engine = engine();
    let bytes = serialized(&wat::parse_str(SEVEN).unwrap());
    for shift in 0..4 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(&bytes);
        let leaked: &'static [u8] = &shifted.leak()[shift..];
        // SAFETY: unchanged.
        let module = unsafe { Module::deserialize_in_place(&engine, leaked) }.unwrap();
        assert_eq!(calls(&engine, &module), 7);
        assert!(module.serialize().unwrap() == bytes);
    }
}

#[test]
fn one_shortened_anywhere_is_refused() {
    let engine = engine();
    for (name, text) in modules::MODULES {
        let bytes = serialized(&wat::parse_str(text).unwrap());
        for len in 0..bytes.len() {
            let error = refused(&deserialize(&engine, &bytes[..len]).unwrap_err());
            let expected = match len {
                0..8 => ArtifactFault::NotAnArtifact,
                8..16 => ArtifactFault::Malformed("shorter than its contents"),
                _ => ArtifactFault::Length { stated: bytes.len() as u64, found: len as u64 },
            };
            assert_eq!(error.fault, expected, "{name}: {len}");
            // The same with a header that knows of it.
            let mut resealed = bytes[..len].to_vec();
            if changes::seal(&mut resealed) {
                refused(&deserialize(&engine, &resealed).unwrap_err());
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        let error = refused(&deserialize(&engine, &longer).unwrap_err());
        assert!(matches!(error.fault, ArtifactFault::Length { .. }));
    }
}

#[test]
fn what_it_was_compiled_for_is_named() {
    let wasm = wat::parse_str(SEVEN).unwrap();
    let settings = CompileSettings { consume_fuel: true, ..CompileSettings::default() };
    let bytes = compile(&wasm, &settings).unwrap().serialize().unwrap();
    let error = deserialize(&engine(), &bytes).unwrap_err();
    assert_eq!(error.to_string(), "code and engine differ in fuel: on and off");

    let bytes = serialized(&wasm);
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        assert!(changes::seal(&mut changed));
        deserialize(&engine(), &changed).unwrap_err()
    };
    let other = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    let Error::Misuse(Misuse::WrongFlavor(mismatch)) = with(24, other) else { panic!() };
    assert_eq!(mismatch.setting, "architecture");
    let error = with(24, 1);
    assert_eq!(error.to_string(), "artifact refused: header: unknown architecture 1");
    let Error::Misuse(Misuse::WrongFlavor(mismatch)) = with(39, 0x80) else { panic!() };
    assert!(mismatch.setting.contains("feature"), "{}", mismatch.setting);
    let Error::Misuse(Misuse::WrongFlavor(mismatch)) = with(40, !bytes[40]) else { panic!() };
    assert_eq!(mismatch.setting, "version or layout of contexts");
    let error = with(8, 2);
    let newer = "artifact refused: header: newer format version 2, this is version 1";
    assert_eq!(error.to_string(), newer);
}

struct Never;

// SAFETY: vouches for nothing.
unsafe impl ArtifactPolicy for Never {
    fn vouch<'b>(&self, _: &'b [u8]) -> kernref::Result<&'b [u8]> {
        let fault = ArtifactFault::Refused("not on a Thursday");
        Err(ArtifactError { section: ArtifactSection::Signature, fault }.into())
    }
}

#[test]
fn a_policy_decides_first() {
    let bytes = serialized(&wat::parse_str(SEVEN).unwrap());
    let error = Module::deserialize_with(&engine(), bytes, &Never).unwrap_err();
    assert_eq!(error.to_string(), "artifact refused: signature: not on a Thursday");
    let error = Module::deserialize_in_place_with(&engine(), b"", &Never).unwrap_err();
    assert!(error.to_string().contains("Thursday"));
}
