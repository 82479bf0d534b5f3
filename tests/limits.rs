//! Kernref's limits, each with its error, and modules that reach them: these
//! compile on a stack as small as a kernel's, in time proportional to their size.
#![cfg(all(feature = "compile", feature = "std"))]

mod encoding;

use encoding::{leb, module, section};
use kernref::alloc::{CodeMemory, CodeRegion, MmapCodeMemory};
use kernref::limits::{self, Limit};
use kernref::{Config, Engine, Error, Instance, Module, Store, StoreLimits, StoreLimitsBuilder};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const STACK_BYTES: usize = 256 << 10;
const I32: u8 = 0x7f;
const EXTERNREF: u8 = 0x6f;
const EMPTY: u8 = 0x40;

/// Functions of type `[] -> []`, or of `ty`, that have the same body.
fn functions_of(ty: &[u8], count: u64, locals: &[u8], code: &[u8]) -> Vec<u8> {
    let body = [locals, code, &[0x0b]].concat();
    let body = [leb(body.len() as u64), body].concat();
    let (types, bodies) = (vec![0; count as usize], body.repeat(count as usize));
    module(&[section(1, 1, ty), section(3, count, &types), section(10, count, &bodies)])
}

fn function(locals: &[u8], code: &[u8]) -> Vec<u8> {
    functions_of(&[0x60, 0, 0], 1, locals, code)
}

fn locals(count: u64, ty: u8) -> Vec<u8> {
    [vec![1], leb(count), vec![ty]].concat()
}

/// The processor time of this thread: time spent elsewhere does not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Compiles on a small stack; returns the processor time it took.
fn compile(bytes: Vec<u8>) -> (Result<(), Error>, Duration) {
    let compile = move || {
        let engine = Engine::new(&Config::new()).unwrap();
        let started = processor_time();
        let outcome = Module::new(&engine, bytes).map(|_| ());
        (outcome, processor_time() - started)
    };
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    builder.spawn(compile).unwrap().join().unwrap()
}

fn refused(limit: Limit, requested: u64, bytes: Vec<u8>) {
    match compile(bytes).0 {
        Err(Error::Limit(found)) => {
            let found = (found.what, found.requested, found.limit);
            assert_eq!(found, (limit.what, requested, limit.most));
        }
        other => panic!("{}: {other:?}", limit.what),
    }
}

/// Compiles at half and at full size, and compares the times.
fn scales(name: &str, size: u64, make: impl Fn(u64) -> Vec<u8>) {
    let time = |size| {
        let (outcome, time) = compile(make(size));
        outcome.unwrap_or_else(|error| panic!("{name} of size {size}: {error}"));
        time
    };
    let (half, whole) = (time(size / 2), time(size));
    println!("{name}: {} in {half:?}, {size} in {whole:?}", size / 2);
    // A factor of two is right and four is quadratic; machines are noisy.
    let allowed = half * 7 / 2 + Duration::from_millis(500);
    assert!(whole < allowed, "{name}: {half:?}, then {whole:?}");
}

#[test]
fn section_counts_are_limited() {
    for (id, limit) in [
        (1, limits::TYPES),
        (2, limits::IMPORTS),
        (3, limits::FUNCTIONS),
        (4, limits::TABLES),
        (5, limits::MEMORIES),
        (6, limits::GLOBALS),
        (7, limits::EXPORTS),
        (9, limits::ELEMENT_SEGMENTS),
        (11, limits::DATA_SEGMENTS),
        (12, limits::DATA_SEGMENTS),
    ] {
        refused(limit, limit.most + 1, module(&[section(id, limit.most + 1, &[])]));
    }
}

#[test]
fn types_of_exports_are_limited() {
    let exports = |count: u64| {
        let ty = [vec![0x60], leb(999), vec![I32; 999], vec![0]].concat();
        let name = |at: u64| [vec![4], format!("{at:04}").into_bytes(), vec![0, 0]].concat();
        let names: Vec<u8> = (0..count).flat_map(name).collect();
        let body = section(10, 1, &[2, 0, 0x0b]);
        module(&[section(1, 1, &ty), section(3, 1, &[0]), section(7, count, &names), body])
    };
    compile(exports(900)).0.unwrap();
    refused(limits::TYPE_SIZE, limits::TYPE_SIZE.most + 1, exports(1001));
}

