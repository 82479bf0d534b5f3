//! `./x size`: what Kernref adds to a minimal kernel. The kernels of
//! `tests-qemu/footprint` are linked without what they do not use, and the sections
//! that a kernel has to load are compared.

use crate::qemu::Arch;
use crate::{Result, cargo, paths};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, elf};
use std::path::Path;
use std::process::ExitCode;

/// A kernel, what it has, and the most bytes that it may add.
struct Weighed {
    bin: &'static str,
    what: &'static str,
    ceiling: fn(Arch) -> u64,
}

/// The heap alone; then from the smallest to the largest.
/// `docs/performance.md` says what each has.
const WEIGHED: [Weighed; 5] = [
    Weighed { bin: "heap", what: "a heap that frees", ceiling: |_| 8_500 },
    Weighed { bin: "runtime", what: "runtime and collector", ceiling: |_| 182_000 },
    Weighed { bin: "artifact", what: "… and loading artifacts", ceiling: |_| 256_000 },
    Weighed { bin: "signed", what: "… and verifying signatures", ceiling: |_| 290_000 },
    Weighed { bin: "compiler", what: "… and the compiler", ceiling: with_compiler },
];

/// Cranelift's instruction tables differ in size.
fn with_compiler(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => 5_300_000,
        Arch::Aarch64 => 3_000_000,
    }
}

/// The test kernels build Kernref in one unit, so that instruction counts are
/// comparable. What is weighed is built as an embedder would. An option rather
/// than a profile: the compiler, which takes long to build, stays shared.
const DEFAULT_UNITS: &str = "profile.release.package.kernref.codegen-units=16";

/// Arguments of `./x size`.
#[derive(clap::Args)]
pub struct Args {
    /// One architecture only.
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// List the N largest symbols of the kernel that `--of` names.
    #[arg(long, value_name = "N")]
    symbols: Option<usize>,
    /// What each part of Kernref, and of what it uses, contributes to the kernel that
    /// `--of` names.
    #[arg(long)]
    parts: bool,
    /// The kernel to list symbols or parts of.
    #[arg(long, value_parser = ["baseline", "heap", "runtime", "artifact", "signed", "compiler"],
          default_value = "runtime")]
    of: String,
}

/// Bytes of an image by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sizes {
    text: u64,
    rodata: u64,
    data: u64,
    /// Unwind tables: nothing reads them, and a kernel's linker script can
    /// discard them. Not part of the total.
    unwind: u64,
}

impl Sizes {
    fn total(&self) -> u64 {
        self.text + self.rodata + self.data
    }

