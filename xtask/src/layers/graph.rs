//! Files as rooms, and what they name as arrows between them.

use super::tree::Tree;
use super::{FLOORS, floor_of, uses};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet};

/// The imports of a crate.
pub struct Graph {
    /// Files that are more than a list of names, by path below `src/`.
    pub rooms: BTreeSet<String>,
    /// From the file that names to the file that defines.
    pub arrows: BTreeSet<(String, String)>,
}

impl Graph {
    /// Reads the arrows off a tree. Tests have none; files that only declare
    /// and re-export are looked through.
    pub fn of(tree: &Tree) -> Self {
        let is_room = |file: usize| !tree.files[file].test && !tree.is_facade(file);
        let rooms: Vec<usize> = (0..tree.files.len()).filter(|file| is_room(*file)).collect();
        let name = |file: usize| tree.files[file].path.clone();
        let mut arrows = BTreeSet::new();
        for room in &rooms {
            for path in uses::of(tree, *room).paths {
                let used = tree.files_of(path.module, &path.path);
                let used = used.into_iter().filter(|used| used != room && is_room(*used));
                arrows.extend(used.map(|used| (name(*room), name(used))));
            }
        }
        Self { rooms: rooms.into_iter().map(name).collect(), arrows }
    }

    /// Arrows to a floor above.
    pub fn upward(&self) -> Vec<&(String, String)> {
        // The root stands above all.
        let rank = |file: &str| floor_of(file).unwrap_or(FLOORS.len());
        self.arrows.iter().filter(|(from, to)| rank(from) < rank(to)).collect()
    }

    /// Groups of two or more files that reach each other, the largest first.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let arrows = self.arrows.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        let mut circles = tarjan_scc(&DiGraphMap::<&str, ()>::from_edges(arrows));
        circles.retain(|circle| circle.len() > 1);
        circles.iter_mut().for_each(|circle| circle.sort_unstable());
        circles.sort_by_key(|circle| (std::cmp::Reverse(circle.len()), circle[0]));
        circles
    }

    /// How many arrows lead from one floor to another; `None` is the root.
    pub fn between_floors(&self) -> BTreeMap<(Option<usize>, Option<usize>), usize> {
        let mut counts = BTreeMap::new();
        for (from, to) in &self.arrows {
            *counts.entry((floor_of(from), floor_of(to))).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Texts, Tree};
    use super::Graph;

    fn graph(texts: &[(&str, &str)]) -> Graph {
        let texts: Texts =
            texts.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        Graph::of(&Tree::new(texts).unwrap())
    }

    #[test]
    fn re_exports_are_followed_and_facades_are_no_rooms() {
        let graph = graph(&[
            (
                "lib.rs",
                "mod gc; mod vm; pub use gc::*; pub mod fault { pub use crate::vm::Store; }",
            ),
            (
                "gc/mod.rs",
                "mod heap; mod table; pub use heap::{Heap as RefHeap}; #[cfg(test)] mod tests;",
            ),
            ("gc/heap.rs", "use super::table::Table; pub struct Heap(Table);"),
            ("gc/table.rs", "pub struct Table; fn f(_: &crate::RefHeap) {}"),
            ("gc/tests.rs", "use crate::vm::Store;"),
            (
                "vm/mod.rs",
                "mod store; use crate::gc; pub struct Vm(gc::RefHeap); pub use store::Store;",
            ),
            ("vm/store.rs", "use super::*; pub struct Store(Vm);"),
        ]);
        let arrows: Vec<_> = graph.arrows.iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(
            arrows,
            [
                "gc/heap.rs gc/table.rs",
                "gc/table.rs gc/heap.rs",
                "vm/mod.rs gc/heap.rs",
                "vm/mod.rs vm/store.rs",
                "vm/store.rs vm/mod.rs",
            ]
        );
        assert_eq!(graph.rooms.len(), 4);
        assert_eq!(graph.circles(), [["gc/heap.rs", "gc/table.rs"], ["vm/mod.rs", "vm/store.rs"]]);
        assert!(graph.upward().is_empty());
    }

    #[test]
    fn circles_and_arrows_up_are_found() {
        let graph = graph(&[
            ("lib.rs", "mod abi; mod gc; pub fn f(_: gc::a::A) {}"),
            ("abi.rs", "pub fn f(_: crate::gc::a::A) {}"),
            ("gc/mod.rs", "pub mod a; mod b; mod c; mod d;"),
            ("gc/a.rs", "pub struct A; use super::b::B;"),
            ("gc/b.rs", "pub struct B; fn f() { super::c::f() }"),
            ("gc/c.rs", "pub fn f() { m!(crate::gc::a::A) } use super::d::D;"),
            ("gc/d.rs", "pub struct D;"),
        ]);
        assert_eq!(graph.circles(), [["gc/a.rs", "gc/b.rs", "gc/c.rs"]]);
        assert_eq!(graph.upward(), [&("abi.rs".to_string(), "gc/a.rs".to_string())]);
    }
}