#[test]
fn functions_are_limited() {
    let most = limits::LOCALS.most;
    refused(limits::LOCALS, most + 1, function(&locals(most + 1, I32), &[]));
    let wide = |params, results| {
        let list = |count: u64| [leb(count), vec![I32; count as usize]].concat();
        module(&[section(1, 1, &[vec![0x60], list(params), list(results)].concat())])
    };
    compile(wide(1000, 1000)).0.unwrap();
    refused(limits::PARAMS, 1001, wide(1001, 0));
    refused(limits::RESULTS, 1001, wide(0, 1001));
    refused(limits::BRANCH_TARGETS, 65_521, branch_table(65_521));
    let depth = limits::NESTING.most + 1;
    refused(limits::NESTING, depth, nested(&[], &[0x02, EMPTY], depth));
    let bytes = limits::FUNCTION_BYTES.most;
    let long = function(&[0], &vec![0x01; bytes as usize]);
    refused(limits::FUNCTION_BYTES, bytes + 2, long);
}

#[test]
fn names_segments_and_modules_are_limited() {
    let name = [leb(100_001), vec![b'x'; 100_001]].concat();
    refused(limits::NAME_BYTES, 100_001, module(&[section(7, 1, &name)]));
    let segment = [vec![1, 0], leb(10_000_001)].concat();
    let elements = [segment, vec![0; 10_000_001]].concat();
    refused(limits::SEGMENT_ELEMENTS, 10_000_001, module(&[section(9, 1, &elements)]));
    // Zero pages that are never touched.
    let bytes = limits::MODULE_BYTES.most + 1;
    refused(limits::MODULE_BYTES, bytes, vec![0; bytes as usize]);
}

/// `open` repeated `depth` times, and as many ends.
fn nested(before: &[u8], open: &[u8], depth: u64) -> Vec<u8> {
    let each = [before, open].concat();
    function(&[0], &[each.repeat(depth as usize), vec![0x0b; depth as usize]].concat())
}

fn branch_table(targets: u64) -> Vec<u8> {
    let head = [vec![0x41, 0, 0x0e], leb(targets)].concat();
    function(&[0], &[head, vec![0; targets as usize + 1]].concat())
}

#[test]
fn many_locals() {
    scales("i32 locals", 50_000, |count| function(&locals(count, I32), &[]));
    scales("externref locals", 50_000, |count| function(&locals(count, EXTERNREF), &[]));
}

#[test]
fn deep_nesting() {
    scales("blocks", 10_000, |depth| nested(&[], &[0x02, EMPTY], depth));
    scales("loops", 10_000, |depth| nested(&[], &[0x03, EMPTY], depth));
    scales("ifs", 10_000, |depth| nested(&[0x41, 1], &[0x04, EMPTY], depth));
    scales("expressions", 10_000, |depth| {
        let (values, adds) = ([0x20, 0].repeat(depth as usize + 1), vec![0x6a; depth as usize]);
        function(&locals(1, I32), &[values, adds, vec![0x1a]].concat())
    });
}

#[test]
fn large_tables_and_many_functions() {
    scales("branch table", 65_520, branch_table);
    scales("functions", 20_000, |count| functions_of(&[0x60, 0, 0], count, &[0], &[]));
    // local.get, i32.const, i32.add, local.set
    let step = [0x20, 0, 0x41, 5, 0x6a, 0x21, 0];
    let straight = |bytes: u64| step.repeat(bytes as usize / step.len());
    scales("bytes of straight code", 400_000, |bytes| function(&locals(1, I32), &straight(bytes)));
    // Just over 2 MB, in functions of one kilobyte.
    scales("bytes of a module", 2_100_000, |bytes| {
        functions_of(&[0x60, 0, 0], bytes / 1024, &locals(1, I32), &straight(1014))
    });
}

/// Locals that are all live across calls: each is set by a call, and passed to
/// another once all are set. Every call's stack map lists them, so the product
/// is limited: a reasonable number compiles quickly, and more is refused early.
#[test]
fn live_externref_locals() {
    let make = |count: u64| {
        let types = [0x60, 1, EXTERNREF, 0, 0x60, 0, 1, EXTERNREF, 0x60, 0, 0];
        let imports = [1, b'h', 1, b't', 0, 0, 1, b'h', 1, b'm', 0, 1];
        let mut code = Vec::new();
        for at in 0..count {
            code.extend([&[0x10, 1, 0x21][..], &leb(at)].concat());
        }
        for at in 0..count {
            code.extend([&[0x20][..], &leb(at), &[0x10, 0]].concat());
        }
        let body = [locals(count, EXTERNREF), code, vec![0x0b]].concat();
        let body = [leb(body.len() as u64), body].concat();
        module(&[
            section(1, 3, &types),
            section(2, 2, &imports),
            section(3, 1, &[2]),
            section(10, 1, &body),
        ])
    };
    let (outcome, time) = compile(make(300));
    outcome.unwrap();
    assert!(time < Duration::from_secs(5), "{time:?}");
    for count in [1000, 4000, 50_000] {
        let (outcome, time) = compile(make(count));
        let limit = limits::REFERENCES_OVER_CALLS;
        assert!(matches!(outcome, Err(Error::Limit(error)) if error.what == limit.what));
        assert!(time < Duration::from_secs(5), "{time:?}");
    }
}

