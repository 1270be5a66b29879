//! No circle of files in any crate: a file that imports another is never imported by it, however
//! far around.
//!
//! A name counts for the file that defines it, not for the one that hands it on (`pub use`). A
//! module and those inside it are one thing in several files, so arrows between them do not count.
//! Tests may import what they test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{Item, UseTree, visit::Visit};

/// A module's path in its crate; the crate's root is the empty one.
type Module = Vec<String>;

/// What a module's file says.
#[derive(Default)]
struct Source {
    file: PathBuf,
    /// Names that are defined here.
    defined: BTreeSet<String>,
    /// Names that are imported, and the paths that they stand for.
    uses: BTreeMap<String, Vec<String>>,
    /// Paths of modules whose names are all imported.
    globs: Vec<Vec<String>>,
    /// Paths that the code names.
    paths: BTreeSet<Vec<String>>,
}

type Sources = BTreeMap<Module, Source>;

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|it| {
        it.path().is_ident("cfg")
            && matches!(&it.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl Source {
    fn import(&mut self, tree: &UseTree, path: &[String]) {
        let with = |name: &str| [path, &[name.to_owned()]].concat();
        match tree {
            UseTree::Path(inner) => self.import(&inner.tree, &with(&inner.ident.to_string())),
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|inner| self.import(inner, path)),
            UseTree::Glob(_) => self.globs.push(path.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                self.uses
                    .insert(path.last().cloned().unwrap_or_default(), path.to_vec());
            }
            UseTree::Name(name) => {
                self.uses
                    .insert(name.ident.to_string(), with(&name.ident.to_string()));
            }
            UseTree::Rename(name) => {
                let target = if name.ident == "self" {
                    path.to_vec()
                } else {
                    with(&name.ident.to_string())
                };
                self.uses.insert(name.rename.to_string(), target);
            }
        }
    }
}

impl<'a> Visit<'a> for Source {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.import(&item.tree, &[]);
        }
    }

    fn visit_item_mod(&mut self, _: &'a syn::ItemMod) {
        // Each is read by itself, or is a test.
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_visibility(&mut self, _: &'a syn::Visibility) {
        // `pub(super)` imports nothing.
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.paths.insert(
            path.segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect(),
        );
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, inner: &'a syn::Macro) {
        // What stands in a macro is no syntax tree: its paths are read from the text.
        let text = inner.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        self.paths.extend(words.map(|word| {
            word.trim_matches(':')
                .split("::")
                .map(str::to_owned)
                .collect()
        }));
        syn::visit::visit_macro(self, inner);
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(it) => it.ident.to_string(),
        Item::Enum(it) => it.ident.to_string(),
        Item::Fn(it) => it.sig.ident.to_string(),
        Item::Static(it) => it.ident.to_string(),
        Item::Struct(it) => it.ident.to_string(),
        Item::Trait(it) => it.ident.to_string(),
        Item::Type(it) => it.ident.to_string(),
        Item::Macro(it) => it.ident.as_ref()?.to_string(),
        _ => return None,
    })
}

/// Reads the file of a module, and those of the modules in it.
fn read(sources: &mut Sources, module: &Module, file: &Path, directory: &Path) {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut source = Source {
        file: file.to_owned(),
        ..Source::default()
    };
    source.defined = parsed.items.iter().filter_map(name_of).collect();
    source.visit_file(&parsed);
    sources.insert(module.clone(), source);
    for item in &parsed.items {
        let Item::Mod(inner) = item else { continue };
        if inner.content.is_some() || is_test(&inner.attrs) {
            continue;
        }
        let name = inner.ident.to_string();
        let own = directory.join(&name);
        let file = directory.join(format!("{name}.rs"));
        read(sources, &[&module[..], &[name]].concat(), &file, &own);
    }
}

/// The module that defines what `path` names, as `module` sees it.
fn defines(sources: &Sources, module: &Module, path: &[String], depth: usize) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    if depth == 0 {
        return None;
    }
    match first.as_str() {
        "crate" => return within(sources, &Module::new(), rest, depth),
        "self" => return within(sources, module, rest, depth),
        "super" => {
            return within(
                sources,
                &module[..module.len().checked_sub(1)?].to_vec(),
                rest,
                depth,
            );
        }
        _ => {}
    }
    let source = &sources[module];
    if let Some(target) = source.uses.get(first) {
        // `use release::X` in a crate with a module of that name would be ambiguous: what is no
        // module here is another crate.
        return defines(sources, module, &[&target[..], rest].concat(), depth - 1);
    }
    let child = [&module[..], std::slice::from_ref(first)].concat();
    if sources.contains_key(&child) {
        return within(sources, &child, rest, depth);
    }
    source
        .globs
        .iter()
        .find_map(|glob| defines(sources, module, &[&glob[..], path].concat(), depth - 1))
}

