//! Runtime and collector, loading signed code.
#![no_std]
#![no_main]

use kernref::signing::{KEY_BYTES, TrustedKeys};
use kernref::{Error, Module};
use kernref_footprint::{embedding, kernel};

kernref_footprint::entry!(main);

fn main() {
    if let Err(error) = load() {
        embedding::report(&error);
    }
}

fn load() -> Result<(), Error> {
    let engine = embedding::engine()?;
    let bytes: &'static [u8] = kernel::given::<&'static [u8]>();
    let keys = kernel::given::<[[u8; KEY_BYTES]; 1]>();
    // SAFETY: never run.
    let trusted = unsafe { TrustedKeys::new(keys) };
    let module = Module::deserialize_in_place_with(&engine, bytes, &trusted)?;
    embedding::run(&engine, &module);
    Ok(())
}
