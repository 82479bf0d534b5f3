//! `./x public-api`: the public surface of the crates that embedders use, compared
//! with the listings that are kept in `docs/`.
//!
//! The list is made from rustdoc's JSON. That output is unstable, so the pinned
//! toolchain is told to produce it all the same, and the version of
//! `public-api` in `Cargo.toml` is the one that reads the toolchain's format.

use crate::{Result, cargo, paths};
use public_api::{Builder, PublicApi};
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeSet;

/// Arguments of `./x public-api`.
#[derive(clap::Args)]
pub struct Args {
    /// Keep the surface as it is now.
    #[arg(long)]
    bless: bool,
}

/// A crate whose surface is kept.
struct Surface {
    package: &'static str,
    page: &'static str,
    /// All of them, on the host.
    features: &'static str,
}

const SURFACES: [Surface; 2] = [
    Surface {
        package: "kernref",
        page: "docs/public-api.txt",
        features: "aarch64-paging,compile,fixed-region,kernel-heap,log,signed-artifacts,std,\
                   x86_64-paging",
    },
    Surface { package: "kernref-wasi", page: "docs/public-api-wasi.txt", features: "std" },
];

/// Parts of lines that are left out: auto traits that no embedder asks for, and
/// the methods of traits whose implementation is in the list anyway.
const LEFT_OUT: [&str; 11] = [
    "core::marker::Freeze for ",
    "core::marker::StructuralPartialEq for ",
    "core::marker::Unpin for ",
    "core::marker::UnsafeUnpin for ",
    "core::panic::unwind_safe::RefUnwindSafe for ",
    "core::panic::unwind_safe::UnwindSafe for ",
    "::clone(&self) -> ",
    "::drop(&mut self)",
    "::eq(&self, ",
    "::fmt(&self, ",
    "::hash<",
];

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    match args.bless {
        true => SURFACES.iter().try_for_each(|surface| {
            let page = paths::root().join(surface.page);
            std::fs::write(&page, surface.listing()?)
                .map_err(|error| format!("{}: {error}", surface.page))
        }),
        false => check(),
    }
}

/// Checks that the surfaces match the listings; the error shows where they do
/// not.
pub fn check() -> Result<()> {
    SURFACES.iter().try_for_each(Surface::check)
}

impl Surface {
    fn check(&self) -> Result<()> {
        let Self { page, package, .. } = self;
        let kept = std::fs::read_to_string(paths::root().join(page))
            .map_err(|error| format!("{page}: {error}"))?;
        let differences = differences(&kept, &self.listing()?);
        match differences.is_empty() {
            true => Ok(()),
            false => {
                Err(format!("the API of {package} is not as it is kept in {page}:\n{differences}"))
            }
        }
    }

    /// One item per line, sorted.
    fn listing(&self) -> Result<String> {
        let rustdoc = ["rustdoc", "--quiet", "--locked", "--package", self.package, "--lib"];
        let json = ["--", "-Z", "unstable-options", "--output-format", "json"];
        let args = [&rustdoc[..], &["--features", self.features], &json].concat();
        cargo::run_with(paths::root(), &args, &[("RUSTC_BOOTSTRAP", "1")])?;
        let file = format!("doc/{}.json", self.package.replace('-', "_"));
        let api = Builder::from_rustdoc_json(paths::target().join(file))
            .omit_blanket_impls(true)
            .build()
            .map_err(|error| format!("what rustdoc says of the crate cannot be read: {error}"))?;
        Ok(lines(&api))
    }
}

/// In an order that does not depend on where items are in the source, nor on
/// the blocks that contain them.
fn lines(api: &PublicApi) -> String {
    let items = api.items().map(ToString::to_string);
    let is_block = |item: &str| item.starts_with("impl") && !item.contains(" for ");
    let items: BTreeSet<String> = items
        .filter(|item| !is_block(item) && !LEFT_OUT.iter().any(|part| item.contains(part)))
        .collect();
    items.into_iter().map(|item| item + "\n").collect()
}

/// The lines that are gone and the lines that are new; empty if there are none.
fn differences(kept: &str, now: &str) -> String {
    let diff = TextDiff::from_lines(kept, now);
    let changes = diff.iter_all_changes().filter_map(|change| match change.tag() {
        ChangeTag::Equal => None,
        ChangeTag::Delete => Some(format!("-{change}")),
        ChangeTag::Insert => Some(format!("+{change}")),
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_is_shown() {
        let kept = "pub fn a()\npub fn b()\npub fn c()\n";
        assert_eq!(differences(kept, kept), "");
        let now = "pub fn a()\npub fn b(u32)\npub fn c()\npub fn d()\n";
        assert_eq!(differences(kept, now), "-pub fn b()\n+pub fn b(u32)\n+pub fn d()\n");
    }
}
