//! Runtime and collector, loading code compiled elsewhere: from bytes in the image.
#![no_std]
#![no_main]

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
    // SAFETY: never run.
    let module = unsafe { Module::deserialize_in_place(&engine, bytes)? };
    embedding::run(&engine, &module);
    Ok(())
}
