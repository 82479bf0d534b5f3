//! One face for all runtimes: modules with the same imports, functions of one
//! type. What a call itself costs is measured by the rows on the runtimes'
//! own interfaces; here it is noise that loops inside the guest drown.
//!
//! Imports from `h`: `nop`, `take` (externref), `give` (an object that exists),
//! `make` (i32, a new object), `number` (externref to i32), `gc`.

mod kernref;
mod wasmi;
mod wasmtime;

pub use self::kernref::engine as kernref_engine;
pub use self::wasmtime::{
    config as wasmtime_config, engine as wasmtime_engine, pooling_engine as wasmtime_pooling_engine,
};

use crate::measure::Who;
use std::cell::RefCell;
use std::time::Instant;

/// An instance of a module in some runtime.
pub trait Rig {
    /// Calls the export with this index in the list that it was loaded with,
    /// an `(i32) -> i64`.
    fn call(&mut self, func: usize, argument: i32) -> Result<i64, String>;

    /// Calls and gives the result.
    fn run(&mut self, func: usize, argument: i32) -> i64 {
        self.call(func, argument).expect("the guest does not trap")
    }
}

thread_local! {
    /// Nanoseconds of each call of `gc`.
    static COLLECTIONS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// As many collections as a median needs, and more.
const MAX_COLLECTIONS: usize = 1 << 12;

/// Times a collection, for [`take_collecting`].
fn collecting<R>(collect: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let outcome = collect();
    let took = start.elapsed();
    COLLECTIONS.with_borrow_mut(|times| {
        if times.len() < MAX_COLLECTIONS {
            times.push(took.as_nanos() as f64);
        }
    });
    outcome
}

/// Median of the nanoseconds that calls of `gc` took since the last question,
/// releasing what had died included, but for the first call: that also releases
/// what peers have kept since calls before.
pub fn take_collecting() -> f64 {
    let mut times: Vec<_> = COLLECTIONS.take().into_iter().skip(1).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes of native stack for Wasm, within what Wasmtime takes by default.
pub const STACK_BYTES: usize = 1 << 20;
/// References that a store of Kernref can hold.
pub const SLOTS: u32 = 1 << 14;

/// Loads a module, in text or binary form.
pub fn load(who: Who, wasm: &[u8], exports: &[&str]) -> Box<dyn Rig> {
    load_with_slots(who, wasm, exports, SLOTS)
}

/// The same, for more references than [`SLOTS`].
pub fn load_with_slots(who: Who, wasm: &[u8], exports: &[&str], slots: u32) -> Box<dyn Rig> {
    let wasm = wat::parse_bytes(wasm).expect("the module's text is right");
    match who {
        Who::Kernref | Who::Clone | Who::Guards | Who::Base => {
            Box::new(kernref::load(who, &wasm, exports, slots))
        }
        Who::W1 | Who::W2 => Box::new(wasmtime::load(who, &wasm, exports)),
        Who::Wasmi => Box::new(wasmi::load(&wasm, exports)),
        Who::Pooling | Who::CraneliftWasm | Who::Floor => unreachable!("{who:?} has no rig"),
    }
}

/// Loads a module everywhere and checks that all compute the same.
pub fn load_all(
    who: &[Who],
    wasm: &[u8],
    exports: &[&str],
    argument: i32,
) -> Vec<(Who, Box<dyn Rig>)> {
    let mut rigs: Vec<_> = who.iter().map(|who| (*who, load(*who, wasm, exports))).collect();
    compare(&mut rigs, exports, argument);
    rigs
}

/// Checks that all exports give the same everywhere.
pub fn compare(rigs: &mut [(Who, Box<dyn Rig>)], exports: &[&str], argument: i32) {
    (0..exports.len()).for_each(|func| compare_one(rigs, func, argument));
}

/// Checks that the export with this index gives the same everywhere.
pub fn compare_one(rigs: &mut [(Who, Box<dyn Rig>)], func: usize, argument: i32) {
    let results: Vec<_> =
        rigs.iter_mut().map(|(who, rig)| (*who, rig.call(func, argument))).collect();
    let first = &results[0].1;
    let same = results.iter().all(|(_, result)| result.is_ok() && result == first);
    assert!(same, "export {func} differs: {results:?}");
}
