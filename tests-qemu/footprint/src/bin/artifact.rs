//! Runtime and collector, loading code compiled elsewhere.
#![no_std]
#![no_main]

use kernref::Artifact;
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
    let artifact = kernel::given::<Option<Artifact>>().take();
    let module = Module::from_artifact(&engine, artifact.ok_or(Error::Bug("never run"))?)?;
    embedding::run(&engine, &module);
    Ok(())
}
