//! What is published: the packages as cargo would upload them, the documentation as
//! docs.rs builds it, and the oldest compiler that they promise to build with.

use crate::tally::Tally;
use crate::{Result, cargo, lints, paths};
use std::path::Path;

/// All of it.
pub fn check(tally: &mut Tally) {
    tally.one("oldest compiler is stated everywhere, and this one", oldest_compiler);
    match documented() {
        Err(why) => tally.one("documentation as docs.rs builds it", || Err(why)),
        Ok(builds) => {
            for Documentation { package, target, features } in builds {
                let name = format!("documentation of {package} as docs.rs builds it for {target}");
                tally.one(&name, || document(&package, &target, &features));
            }
        }
    }
    tally.one("packages as they would be uploaded", || {
        // Builds each from its own archive, against the others' archives.
        let publish = ["publish", "--dry-run", "--workspace", "--locked", "--allow-dirty"];
        cargo::run(paths::root(), &publish)
    });
}

/// Each manifest of this repository that names a compiler names the one of
/// `rust-toolchain.toml`, so that whatever is built or tested is built with it.
fn oldest_compiler() -> Result<()> {
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let stated = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?.trim_start();
        Some(line.strip_prefix('=')?.trim().trim_matches('"').to_string())
    };
    let root = paths::root();
    let toolchain = stated(&text(&root.join("rust-toolchain.toml"))?, "channel");
    let toolchain = toolchain.ok_or("rust-toolchain.toml names no compiler")?;
    for folder in lints::WORKSPACES {
        let manifest = root.join(folder).join("Cargo.toml");
        let oldest = stated(&text(&manifest)?, "rust-version");
        if oldest.as_ref().is_none_or(|oldest| !is_version(&toolchain, oldest)) {
            return Err(format!(
                "{} says {oldest:?}, rust-toolchain.toml {toolchain}",
                manifest.display()
            ));
        }
    }
    let readme = text(&root.join("README.md"))?;
    let minor = toolchain.rsplit_once('.').map_or(&*toolchain, |(minor, _)| minor);
    match readme.contains(&format!("Rust {minor}")) {
        true => Ok(()),
        false => Err(format!("README.md does not say that Rust {minor} is needed")),
    }
}

/// Whether a full version is of what a manifest names.
fn is_version(full: &str, named: &str) -> bool {
    full == named || full.strip_prefix(named).is_some_and(|rest| rest.starts_with('.'))
}

/// One build of docs.rs's.
struct Documentation {
    package: String,
    target: String,
    features: String,
}

/// What the manifests of published libraries ask docs.rs for.
fn documented() -> Result<Vec<Documentation>> {
    let args = ["metadata", "--locked", "--no-deps", "--format-version", "1"];
    let output = cargo::command(paths::root(), &args)
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("metadata: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("metadata without packages")?;
    let mut builds = Vec::new();
    for package in packages {
        let is_library = |target: &serde_json::Value| target["kind"][0] == "lib";
        let publishes = package["publish"].is_null();
        if !publishes || !package["targets"].as_array().is_some_and(|t| t.iter().any(is_library)) {
            continue;
        }
        let name = package["name"].as_str().unwrap_or_default().to_string();
        let asked = &package["metadata"]["docs"]["rs"];
        let list = |key: &str| -> Vec<String> {
            let items = asked[key].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(String::from)).collect()
        };
        let (targets, features) = (list("targets"), list("features").join(","));
        if targets.is_empty() {
            return Err(format!("{name} does not say for which targets docs.rs documents it"));
        }
        builds.extend(targets.into_iter().map(|target| Documentation {
            package: name.clone(),
            target,
            features: features.clone(),
        }));
    }
    match builds.is_empty() {
        true => Err("no library is published".into()),
        false => Ok(builds),
    }
}

fn document(package: &str, target: &str, features: &str) -> Result<()> {
    let doc = ["doc", "--locked", "--no-deps", "--lib", "--package", package];
    let options = ["--target", target, "--features", features];
    let variables = [("RUSTDOCFLAGS", "-D warnings"), ("DOCS_RS", "1")];
    cargo::run_with(paths::root(), &[&doc[..], &options].concat(), &variables)
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_match_whole_numbers() {
        assert!(is_version("1.95.0", "1.95") && is_version("1.95.0", "1.95.0"));
        assert!(!is_version("1.95.0", "1.9") && !is_version("1.95.0", "1.96"));
    }
}