    fn beyond(&self, base: &Sizes) -> Sizes {
        Sizes {
            text: self.text.saturating_sub(base.text),
            rodata: self.rodata.saturating_sub(base.rodata),
            data: self.data.saturating_sub(base.data),
            unwind: self.unwind.saturating_sub(base.unwind),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut within = true;
    for arch in Arch::ALL {
        if args.arch.is_none_or(|wanted| wanted == arch) {
            build(arch)?;
            within &= table(arch)?;
            if args.parts {
                parts(&kernel(arch, "baseline"), &kernel(arch, &args.of))?;
            }
            if let Some(count) = args.symbols {
                symbols(&kernel(arch, &args.of), count)?;
            }
        }
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ceilings of one architecture, as a check.
pub fn check(arch: Arch) -> Result<()> {
    build(arch)?;
    match table(arch)? {
        true => Ok(()),
        false => Err("larger than its ceiling".into()),
    }
}

/// Builds the kernels; returns what each is and how many bytes it adds.
pub fn added(arch: Arch) -> Result<Vec<(&'static str, u64)>> {
    build(arch)?;
    let base = sizes(&kernel(arch, "baseline"))?;
    let total = |bin| sizes(&kernel(arch, bin)).map(|sizes| sizes.beyond(&base).total());
    WEIGHED.iter().map(|weighed| Ok((weighed.what, total(weighed.bin)?))).collect()
}

fn kernel(arch: Arch, bin: &str) -> std::path::PathBuf {
    paths::target().join(arch.target()).join("release").join(bin)
}

fn build(arch: Arch) -> Result<()> {
    let folder = paths::root().join("tests-qemu");
    let package = ["build", "--quiet", "--locked", "--package", "kernref-footprint"];
    let release = ["--release", "--config", DEFAULT_UNITS, "--target", arch.target()];
    let build = [&package[..], &release[..]].concat();
    // Each is built with the features that it needs, as its users would.
    cargo::run(&folder, &[&build[..], &["--bins"]].concat())?;
    cargo::run(&folder, &[&build[..], &["--features", "heap", "--bin", "heap"]].concat())?;
    cargo::run(&folder, &[&build[..], &["--features", "signed", "--bin", "signed"]].concat())?;
    cargo::run(&folder, &[&build[..], &["--features", "compile", "--bin", "compiler"]].concat())
}

/// Prints the sizes; true if all are within their ceilings.
fn table(arch: Arch) -> Result<bool> {
    let base = sizes(&kernel(arch, "baseline"))?;
    println!(
        "{:<30}{:>9}{:>9}{:>8}{:>11}{:>11}{:>16}",
        arch.target(),
        "text",
        "rodata",
        "data",
        "in all",
        "ceiling",
        "unwind tables"
    );
    let mut within = true;
    for Weighed { bin, what, ceiling } in WEIGHED {
        let added = sizes(&kernel(arch, bin))?.beyond(&base);
        let Sizes { text, rodata, data, unwind } = added;
        let (total, ceiling) = (added.total(), ceiling(arch));
        let over = total > ceiling;
        let note = if over { "  TOO LARGE" } else { "" };
        println!(
            "{what:<30}{text:>9}{rodata:>9}{data:>8}{total:>11}{ceiling:>11}{unwind:>16}{note}"
        );
        within &= !over;
    }
    Ok(within)
}

fn sizes(path: &Path) -> Result<Sizes> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = object::File::parse(&*bytes).map_err(|error| error.to_string())?;
    let mut sizes = Sizes::default();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags & u64::from(elf::SHF_ALLOC) == 0 {
            continue;
        }
        let name = section.name().unwrap_or_default();
        let place = match section.kind() {
            SectionKind::UninitializedData | SectionKind::UninitializedTls => continue,
            _ if name.starts_with(".eh_frame") => &mut sizes.unwind,
            SectionKind::Text => &mut sizes.text,
            _ if sh_flags & u64::from(elf::SHF_WRITE) == 0 => &mut sizes.rodata,
            _ => &mut sizes.data,
        };
        *place += section.size();
    }
    Ok(sizes)
}

/// The sizes and names of all that is loaded and has a name.
fn named(path: &Path) -> Result<Vec<(u64, String)>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = object::File::parse(&*bytes).map_err(|error| error.to_string())?;
    let loaded = file.symbols().filter(|symbol| symbol.size() > 0 && !is_zeroed(&file, symbol));
    let named = loaded.map(|symbol| {
        let name = rustc_demangle::demangle(symbol.name().unwrap_or_default());
        (symbol.size(), format!("{name:#}"))
    });
    Ok(named.collect())
}

fn symbols(path: &Path, count: usize) -> Result<()> {
    let mut found = named(path)?;
    found.sort_unstable_by(|a, b| b.cmp(a));
    for (size, name) in found.iter().take(count) {
        println!("{size:>9} {name}");
    }
    Ok(())
}

/// The part that a symbol belongs to: a layer of Kernref, if its name has one, and
/// otherwise the crate that it comes from.
fn part(name: &str) -> &str {
    let word = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    if name.contains("kernref_footprint::") {
        return "embedder";
    }
    if let Some((_, rest)) = name.split_once("kernref::") {
        return &rest[..word(rest).unwrap_or(rest.len())];
    }
    let known = ["hashbrown", "foldhash", "alloc", "core", "cranelift", "regalloc2", "wasmparser"];
    known.into_iter().find(|known| name.contains(&format!("{known}::"))).unwrap_or("other")
}

fn parts(base: &Path, of: &Path) -> Result<()> {
    let mut known = named(base)?;
    let mut parts = std::collections::BTreeMap::<String, u64>::new();
    for symbol in named(of)? {
        match known.iter().position(|known| *known == symbol) {
            Some(at) => drop(known.swap_remove(at)),
            None => *parts.entry(part(&symbol.1).to_string()).or_default() += symbol.0,
        }
    }
    let mut parts: Vec<(u64, String)> =
        parts.into_iter().map(|(part, size)| (size, part)).collect();
    parts.sort_unstable_by(|a, b| b.cmp(a));
    for (size, part) in parts {
        println!("{part:<30}{size:>9}");
    }
    Ok(())
}

fn is_zeroed<'a>(file: &object::File<'a>, symbol: &impl ObjectSymbol<'a>) -> bool {
    let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
    section.is_none_or(|section| section.kind() == SectionKind::UninitializedData)
}

#[cfg(test)]
mod tests {
    use super::{Sizes, part};

    #[test]
    fn symbols_belong_to_layers() {
        for (name, expected) in [
            ("kernref::vm::instantiate::instantiate", "vm"),
            ("<kernref::error::Error as core::fmt::Display>::fmt", "error"),
            ("core::ptr::drop_in_place<kernref::gc::heap::RefHeap>", "gc"),
            ("kernref_footprint::embedding::run", "embedder"),
            ("hashbrown::raw::RawTable<T,A>::reserve_rehash", "hashbrown"),
            ("<u32 as core::fmt::Display>::fmt", "core"),
            ("memcpy", "other"),
        ] {
            assert_eq!(part(name), expected, "{name}");
        }
    }

    #[test]
    fn unwind_tables_are_no_part_of_the_total() {
        let base = Sizes { text: 10, rodata: 20, data: 3, unwind: 5 };
        let sizes = Sizes { text: 110, rodata: 50, data: 3, unwind: 500 };
        assert_eq!(sizes.beyond(&base), Sizes { text: 100, rodata: 30, data: 0, unwind: 495 });
        assert_eq!(sizes.beyond(&base).total(), 130);
    }
}
