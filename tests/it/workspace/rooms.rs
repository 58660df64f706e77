//! Arrows between files: none of the product's crates has files that use each other in a circle, and the edge's rooms use
//! only those below them in `edge/README.md`.
//!
//! A file uses another one where a `use`, a path or an attribute names something in it. `mod child;` is no use. A child
//! that needs its parent's items while the parent needs the child's is a circle like any other: neither can be read, or
//! moved, without the other. Modules of tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stack::workspace;
use syn::visit::{self, Visit};

/// Names from the crate's root on.
type Names = Vec<String>;
/// A file's name, and the files that it uses.
type Arrows = BTreeMap<String, BTreeSet<String>>;

const CRATES: [&str; 6] = [
    "edge/src",
    "functions/src",
    "functions/deployment/src",
    "functions/protocol/src",
    "functions/payments/src",
    "schema/src",
];

/// The modules of one crate, and what their files use.
struct Crate {
    folder: PathBuf,
    /// Each module's file. One that is written inside its parent has its parent's.
    modules: BTreeMap<Names, String>,
    files: Vec<(Names, String, syn::File)>,
}

impl Crate {
    fn read(folder: &str) -> Self {
        let mut read = Self { folder: workspace::root().join(folder), modules: BTreeMap::new(), files: Vec::new() };
        read.module(Names::new(), "lib.rs");
        read
    }

    fn module(&mut self, names: Names, file: &str) {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.modules.insert(names.clone(), file.to_owned());
        self.children(&names, file, &parsed.items);
        self.files.push((names, file.to_owned(), parsed));
    }

    fn children(&mut self, names: &Names, file: &str, items: &[syn::Item]) {
        for item in items {
            let syn::Item::Mod(module) = item else { continue };
            if is_test(module) {
                continue;
            }
            let names = [names.as_slice(), &[module.ident.to_string()]].concat();
            match &module.content {
                Some((_, items)) => {
                    self.modules.insert(names.clone(), file.to_owned());
                    self.children(&names, file, items);
                }
                None => {
                    let (beside, inside) = (format!("{}.rs", names.join("/")), format!("{}/mod.rs", names.join("/")));
                    let file = if self.folder.join(&beside).exists() { beside } else { inside };
                    self.module(names, &file);
                }
            }
        }
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (names, file, parsed) in &self.files {
            let mut reader =
                Reader { of: self, scopes: vec![(names.clone(), BTreeMap::new())], found: BTreeSet::new() };
            reader.scope(&parsed.items);
            reader.visit_file(parsed);
            reader.found.remove(file);
            arrows.insert(file.clone(), reader.found);
        }
        arrows
    }

    /// The file of the innermost module that these names lead to.
    fn file(&self, names: &[String]) -> &str {
        (0..=names.len()).rev().find_map(|depth| self.modules.get(&names[..depth])).unwrap()
    }
}

/// What only a test compiles. A module of another name that only tests compile is part of the product's text (the API's
/// description).
fn is_test(module: &syn::ItemMod) -> bool {
    has_cfg_test(&module.attrs) && (module.content.is_some() || module.ident.to_string().ends_with("tests"))
}

fn has_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|only| only == "test")
    })
}

/// Reads one file for what it uses.
struct Reader<'a> {
    of: &'a Crate,
    /// The file's module and those written inside it, down to where the reader is; with the names that `use` brings in.
    scopes: Vec<(Names, BTreeMap<String, Names>)>,
    found: BTreeSet<String>,
}

