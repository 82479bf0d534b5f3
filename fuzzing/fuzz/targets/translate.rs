//! Any bytes yield a module, or an error that blames the guest.
#![no_main]

use kernref::{Config, Engine, Module};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let engine = Engine::new(&Config::new()).unwrap();
    if let Err(error) = Module::new(&engine, bytes) {
        assert!(error.is_guest_fault(), "{error}");
    }
});
