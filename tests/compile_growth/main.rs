//! What compiling takes, for modules of many shapes (`shapes.rs`), each at one
//! size and at twice that: the values that the compiler makes, and its heap.
//! `docs/compile-growth.md` lists them; `./x growth --bless` renews it.
#![cfg(all(feature = "compile", feature = "std"))]

mod dense;
#[path = "../encoding/mod.rs"]
mod encoding;
mod heap;
mod shapes;
mod wasm;

use dense::{DENSE, ORDINARY};
use heap::{Counting, Heap};
use kernref::__internals::{CompileSettings, compile, count_values};
use kernref::{DeferralPolicy, Error};
use shapes::{BEYOND_16_MIB, SHAPES, Shape};
use std::fmt::Write;
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Set by `./x growth --bless`.
const BLESS: &str = "KERNREF_BLESS";
/// Twice the size may cost this many times as much.
const MOST: f64 = 2.3;

/// At small sizes, or where optimizing begins or ends, it may be this many times.
const FASTEST: f64 = 6.0;

/// One module, compiled.
struct Compiled {
    bytes: u64,
    /// `None` if the module is refused.
    values: Option<u64>,
    /// Why.
    refusal: String,
    heap: Heap,
}

/// A shape at its size and at twice that.
struct Pair {
    once: Compiled,
    twice: Compiled,
}

/// The function whose instructions are counted.
#[inline(never)]
fn counted_by_callgrind(wasm: &[u8], settings: &CompileSettings) -> Result<(), Error> {
    compile(wasm, settings).map(|_| ())
}

fn compiled(name: &str, wasm: &[u8], settings: &CompileSettings) -> Compiled {
    let (outcome, heap) = heap::measure(|| counted_by_callgrind(wasm, settings));
    let bytes = wasm.len() as u64;
    let (values, refusal) = match outcome {
        Ok(()) => (Some(count_values(wasm, settings).unwrap()), String::new()),
        Err(Error::Limit(limit)) => (None, limit.what.to_owned()),
        Err(other) => panic!("{name}: {other}"),
    };
    Compiled { bytes, values, refusal, heap }
}

impl Pair {
    fn of(shape: &Shape, settings: &CompileSettings) -> Self {
        let compiled = |size| compiled(shape.name, &(shape.make)(size), settings);
        Self { once: compiled(shape.size), twice: compiled(2 * shape.size) }
    }

    fn growth(&self, of: impl Fn(&Compiled) -> u64) -> f64 {
        of(&self.twice) as f64 / of(&self.once) as f64
    }

    /// Complains if something grows too fast, or needs more heap than is stated in
    /// `docs/compile-growth.md`. Debug builds of the optimizer check themselves in
    /// ways that allocate more: what they allocate does not count.
    fn check(&self, name: &str, counts_allocations: bool, complaints: &mut String) {
        let Self { once, twice } = self;
        let mut complain = |what: String| writeln!(complaints, "{name}: {what}").unwrap();
        let bytes = self.growth(|module| module.bytes);
        if !(1.4..2.1).contains(&bytes) {
            complain(format!("the module grows {bytes:.2} times"));
        }
        for Compiled { bytes, values, heap, .. } in [once, twice] {
            let most = match values {
                Some(values) => (4 << 20) + 1200 * bytes + 1600 * values,
                None => (8 << 20) + 400 * bytes,
            };
            if heap.peak > most {
                complain(format!("{} bytes of heap, {most} are stated", heap.peak));
            }
        }
        if once.values.is_none() || twice.values.is_none() {
            return;
        }
        for (what, growth) in [
            ("values", self.growth(|module| module.values.unwrap_or(0))),
            ("heap", self.growth(|module| module.heap.peak)),
            ("allocations", self.growth(|module| module.heap.allocated)),
        ] {
            let counts = what != "allocations" || counts_allocations;
            if growth > MOST && counts {
                complain(format!("{what} grow {growth:.2} times"));
            }
        }
    }
}

fn as_if_large(settings: &CompileSettings) -> CompileSettings {
    CompileSettings { as_if_large: true, ..*settings }
}

/// Bytes, with a space before each group of three digits but the first.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A line of the table. What heap columns say depends on the machine, so they
/// come last.
fn line(name: &str, usual: &Pair, large: &Pair) -> String {
    let bytes = format!("{} → {}", grouped(usual.once.bytes), grouped(usual.twice.bytes));
    let said = |module: &Compiled| match module.values {
        Some(values) => grouped(values),
        None => format!("refused: {}", module.refusal),
    };
    let (once, twice) = (said(&usual.once), said(&usual.twice));
    let values = match once == twice {
        true => once,
        false => format!("{once} → {twice}"),
    };
    let heap = |pair: &Pair| {
        let kib = |module: &Compiled| grouped(module.heap.peak.div_ceil(1 << 10));
        format!("{} → {}", kib(&pair.once), kib(&pair.twice))
    };
    format!("| {name} | {bytes} | {values} | {} | {} |", heap(usual), heap(large))
}