/// About the maximum length of a function: it compiles, or the limit is named.
#[test]
fn the_longest_function() {
    let code = [0x20, 0, 0x41, 5, 0x6a, 0x21, 0].repeat(7_654_000 / 7);
    match compile(function(&locals(1, I32), &code)) {
        (Ok(()) | Err(Error::Limit(_)), time) => println!("the longest function: {time:?}"),
        (other, _) => panic!("{other:?}"),
    }
}

/// Counts leading zeros so many times over: each makes a value.
fn leading_zeros(times: usize) -> Vec<u8> {
    [&[0x41, 0][..], &[0x67].repeat(times), &[0x1a]].concat()
}

/// What a module makes of itself, at the most that is allowed and one above.
#[test]
fn the_compiler_makes_what_it_may() {
    let values = |config: &mut Config, most| {
        config.max_function_values(Some(most));
    };
    let operands = |config: &mut Config, most| {
        config.max_function_operands(Some(most));
    };
    // A value each; and a jump each, with an operand that stays below.
    let counts = |count| function(&[0], &leading_zeros(count));
    let jumps = |count| {
        let block = [0x02, EMPTY, 0x0c, 0, 0x0b].repeat(count);
        function(&[0], &[&[0x41, 0][..], &block, &[0x1a]].concat())
    };
    type Knob = fn(&mut Config, u32);
    type Shape = fn(usize) -> Vec<u8>;
    for (limit, set, make) in [
        (limits::FUNCTION_VALUES, values as Knob, counts as Shape),
        (limits::FUNCTION_OPERANDS, operands, jumps),
    ] {
        let compile = |most: u64, count| {
            let mut config = Config::new();
            set(&mut config, most.try_into().unwrap());
            let outcome = Module::new(&Engine::new(&config).unwrap(), make(count));
            outcome.map(|_| ())
        };
        let most = (1..).find(|most| compile(*most, 1000).is_ok()).unwrap();
        assert!((1000..1010).contains(&most), "{}: {most}", limit.what);
        match compile(most, 1001) {
            Err(Error::Limit(found)) => {
                let found = (found.what, found.requested, found.limit);
                assert_eq!(found, (limit.what, most + 1, most));
            }
            other => panic!("{}: {other:?}", limit.what),
        }
    }
}

/// A table can be told to allow less, not more.
#[test]
fn the_most_values_cannot_be_raised() {
    let mut config = Config::new();
    config.max_function_values(Some(u32::MAX));
    let most = limits::FUNCTION_VALUES.most;
    let wasm = function(&[0], &leading_zeros(most as usize));
    match Module::new(&Engine::new(&config).unwrap(), wasm) {
        Err(Error::Limit(found)) => assert_eq!((found.requested, found.limit), (most + 1, most)),
        other => panic!("{other:?}"),
    }
}

/// Counts the regions of code that are in use.
#[derive(Default)]
struct CountedCode(AtomicUsize);

// SAFETY: what the other source gives.
unsafe impl CodeMemory for CountedCode {
    fn allocate(&self, len_bytes: usize) -> kernref::Result<CodeRegion> {
        self.0.fetch_add(1, Ordering::Relaxed);
        MmapCodeMemory.allocate(len_bytes)
    }

    unsafe fn publish(&self, region: &CodeRegion) -> kernref::Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { MmapCodeMemory.publish(region) }
    }

    unsafe fn release(&self, region: CodeRegion) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { MmapCodeMemory.release(region) }
    }
}

/// Five megabytes of Wasm ask for sixteen of context.
#[test]
fn a_million_globals_are_within_a_stores_limit() {
    let code = Arc::new(CountedCode::default());
    let mut config = Config::new();
    config.code_memory(code.clone());
    let engine = Engine::new(&config).unwrap();
    // An i64, 0; a function without anything, so that there is code.
    let entries = [0x7e, 0, 0x42, 0, 0x0b].repeat(1_000_000);
    let (types, functions) = (section(1, 1, &[0x60, 0, 0]), section(3, 1, &[0]));
    let bodies = section(10, 1, &[2, 0, 0x0b]);
    let bytes = module(&[types, functions, section(6, 1_000_000, &entries), bodies]);
    let module = Module::new(&engine, bytes).unwrap();
    let limits = StoreLimitsBuilder::new().store_size(1 << 20).build();
    let mut store = Store::<StoreLimits>::new(&engine, limits).unwrap();
    store.limiter(|limits| limits).unwrap();
    let before = store.figures();
    for _ in 0..100 {
        let refused = Instance::new(&mut store, &module, &[]);
        assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    }
    assert_eq!(store.figures(), before);
    // The store keeps nothing of a module that it could not instantiate.
    drop(module);
    assert_eq!(code.0.load(Ordering::Relaxed), 0);
}
