//! One interface to all runtimes: modules with the same imports, functions of
//! one type. The cost of a call itself is measured by the rows that use the
//! runtimes' own interfaces; here the loops inside the guest dwarf it.
//!
//! Imports from `h`: `nop`, `take` (externref), `give` (an existing object),
//! `make` (i32 to a new object), `number` (externref to i32), `gc`.

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
    /// Calls the export with this index in the list passed to [`load`], an
    /// `(i32) -> i64`.
    fn call(&mut self, func: usize, argument: i32) -> Result<i64, String>;

    /// Calls the export and returns its result.
    fn run(&mut self, func: usize, argument: i32) -> i64 {
        self.call(func, argument).expect("the guest does not trap")
    }
}

thread_local! {
    /// Durations of the calls of `gc`, in nanoseconds.
    static COLLECTIONS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// More collections than a median needs.
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

/// Median duration in nanoseconds of the `gc` calls since the last query,
/// including releasing what died. The first call is left out: it also releases
/// what peers kept from earlier calls.
pub fn take_collecting() -> f64 {
    let mut times: Vec<_> = COLLECTIONS.take().into_iter().skip(1).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes of native stack for Wasm, within Wasmtime's default.
pub const STACK_BYTES: usize = 1 << 20;
/// References that a Kernref store can hold.
pub const SLOTS: u32 = 1 << 14;

/// Loads a module, in text or binary form.
pub fn load(who: Who, wasm: &[u8], exports: &[&str]) -> Box<dyn Rig> {
    load_with_slots(who, wasm, exports, SLOTS)
}

/// The same, for more references than [`SLOTS`].
pub fn load_with_slots(who: Who, wasm: &[u8], exports: &[&str], slots: u32) -> Box<dyn Rig> {
    let wasm = wat::parse_bytes(wasm).expect("the module's text is right");
    match who {
        Who::Kernref | Who::Clone | Who::Guards | Who::Unguarded | Who::Base => {
            Box::new(kernref::load(who, &wasm, exports, slots))
        }
        Who::W1 | Who::W2 => Box::new(wasmtime::load(who, &wasm, exports)),
        Who::Wasmi => Box::new(wasmi::load(&wasm, exports)),
        Who::Pooling | Who::CraneliftWasm | Who::Floor => unreachable!("{who:?} has no rig"),
    }
}

/// Loads a module into all runtimes and checks that they agree.
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

/// Checks that every export returns the same in all runtimes.
pub fn compare(rigs: &mut [(Who, Box<dyn Rig>)], exports: &[&str], argument: i32) {
    (0..exports.len()).for_each(|func| compare_one(rigs, func, argument));
}

/// Checks that the export with this index returns the same in all runtimes.
pub fn compare_one(rigs: &mut [(Who, Box<dyn Rig>)], func: usize, argument: i32) {
    let results: Vec<_> =
        rigs.iter_mut().map(|(who, rig)| (*who, rig.call(func, argument))).collect();
    let first = &results[0].1;
    let same = results.iter().all(|(_, result)| result.is_ok() && result == first);
    assert!(same, "export {func} differs: {results:?}");
}