impl Reader<'_> {
    fn scope(&mut self, items: &[syn::Item]) {
        for item in items {
            if let syn::Item::Use(used) = item
                && !has_cfg_test(&used.attrs)
            {
                self.tree(&Names::new(), &used.tree);
            }
        }
    }

    fn tree(&mut self, before: &Names, tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before.as_slice(), &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
            syn::UseTree::Glob(_) => self.import(before, None),
            syn::UseTree::Name(name) if name.ident == "self" => self.import(before, before.last().cloned()),
            syn::UseTree::Name(name) => self.import(&with(&name.ident), Some(name.ident.to_string())),
            syn::UseTree::Rename(name) => self.import(&with(&name.ident), Some(name.rename.to_string())),
        }
    }

    fn import(&mut self, names: &Names, known_as: Option<String>) {
        if let Some(whole) = self.whole(names) {
            self.found.insert(self.of.file(&whole).to_owned());
            if let (Some(known_as), Some((_, imported))) = (known_as, self.scopes.last_mut()) {
                imported.insert(known_as, whole);
            }
        }
    }

    /// The names from the crate's root on; none where they lead out of the crate.
    fn whole(&self, names: &[String]) -> Option<Names> {
        let (scope, imported) = self.scopes.last()?;
        let (first, rest) = names.split_first()?;
        let from = match first.as_str() {
            "crate" => Names::new(),
            "self" => scope.clone(),
            "super" => {
                let above = rest.iter().take_while(|name| *name == "super").count();
                return Some([&scope[..scope.len().checked_sub(1 + above)?], &rest[above..]].concat());
            }
            child if self.of.modules.contains_key(&[scope.as_slice(), &[child.to_owned()]].concat()) => {
                [scope.as_slice(), &[child.to_owned()]].concat()
            }
            other => imported.get(other)?.clone(),
        };
        Some([from.as_slice(), rest].concat())
    }

    fn path(&mut self, names: &[String]) {
        if names.len() > 1
            && let Some(whole) = self.whole(names)
        {
            self.found.insert(self.of.file(&whole).to_owned());
        }
    }

    /// Paths in what a macro is given, which is no syntax until it has run.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream, in_texts: bool) {
        let mut names = Names::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.path(&std::mem::take(&mut names));
                    }
                    names.push(name.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(mark) if mark.as_char() == ':' && !names.is_empty() => colons += 1,
                other => {
                    self.path(&std::mem::take(&mut names));
                    colons = 0;
                    match other {
                        proc_macro2::TokenTree::Group(group) => self.tokens(group.stream(), in_texts),
                        // `#[serde(try_from = "outcome::Members")]`.
                        proc_macro2::TokenTree::Literal(text) if in_texts => {
                            let text = text.to_string();
                            let names: Names = text.trim_matches('"').split("::").map(str::to_owned).collect();
                            self.path(&names);
                        }
                        _ => {}
                    }
                }
            }
        }
        self.path(&names);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => item.attrs.as_slice(),
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Use(_) => return,
            syn::Item::Mod(module) => {
                if let (Some((_, items)), false) = (&module.content, is_test(module)) {
                    let names = self.scopes.last().map(|(names, _)| names.as_slice()).unwrap_or_default();
                    let names = [names, &[module.ident.to_string()]].concat();
                    self.scopes.push((names, BTreeMap::new()));
                    self.scope(items);
                    items.iter().for_each(|item| self.visit_item(item));
                    self.scopes.pop();
                }
                return;
            }
            _ => &[],
        };
        if !has_cfg_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_none() {
            self.path(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone(), false);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone(), true);
        }
    }

    /// `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// What can be reached from `file` by one arrow or more.
fn reached<'a>(arrows: &'a Arrows, file: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        next.extend(arrows[file].iter().map(String::as_str).filter(|to| reached.insert(*to)));
    }
    reached
}

/// The arrows that are part of a circle.
fn circles(arrows: &Arrows) -> Vec<String> {
    let reached: BTreeMap<&str, _> = arrows.keys().map(|file| (file.as_str(), reached(arrows, file))).collect();
    let all = arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from.as_str(), to.as_str())));
    all.filter(|(from, to)| reached[to].contains(from)).map(|(from, to)| format!("{from} -> {to}")).collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in CRATES {
        let arrows = Crate::read(folder).arrows();
        assert!(arrows.len() > 3 && arrows.values().any(|to| !to.is_empty()), "{folder} is read: {arrows:?}");
        found.extend(circles(&arrows).into_iter().map(|arrow| format!("{folder}: {arrow}")));
    }
    assert!(found.is_empty(), "{} arrows are part of a circle:\n{}", found.len(), found.join("\n"));
}

/// A file of `edge/src/api`, and `api.rs` itself, are of `src/api`.
fn room(file: &str) -> String {
    let first = file.split('/').next().unwrap_or_default();
    let is_root = first == "lib.rs";
    format!("src/{}", if is_root { first } else { first.trim_end_matches(".rs") })
}

#[test]
fn the_rooms_of_the_edge_use_only_those_below_them_in_its_table() {
    let readme = std::fs::read_to_string(Path::new(&workspace::root()).join("edge/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| [`")?.split_once('`'));
    let rooms: Vec<&str> =
        rows.map(|(name, _)| if name == "src/lib.rs" { name } else { name.trim_end_matches(".rs") }).collect();
    let place = |file: &str| {
        let room = room(file);
        rooms.iter().position(|one| *one == room).unwrap_or_else(|| panic!("edge/README.md has no row for {file}"))
    };
    let mut up = Vec::new();
    for (from, to) in Crate::read("edge/src").arrows() {
        up.extend(to.into_iter().filter(|to| place(to) < place(&from)).map(|to| format!("{from} -> {to}")));
    }
    assert!(up.is_empty(), "edge/README.md says that arrows lead down its table only:\n{}", up.join("\n"));
}
