//! Which floor may use which.

use super::tree::Tree;
use super::{Breach, FLOORS, floor_of, uses};
use std::collections::BTreeSet;

/// Floors that must not name the crate `alloc`.
const WITHOUT_ALLOCATOR: [&str; 4] = ["abi", "arch", "stack", "gc"];

/// All that is out of order.
pub fn breaches(tree: &Tree) -> Vec<Breach> {
    let mut found = BTreeSet::new();
    for (number, file) in tree.files.iter().enumerate() {
        if file.test || file.path == "lib.rs" {
            continue;
        }
        let mut breach = |line, what| {
            found.insert(Breach { file: file.path.clone(), line, what });
        };
        let Some(rank) = floor_of(&file.path) else {
            breach(1, "stands on no floor".into());
            continue;
        };
        let (uses, floor) = (uses::of(tree, number), FLOORS[rank]);
        for path in &uses.paths {
            for used in floors_used(tree, path).into_iter().filter(|used| *used > rank) {
                let used = FLOORS[used];
                breach(path.line, format!("`{floor}` uses `{used}`, which stands above it"));
            }
        }
        if WITHOUT_ALLOCATOR.contains(&floor) {
            for line in uses.allocator {
                breach(line, format!("`{floor}` uses the global allocator"));
            }
        }
        if floor != "arch" {
            for line in uses.target_arch {
                breach(line, format!("`{floor}` asks for the architecture"));
            }
        }
    }
    found.into_iter().collect()
}

/// Floors that the crate lacks: a misspelt name would check nothing.
pub fn empty_floors(tree: &Tree) -> Vec<Breach> {
    let used: BTreeSet<_> = tree.files.iter().filter_map(|file| floor_of(&file.path)).collect();
    let empty = (0..FLOORS.len()).filter(|floor| !used.contains(floor));
    let breach = |floor: usize| Breach {
        file: "lib.rs".into(),
        line: 1,
        what: format!("there is no floor `{}`", FLOORS[floor]),
    };
    empty.map(breach).collect()
}

/// The floors that a path names on its way, and where it ends.
fn floors_used(tree: &Tree, path: &uses::Use) -> BTreeSet<usize> {
    let files = tree.files_of(path.module, &path.path);
    let mut floors: BTreeSet<usize> =
        files.into_iter().filter_map(|file| floor_of(&tree.files[file].path)).collect();
    if let Some((0, steps)) = tree.first_step(path.module, &path.path) {
        floors.extend(path.path.get(steps).and_then(|name| floor_of(name)));
    }
    floors
}

#[cfg(test)]
mod tests {
    use super::super::{Texts, Tree};
    use super::{Breach, breaches, empty_floors};

    /// A crate with three floors, and `text` as its `gc/heap.rs`.
    fn planted(text: &str) -> Vec<Breach> {
        found_in("gc/heap.rs", text)
    }