/// The same for a path in a module.
fn within(sources: &Sources, module: &Module, path: &[String], depth: usize) -> Option<Module> {
    let source = sources.get(module)?;
    let Some(first) = path.first() else {
        return Some(module.clone());
    };
    if first == "super" {
        return within(
            sources,
            &module[..module.len().checked_sub(1)?].to_vec(),
            &path[1..],
            depth,
        );
    }
    if source.defined.contains(first) {
        return Some(module.clone());
    }
    defines(sources, module, path, depth)
}

/// Which modules each one imports, and a name of each import.
fn arrows(sources: &Sources) -> BTreeMap<Module, BTreeMap<Module, String>> {
    let mut arrows: BTreeMap<Module, BTreeMap<Module, String>> = BTreeMap::new();
    for (module, source) in sources {
        for path in &source.paths {
            let Some(to) = defines(sources, module, path, 16) else {
                continue;
            };
            if !to.starts_with(module) && !module.starts_with(&to) {
                arrows
                    .entry(module.clone())
                    .or_default()
                    .entry(to)
                    .or_insert_with(|| path.join("::"));
            }
        }
    }
    arrows
}

/// Everything that can be reached from `from`, and from which it can be reached.
fn circle(arrows: &BTreeMap<Module, BTreeMap<Module, String>>, from: &Module) -> BTreeSet<Module> {
    let reach = |from: &Module| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            open.extend(
                arrows
                    .get(module)
                    .into_iter()
                    .flat_map(BTreeMap::keys)
                    .filter(|to| seen.insert((*to).clone())),
            );
        }
        seen
    };
    let reached = reach(from);
    reached
        .into_iter()
        .filter(|module| reach(module).contains(from))
        .collect()
}

fn circles(source: &Path) -> Vec<String> {
    let mut sources = Sources::new();
    read(&mut sources, &Module::new(), &source.join("lib.rs"), source);
    let arrows = arrows(&sources);
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for module in sources.keys() {
        let members = circle(&arrows, module);
        if members.len() > 1 && told.insert(members.clone()) {
            let name = |module: &Module| {
                sources[module]
                    .file
                    .strip_prefix(source)
                    .unwrap()
                    .display()
                    .to_string()
            };
            let ties = members.iter().flat_map(|from| {
                let to = arrows[from].iter().filter(|(to, _)| members.contains(*to));
                to.map(|(to, path)| format!("    {} -> {}: {path}", name(from), name(to)))
            });
            found.push(ties.collect::<Vec<_>>().join("\n"));
        }
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut all = Vec::new();
    let mut directories: Vec<_> = fs::read_dir(crates)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    directories.sort();
    for directory in directories
        .iter()
        .filter(|it| it.join("src/lib.rs").is_file())
    {
        let name = directory.file_name().unwrap().display();
        all.extend(
            circles(&directory.join("src"))
                .into_iter()
                .map(|ties| format!("  in {name}\n{ties}")),
        );
    }
    assert!(
        all.is_empty(),
        "{} circles of files; move what ties them into a file of its own:\n{}",
        all.len(),
        all.join("\n")
    );
}

#[test]
fn a_circle_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file(
        "lib.rs",
        "mod a; mod b; mod c; pub use b::Noun; #[cfg(test)] mod tests { use super::a::work; }",
    );
    file(
        "a.rs",
        "use crate::Noun; pub fn work(_: Noun) { crate::c::end(); }",
    );
    file(
        "b.rs",
        "pub struct Noun; pub fn go() { println!(\"{:?}\", super::c::end()); }",
    );
    file(
        "c.rs",
        "pub fn end() {} #[cfg(test)] mod tests { use crate::b::go; }",
    );
    assert_eq!(circles(folder.path()), Vec::<String>::new());
    file(
        "c.rs",
        "use crate::a; pub fn end() { a::work(crate::Noun) }",
    );
    assert_eq!(circles(folder.path()).len(), 1);
}
