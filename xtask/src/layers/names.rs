//! Where a path leads: the files whose modules define what it names.

use super::tree::Tree;
use std::collections::BTreeSet;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Definition {
    /// A module.
    Module(usize),
    /// Something that a module defines.
    ItemOf(usize),
}

/// Questions that are being answered, so that circles of `use` end.
type Asked = BTreeSet<(usize, String)>;

impl Tree {
    /// What `path`, written in `module`, names; nothing for other crates.
    pub fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Definition> {
        self.follow(module, path, &mut Asked::new())
    }

    /// The files that define what `path`, written in `module`, names.
    pub fn files_of(&self, module: usize, path: &[String]) -> BTreeSet<usize> {
        let files = self.resolve(module, path).into_iter().map(|definition| match definition {
            Definition::Module(module) | Definition::ItemOf(module) => self.modules[module].file,
        });
        files.collect()
    }

    /// Where the leading `crate`, `super` and `self` of `path` lead, and how
    /// many they are; `None` if there are none.
    pub fn first_step(&self, module: usize, path: &[String]) -> Option<(usize, usize)> {
        let mut at = module;
        let mut steps = 0;
        for segment in path {
            at = match segment.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => self.modules[at].parent?,
                _ => break,
            };
            steps += 1;
        }
        (steps > 0).then_some((at, steps))
    }

    fn follow(&self, module: usize, path: &[String], asked: &mut Asked) -> BTreeSet<Definition> {
        let (mut found, rest): (BTreeSet<_>, _) = match self.first_step(module, path) {
            Some((at, steps)) => ([Definition::Module(at)].into(), &path[steps..]),
            None => match path.split_first() {
                Some((first, rest)) => (self.lookup(module, first, asked), rest),
                None => return BTreeSet::new(),
            },
        };
        for segment in rest {
            let mut next = BTreeSet::new();
            for definition in found {
                match definition {
                    Definition::Module(at) if segment != "*" => {
                        let named = self.lookup(at, segment, asked);
                        match named.is_empty() {
                            // Made by a macro.
                            true => next.insert(Definition::ItemOf(at)),
                            false => {
                                next.extend(named);
                                true
                            }
                        };
                    }
                    // A variant, an associated item, or all that a module has.
                    definition => {
                        next.insert(definition);
                    }
                }
            }
            found = next;
        }
        found
    }

    fn lookup(&self, module: usize, name: &str, asked: &mut Asked) -> BTreeSet<Definition> {
        let mut found = BTreeSet::new();
        if !asked.insert((module, name.into())) {
            return found;
        }
        let place = &self.modules[module];
        found.extend(
            place.children.get(name).into_iter().flatten().map(|id| Definition::Module(*id)),
        );
        if place.items.contains(name) {
            found.insert(Definition::ItemOf(module));
        }
        for (_, path) in place.imports.iter().filter(|(imported, _)| imported == name) {
            // `use name::x` is no answer to what `name` is.
            if path.first().is_none_or(|first| first != name || path.len() > 1) {
                found.extend(self.follow(module, path, asked));
            }
        }
        if found.is_empty() {
            for path in &place.globs {
                for definition in self.follow(module, path, asked) {
                    if let Definition::Module(at) = definition {
                        found.extend(self.lookup(at, name, asked));
                    }
                }
            }
        }
        asked.remove(&(module, name.into()));
        found
    }
}
