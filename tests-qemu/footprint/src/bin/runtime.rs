//! Runtime and collector. The linker cannot know that no module is ever made.
#![no_std]
#![no_main]

use kernref::Module;
use kernref_footprint::{embedding, kernel};

kernref_footprint::entry!(main);

fn main() {
    match embedding::engine() {
        Ok(engine) => embedding::run(&engine, kernel::given::<Module>()),
        Err(error) => embedding::report(&error),
    }
}
