//! The crate's modules, as its `mod` items declare them from `lib.rs` on.

use super::{Texts, uses};
use crate::Result;
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, Item, Meta, Token, punctuated::Punctuated};

/// A file of the crate.
pub struct File {
    /// Path below `src/`.
    pub path: String,
    /// What is in it.
    pub syntax: syn::File,
    /// True if only tests see it.
    pub test: bool,
    /// The module that the file is.
    pub module: usize,
}

/// A module: a file, or written inside one.
#[derive(Default)]
pub struct Module {
    /// Its place in [`Tree::files`].
    pub file: usize,
    /// `None` for the crate's root.
    pub parent: Option<usize>,
    /// By name. Several, if the configuration chooses.
    pub children: BTreeMap<String, Vec<usize>>,
    /// Names that its own items define.
    pub items: BTreeSet<String>,
    /// What its `use` items bring in: name and path.
    pub imports: Vec<(String, Vec<String>)>,
    /// What it brings in by `*`.
    pub globs: Vec<Vec<String>>,
}

/// All files and modules of a crate.
#[derive(Default)]
pub struct Tree {
    /// In the order in which they are declared.
    pub files: Vec<File>,
    /// The root is the first.
    pub modules: Vec<Module>,
}

impl Tree {
    /// Parses a crate.
    ///
    /// # Errors
    /// If a file is not Rust, is declared but missing, or is no module.
    pub fn new(texts: Texts) -> Result<Self> {
        let mut tree = Self::default();
        tree.file(&texts, "lib.rs", None, false)?;
        let seen: BTreeSet<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        match texts.keys().find(|path| !seen.contains(path.as_str())) {
            Some(path) => Err(format!("{path} is no module of the crate")),
            None => Ok(tree),
        }
    }

    fn file(
        &mut self,
        texts: &Texts,
        path: &str,
        parent: Option<usize>,
        test: bool,
    ) -> Result<usize> {
        let text = texts.get(path).ok_or_else(|| format!("{path} is declared and missing"))?;
        let mut syntax = syn::parse_file(text)
            .map_err(|error| format!("{path}:{}: {error}", error.span().start().line))?;
        let test = test || is_test(&syntax.attrs);
        let module = self.modules.len();
        let items = std::mem::take(&mut syntax.items);
        self.files.push(File { path: path.into(), syntax, test, module });
        let file = self.files.len() - 1;
        self.modules.push(Module { file, parent, ..Module::default() });
        let folder = match path.rsplit_once('/') {
            _ if path == "lib.rs" => String::new(),
            Some((folder, "mod.rs")) => format!("{folder}/"),
            _ => format!("{}/", path.trim_end_matches(".rs")),
        };
        self.items(texts, &items, module, &folder, test)?;
        self.files[file].syntax.items = items;
        Ok(module)
    }

    fn items(
        &mut self,
        texts: &Texts,
        items: &[Item],
        module: usize,
        folder: &str,
        test: bool,
    ) -> Result<()> {
        for item in items {
            if let Item::Mod(child) = item {
                let test = test || is_test(&child.attrs);
                let name = child.ident.to_string();
                let id = match &child.content {
                    Some((_, items)) => {
                        let id = self.modules.len();
                        let file = self.modules[module].file;
                        self.modules.push(Module {
                            file,
                            parent: Some(module),
                            ..Module::default()
                        });
                        self.items(texts, items, id, &format!("{folder}{name}/"), test)?;
                        id
                    }
                    None => {
                        let path = match path_attribute(&child.attrs) {
                            Some(path) => format!("{folder}{path}"),
                            None if texts.contains_key(&format!("{folder}{name}.rs")) => {
                                format!("{folder}{name}.rs")
                            }
                            None => format!("{folder}{name}/mod.rs"),
                        };
                        self.file(texts, &path, Some(module), test)?
                    }
                };
                self.modules[module].children.entry(name).or_default().push(id);
            }
        }
        uses::declare(items, &mut self.modules[module]);
        Ok(())
    }

    /// True if the file only declares modules and names what they export.
    pub fn is_facade(&self, file: usize) -> bool {
        only_names(&self.files[file].syntax.items)
    }
}

fn only_names(items: &[Item]) -> bool {
    items.iter().all(|item| match item {
        item if is_test(attributes(item)) => true,
        Item::Mod(module) => module.content.as_ref().is_none_or(|(_, items)| only_names(items)),
        Item::Use(_) | Item::ExternCrate(_) => true,
        Item::Macro(item) => item.mac.path.is_ident("compile_error"),
        _ => false,
    })
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// True if what has these attributes exists in tests only.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition))
    })
}

/// True if the condition holds in tests only.
fn needs_test(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("doctest"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => {
            let parts = parts(list);
            !parts.is_empty() && parts.iter().all(needs_test)
        }
        _ => false,
    }
}

/// An item's attributes.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