    fn found_in(file: &str, text: &str) -> Vec<Breach> {
        let mut texts: Texts = [
            ("lib.rs", "extern crate alloc as std_alloc; mod abi; mod arch; mod error; mod alloc; mod gc; mod runtime;
                pub use runtime::Engine; pub use abi::Slot;"),
            ("abi/mod.rs", "mod slot; pub use slot::*;"),
            ("abi/slot.rs", "pub struct Slot;"),
            ("arch/mod.rs", "pub fn stack_pointer() {}"),
            ("error.rs", "pub struct Error;"),
            ("alloc/mod.rs", "pub fn try_box() {}"),
            ("gc/mod.rs", "mod heap; #[cfg(test)] mod tests;"),
            ("gc/heap.rs", ""),
            ("gc/tests.rs", "use crate::runtime::Engine;"),
            ("runtime/mod.rs", "mod engine; pub use engine::Engine; pub mod limits { pub const MOST: u32 = 1; }"),
            ("runtime/engine.rs", "pub struct Engine; macro_rules! made { () => { pub struct Made; } } made!();"),
        ]
        .map(|(path, text)| (path.into(), text.into()))
        .into();
        texts.insert(file.into(), text.into());
        breaches(&Tree::new(texts).unwrap())
    }

    #[track_caller]
    fn refused(text: &str, line: usize, what: &str) {
        let found = planted(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!((found[0].line, found[0].file.as_str()), (line, "gc/heap.rs"), "{text}");
        assert!(found[0].what.contains(what), "{text}: {found:?}");
    }

    #[test]
    fn clean_code_is_in_order() {
        for text in [
            "use crate::abi::Slot; // crate::runtime::Engine",
            "/// See [`crate::runtime::Engine`].\npub fn f() {}",
            "use crate::{Slot, abi::{Slot as Other}, error::{self, Error}};",
            "fn f() { crate::alloc::try_box(); super::heap::g() } fn g() {}",
            "const TEXT: &str = \"crate::runtime::Engine, target_arch, std_alloc\";",
            "fn f() { format_args!(\"crate::runtime {}\", crate::arch::stack_pointer()); }",
            "#[cfg(target_pointer_width = \"64\")] fn f() {}",
            // Names of the module's own and of other crates.
            "mod runtime { pub struct Engine; } use runtime::Engine; fn f(_: self::runtime::Engine) {}",
            "use core::alloc::Layout; fn f(_: ::core::alloc::Layout, runtime: u32) -> u32 { runtime }",
        ] {
            assert_eq!(planted(text), [], "{text}");
        }
    }

    #[test]
    fn any_way_to_write_a_use_is_found() {
        for (line, text) in [
            (1, "use crate::runtime::Engine;"),
            (1, "use crate::{runtime::Engine};"),
            (1, "use crate::runtime;"),
            (2, "use crate::{abi::Slot,\n runtime::{limits::{MOST}}};"),
            (1, "use crate::{abi::{self, Slot}, runtime as above};"),
            (1, "use super::super::runtime::Engine;"),
            (1, "use super::super::{abi::Slot, runtime::Engine};"),
            (1, "pub use crate::runtime::*;"),
            (1, "pub(in crate::runtime) fn f() {}"),
            // The root names it again.
            (1, "use crate::Engine;"),
            (1, "use crate::{Slot, Engine as E};"),
            // Made by a macro: nothing tells its name.
            (1, "use crate::runtime::engine::Made;"),
            (2, "mod inner {\n use super::super::super::runtime::Engine; }"),
            (2, "fn f() {\n use crate::runtime::Engine; }"),
        ] {
            refused(text, line, "`gc` uses `runtime`");
        }
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        for (line, text) in [
            (1, "fn f() { crate::runtime::Engine::new() }"),
            (1, "fn f(_: &crate::runtime::Engine) {}"),
            (1, "fn f<T: Into<crate::runtime::Engine>>(_: T) {}"),
            (1, "impl From<super::super::runtime::Engine> for u32 {}"),
            (1, "fn f(x: u32) { match x { crate::runtime::limits::MOST => {} _ => {} } }"),
            (1, "crate::runtime::made!();"),
            (1, "#[crate::runtime::made] fn f() {}"),
            (1, "#[derive(crate::runtime::Made)] struct S;"),
            (1, "fn f() -> [u8; crate::runtime::limits::MOST] {}"),
        ] {
            refused(text, line, "`gc` uses `runtime`");
        }
    }

    #[test]
    fn tokens_of_macros_are_read() {
        for (line, text) in [
            (1, "fn f() { assert!(crate::runtime::limits::MOST > 1); }"),
            (2, "macro_rules! m { () => {\n $crate::runtime::Engine } }"),
            (1, "macro_rules! m { () => { use crate::{abi::Slot, runtime::{limits::MOST}}; } }"),
            (1, "m! { fn f() { g(&[super::super::runtime::Engine]) } }"),
            (1, "m! { use crate::runtime::*; }"),
        ] {
            refused(text, line, "`gc` uses `runtime`");
        }
    }

    #[test]
    fn only_the_test_itself_is_exempt() {
        let tests = "#[cfg(test)] mod tests { use crate::runtime::Engine; fn f() { cfg!(target_arch = \"x\"); } }\n";
        assert_eq!(planted(tests), []);
        assert_eq!(planted("#[cfg(all(test, feature = \"std\"))] use crate::Engine;"), []);
        assert_eq!(planted("#![cfg(test)] use crate::Engine;"), []);
        assert_eq!(planted("struct S; impl S { #[cfg(test)] fn f(_: crate::Engine) {} }"), []);
        refused(&format!("{tests}use crate::runtime::Engine;"), 2, "`gc` uses `runtime`");
        refused("#[cfg(any(test, feature = \"std\"))] use crate::Engine;", 1, "`runtime`");
        refused("#[cfg(not(test))] use crate::Engine;", 1, "`runtime`");
        refused("#[cfg(feature = \"test\")] use crate::Engine;", 1, "`runtime`");
    }

    #[test]
    fn questions_for_the_architecture_are_found() {
        for (line, text) in [
            (1, "#[cfg(target_arch = \"x86_64\")] fn f() {}"),
            (1, "#[cfg(any(target_arch = \"x86_64\", unix))] fn f() {}"),
            (1, "#[cfg(all(unix, not(any(target_arch = \"x86_64\"))))] fn f() {}"),
            (1, "#[cfg_attr(target_arch = \"x86_64\", inline)] fn f() {}"),
            (2, "fn f() -> bool {\n cfg!(target_arch = \"x86_64\") }"),
            (1, "fn f() { #[cfg(not(target_arch = \"x86_64\"))] let _x = 1; }"),
            (1, "macro_rules! m { () => { #[cfg(target_arch = \"x86_64\")] fn f() {} } }"),
            (1, "struct S { #[cfg(target_arch = \"x86_64\")] field: u32 }"),
            (1, "#![cfg(target_arch = \"x86_64\")]"),
        ] {
            refused(text, line, "asks for the architecture");
        }
        let text = "#[cfg(target_arch = \"x86_64\")] pub fn stack_pointer() {}";
        assert_eq!(found_in("arch/mod.rs", text), []);
    }

    #[test]
    fn the_allocator_is_found_below_it() {
        for (line, text) in [
            (1, "use std_alloc::vec::Vec;"),
            (1, "extern crate alloc;"),
            (1, "extern crate alloc as vectors;"),
            (2, "fn f() {\n let _ = std_alloc::vec::Vec::<u8>::new(); }"),
            (1, "fn f() { g!(std_alloc::vec![1]); }"),
            (1, "use crate::{abi::Slot, std_alloc::vec::Vec};"),
        ] {
            refused(text, line, "uses the global allocator");
        }
        assert_eq!(
            found_in("runtime/engine.rs", "use std_alloc::vec::Vec; pub struct Engine;"),
            []
        );
    }

    #[test]
    fn every_file_is_on_a_floor() {
        let root =
            "mod abi; mod arch; mod error; mod alloc; mod gc; mod runtime; mod util { mod deep; }";
        let mut texts: Texts = [("lib.rs", "mod util;"), ("util.rs", "")]
            .map(|(path, text)| (path.into(), text.into()))
            .into();
        assert_eq!(breaches(&Tree::new(texts.clone()).unwrap())[0].what, "stands on no floor");
        texts.insert("lost.rs".into(), String::new());
        assert!(Tree::new(texts.clone()).is_err_and(|error| error.contains("lost.rs")));
        let found = empty_floors(
            &Tree::new([("lib.rs".into(), "mod abi;".into()), ("abi.rs".into(), "".into())].into())
                .unwrap(),
        );
        assert!(
            found.iter().any(|breach| breach.what.contains("`vm`"))
                && found.len() == super::FLOORS.len() - 1
        );
        texts.insert("lib.rs".into(), root.into());
        assert!(Tree::new(texts).is_err_and(|error| error.contains("missing")));
    }
}
