//! Runtime and collector plus the compiler.
#![no_std]
#![no_main]

use kernref::{Error, Module};
use kernref_footprint::{embedding, kernel};

kernref_footprint::entry!(main);

fn main() {
    if let Err(error) = compile() {
        embedding::report(&error);
    }
}

fn compile() -> Result<(), Error> {
    let engine = embedding::engine()?;
    let module = Module::new(&engine, kernel::given::<[u8; 4096]>())?;
    embedding::run(&engine, &module);
    Ok(())
}