/// A table without what depends on the machine.
fn comparable(table: &str) -> Vec<String> {
    let columns = |line: &str| line.split('|').take(4).collect::<Vec<_>>().join("|");
    table.lines().map(columns).collect()
}

#[test]
fn twice_the_size_costs_twice_as_much() {
    let settings = CompileSettings::default();
    let (mut table, mut complaints) = (String::new(), String::new());
    for shape in SHAPES {
        let (usual, large) = (Pair::of(shape, &settings), Pair::of(shape, &as_if_large(&settings)));
        usual.check(shape.name, !cfg!(debug_assertions), &mut complaints);
        large.check(&format!("{}, as if large", shape.name), true, &mut complaints);
        writeln!(table, "{}", line(shape.name, &usual, &large)).unwrap();
        let is_beyond = usual.once.heap.peak > 16 << 20;
        if is_beyond != BEYOND_16_MIB.contains(&shape.name) {
            let peak = usual.once.heap.peak;
            writeln!(complaints, "{}: {peak} bytes, unlike BEYOND_16_MIB", shape.name).unwrap();
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/compile-growth.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once("|---|---|---|---|---|\n").expect("a table");
    let end = rest.find("\n\n").map_or(rest.len(), |end| end + 1);
    let (kept, after) = rest.split_at(end);
    if std::env::var_os(BLESS).is_some() {
        let renewed = [before, "|---|---|---|---|---|\n", &table, after].concat();
        std::fs::write(&path, renewed).unwrap();
    } else {
        let (kept, found) = (comparable(kept), comparable(&table));
        let new: Vec<_> = found.iter().filter(|line| !kept.contains(line)).collect();
        let hint = "docs/compile-growth.md differs; if that is meant, run `./x growth --bless`";
        assert!(kept == found, "{hint}; new lines are {new:#?}");
    }
}

#[test]
fn other_settings_cost_no_more_than_twice() {
    let everything = CompileSettings {
        policy: DeferralPolicy::CloneOnRead,
        zeal: true,
        epoch_interruption: true,
        consume_fuel: true,
        ..CompileSettings::default()
    };
    let mut complaints = String::new();
    for shape in SHAPES {
        let name = format!("{}, everything on", shape.name);
        let counts_allocations = !cfg!(debug_assertions);
        Pair::of(shape, &everything).check(&name, counts_allocations, &mut complaints);
    }
    assert!(complaints.is_empty(), "{complaints}");
}

/// Heap at most, for each byte of a module, without speculation guards and with them:
/// what `SECURITY.md` states for functions that are compiled the linear way.
#[test]
fn large_functions_take_little_heap_for_each_byte() {
    const PER_BYTE: [(&str, u64, [u64; 2]); 7] = [
        ("straight arithmetic", 20_000, [100, 100]),
        ("straight arithmetic", 150_000, [100, 100]),
        ("one long expression", 100_000, [100, 100]),
        ("A3: loads, a quarter as many locals", 16_000, [100, 150]),
        ("A3: loads, a quarter as many locals", 64_000, [100, 150]),
        ("A2: conversions that may trap", 50_000, [100, 100]),
        ("A2: conversions that may trap", 100_000, [100, 100]),
    ];
    let mut complaints = String::new();
    for (name, size, most) in PER_BYTE {
        for (speculation_guards, most) in [false, true].into_iter().zip(most) {
            let settings = CompileSettings { speculation_guards, ..CompileSettings::default() };
            let shape = SHAPES.iter().find(|shape| shape.name == name).expect(name);
            let Compiled { bytes, values, heap, refusal } =
                compiled(name, &(shape.make)(size), &settings);
            assert!(values.is_some(), "{name}: {refusal}");
            let per_byte = heap.peak.div_ceil(bytes);
            let what = format!("{name}, {size}, guards {speculation_guards}");
            println!("{what}: {per_byte} bytes of heap for each of {bytes}");
            if per_byte > most {
                writeln!(complaints, "{what}: {per_byte}, at most {most} meant").unwrap();
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

/// What compiling takes at sizes from small ones on, each twice the one before, as
/// long as something grows more than [`MOST`] times. Beyond the first few, each is
/// bounded by budgets; how far that goes is in `docs/compile-growth.md`.
#[test]
#[ignore = "takes minutes; `./x growth --sweep` runs it"]
fn other_sizes() {
    let settings = CompileSettings::default();
    let wanted = std::env::var("KERNREF_SHAPE").unwrap_or_default();
    let mut complaints = String::new();
    for shape in SHAPES.iter().filter(|shape| shape.name.contains(&wanted)) {
        let most = 8 * shape.size;
        let sizes = (3..).map(|k| 1_u64 << k).take_while(|size| *size <= most);
        let mut before: Option<Compiled> = None;
        for size in sizes {
            let now = compiled(shape.name, &(shape.make)(size), &settings);
            if now.values.is_none() {
                let allowed = (8 << 20) + 400 * now.bytes;
                if now.heap.peak > allowed {
                    writeln!(complaints, "{} of {size}: {:?}, refused", shape.name, now.heap)
                        .unwrap();
                }
                break;
            }
            if let Some(before) = before.as_ref().filter(|before| before.heap.peak > 256 << 10) {
                let bytes = now.bytes as f64 / before.bytes as f64;
                let peak = now.heap.peak as f64 / before.heap.peak as f64;
                let allocated = now.heap.allocated as f64 / before.heap.allocated as f64;
                if peak.max(allocated) > MOST * bytes.max(2.0) / 2.0 {
                    println!(
                        "{} of {size}: {} bytes, {bytes:.2} times; heap {peak:.2} times to {}, allocated {allocated:.2} times to {}",
                        shape.name, now.bytes, now.heap.peak, now.heap.allocated
                    );
                }
                if peak > FASTEST {
                    writeln!(complaints, "{} of {size}: heap {peak:.2} times", shape.name).unwrap();
                }
            }
            let most = (4 << 20) + 1200 * now.bytes + 1600 * now.values.unwrap_or(0);
            if now.heap.peak > most {
                writeln!(complaints, "{} of {size}: {:?}, {most} are stated", shape.name, now.heap)
                    .unwrap();
            }
            before = Some(now);
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

/// The module of a shape that has about so many bytes, if there is one.
fn of_bytes(shape: &Shape, bytes: u64) -> Option<Vec<u8>> {
    let mut size = shape.size;
    for _ in 0..4 {
        let made = (shape.make)(size).len() as u64;
        size = (size * bytes / made.max(1)).clamp(1, 1 << 20);
    }
    let made = (shape.make)(size);
    (bytes - bytes / 8..bytes + bytes / 32).contains(&(made.len() as u64)).then_some(made)
}

/// Heap for each byte of modules of some size: what `dense.rs` says.
#[test]
#[ignore = "takes a minute; `./x growth --sweep` runs it"]
fn each_byte_takes_as_much_as_is_listed() {
    let settings = CompileSettings::default();
    let mut complaints = String::new();
    for shape in SHAPES {
        let most = [&[62_000, 125_000][..], &[180_000, 250_000, 360_000]].map(|sizes| {
            let modules = sizes.iter().filter_map(|bytes| of_bytes(shape, *bytes));
            let heap = modules.map(|wasm| {
                let compiled = compiled(shape.name, &wasm, &settings);
                let per_byte = compiled.heap.peak.div_ceil(compiled.bytes);
                (per_byte, compiled.refusal)
            });
            heap.max().unwrap_or_default()
        });
        println!("{}: {most:?} for each byte", shape.name);
        let listed = DENSE.iter().find(|(name, _)| *name == shape.name);
        let stated = listed.map_or(ORDINARY, |(_, stated)| *stated);
        // What has become less is to be listed as that.
        let is_less = |(most, stated): (&(u64, String), u64)| most.0 * 4 < stated * 3;
        let is_more = |(most, stated): (&(u64, String), u64)| most.0 > stated;
        let has_gone = listed.is_some() && most.iter().zip(stated).all(is_less);
        if has_gone || most.iter().zip(stated).any(is_more) {
            writeln!(complaints, "{}: {most:?}, {stated:?} stated", shape.name).unwrap();
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

/// For `./x growth --instructions`: callgrind writes a file after each module.
/// `KERNREF_SHAPE` selects those whose names contain it.
#[test]
#[ignore = "runs under callgrind"]
fn every_shape() {
    let settings = CompileSettings::default();
    let wanted = std::env::var("KERNREF_SHAPE").unwrap_or_default();
    for shape in SHAPES.iter().filter(|shape| shape.name.contains(&wanted)) {
        println!("shape: {}", shape.name);
        Pair::of(shape, &settings);
    }
}

/// `KERNREF_MODULES`, a list of paths: what compiling real modules takes.
#[test]
#[ignore = "a measurement of modules that are not in the tree"]
fn real_modules() {
    let paths = std::env::var("KERNREF_MODULES").expect("paths in KERNREF_MODULES");
    let settings = CompileSettings::default();
    for path in paths.split_whitespace() {
        for settings in [settings, as_if_large(&settings)] {
            let started = std::time::Instant::now();
            let Compiled { bytes, values, refusal, heap } =
                compiled(path, &std::fs::read(path).unwrap(), &settings);
            let per_byte = heap.peak as f64 / bytes as f64;
            let time = started.elapsed();
            println!(
                "{path}: {bytes} bytes, {values:?} values {refusal}, {heap:?}, {per_byte:.0} bytes of heap per byte, {time:?}"
            );
        }
    }
}
