//! Every path that a file names, and every word that a rule asks for.

use super::tree::{Module, Tree, attributes, is_test};
use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, UseTree};

/// A path as it is written.
#[derive(Debug, PartialEq, Eq)]
pub struct Use {
    /// The module it is written in.
    pub module: usize,
    /// `crate`, `super` and `self` are segments; `*` is the last of a glob.
    pub path: Vec<String>,
    /// The line where it ends, counted from 1.
    pub line: usize,
}

/// What a file names.
#[derive(Default)]
pub struct Uses {
    /// All paths of its code and of the tokens of its macros.
    pub paths: Vec<Use>,
    /// Lines that ask for the architecture.
    pub target_arch: Vec<usize>,
    /// Lines that name the crate `alloc`.
    pub allocator: Vec<usize>,
}

/// What `file` names outside of tests.
pub fn of(tree: &Tree, file: usize) -> Uses {
    let module = tree.files[file].module;
    let mut visitor = Visitor { tree, module, found: Uses::default() };
    visitor.visit_file(&tree.files[file].syntax);
    visitor.found
}

struct Visitor<'t> {
    tree: &'t Tree,
    module: usize,
    found: Uses,
}

impl Visitor<'_> {
    fn path(&mut self, path: Vec<String>, span: Span) {
        // `crate`, `super` and `self` alone name nothing.
        if path.iter().any(|segment| !is_keyword(segment)) {
            self.found.paths.push(Use { module: self.module, path, line: span.start().line });
        }
    }

    fn word(&mut self, word: &str, span: Span) {
        match word {
            "target_arch" => self.found.target_arch.push(span.start().line),
            "std_alloc" => self.found.allocator.push(span.start().line),
            _ => {}
        }
    }

    /// Paths in tokens that have no known grammar: `a::b::{c, d::e}`.
    fn tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let mut end = None;
        let mut tokens = tokens.into_iter().peekable();
        let mut joined = true;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) => {
                    let name = word.to_string();
                    self.word(&name, word.span());
                    if !joined {
                        self.ended(&mut path, &mut end, prefix);
                    }
                    path.push(name);
                    end = Some(word.span());
                    joined = false;
                }
                TokenTree::Punct(first)
                    if first.as_char() == ':'
                        && first.spacing() == Spacing::Joint
                        && matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == ':') =>
                {
                    tokens.next();
                    // `::name` begins with a crate.
                    joined = end.is_some();
                }
                TokenTree::Punct(star) if star.as_char() == '*' && joined && !path.is_empty() => {
                    path.push("*".into());
                    end = Some(star.span());
                    joined = false;
                }
                TokenTree::Group(group)
                    if joined && end.is_some() && group.delimiter() == Delimiter::Brace =>
                {
                    self.tokens(group.stream(), &path);
                    path = prefix.to_vec();
                    end = None;
                }
                TokenTree::Group(group) => {
                    self.ended(&mut path, &mut end, prefix);
                    self.tokens(group.stream(), &[]);
                    joined = true;
                }
                _ => {
                    self.ended(&mut path, &mut end, prefix);
                    joined = true;
                }
            }
        }
        self.ended(&mut path, &mut end, prefix);
    }

    fn ended(&mut self, path: &mut Vec<String>, end: &mut Option<Span>, prefix: &[String]) {
        let whole = std::mem::replace(path, prefix.to_vec());
        if let Some(span) = end.take() {
            self.path(whole, span);
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            Item::Mod(inner) => {
                inner.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
                let Some((_, items)) = &inner.content else { return };
                let file = self.tree.modules[self.module].file;
                let children = &self.tree.modules[self.module].children[&inner.ident.to_string()];
                let inside = children.iter().find(|child| self.tree.modules[**child].file == file);
                let outside = self.module;
                self.module = inside.copied().unwrap_or(outside);
                items.iter().for_each(|item| self.visit_item(item));
                self.module = outside;
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Fn(item) => &item.attrs[..],
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        self.visit_visibility(&item.vis);
        if item.leading_colon.is_none() {
            leaves(&item.tree, &mut Vec::new(), &mut |path, _, span| self.path(path, span));
        }
        visit::visit_use_tree(self, &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        if item.ident == "alloc" {
            self.found.allocator.push(item.ident.span().start().line);
        }
        visit::visit_item_extern_crate(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let (None, Some(last)) = (path.leading_colon, path.segments.last()) {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            self.path(segments.collect(), last.ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, word: &'ast syn::Ident) {
        self.word(&word.to_string(), word.span());
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        visit::visit_macro(self, item);
        self.tokens(item.tokens.clone(), &[]);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        visit::visit_meta_list(self, list);
        self.tokens(list.tokens.clone(), &[]);
    }
}

/// Calls `leaf` with each path of a `use`, the name it gets, and where it ends.
fn leaves(
    tree: &UseTree,
    prefix: &mut Vec<String>,
    leaf: &mut impl FnMut(Vec<String>, String, Span),
) {
    let mut end = |name: String, renamed: String, span: Span| {
        let mut path = prefix.clone();
        if name != "self" || path.is_empty() {
            path.push(name);
        }
        let renamed = match renamed.as_str() {
            "self" => path.last().cloned().unwrap_or_default(),
            _ => renamed,
        };
        leaf(path, renamed, span);
    };
    match tree {
        UseTree::Name(name) => {
            end(name.ident.to_string(), name.ident.to_string(), name.ident.span())
        }
        UseTree::Rename(name) => {
            end(name.ident.to_string(), name.rename.to_string(), name.ident.span())
        }
        UseTree::Glob(star) => end("*".into(), "*".into(), star.star_token.spans[0]),
        UseTree::Path(step) => {
            prefix.push(step.ident.to_string());
            leaves(&step.tree, prefix, leaf);
            prefix.pop();
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| leaves(tree, prefix, leaf));
        }
    }
}

/// Enters the names that `items` bring into their module.
pub fn declare(items: &[Item], module: &mut Module) {
    for item in items {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(syn::ItemMacro { ident: Some(name), .. }) => name,
            item => {
                Imports(module).visit_item(item);
                continue;
            }
        };
        module.items.insert(name.to_string());
        Imports(module).visit_item(item);
    }
}

/// Collects `use` items, also those inside of functions.
struct Imports<'m>(&'m mut Module);

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_some() || is_test(&item.attrs) {
            return;
        }
        leaves(&item.tree, &mut Vec::new(), &mut |mut path, name, _| match path
            .last()
            .map(String::as_str)
        {
            Some("*") => {
                path.pop();
                self.0.globs.push(path);
            }
            _ => self.0.imports.push((name, path)),
        });
    }
}

/// True for the words that only begin a path.
pub fn is_keyword(segment: &str) -> bool {
    matches!(segment, "crate" | "super" | "self" | "Self")
}
