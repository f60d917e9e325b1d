//! What users of the crate `damson` can name: read from its source, which rustfmt has laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::tidy::collect;

/// The crates whose types the library shows.
const CRATES: [&str; 4] = ["damson", "damson-core", "damson-crdt", "damson-store"];

/// All public items.
pub struct Items {
    root: Module,
    /// Public methods, fields and variants, by type.
    members: BTreeMap<String, BTreeSet<String>>,
}

/// A public module, or the crate.
#[derive(Default)]
struct Module {
    modules: BTreeMap<String, Module>,
    /// Names, and what they are called where they are declared.
    names: BTreeMap<String, String>,
}

impl Items {
    /// Reads the sources.
    pub fn of(root: &Path) -> Self {
        let mut files = Vec::new();
        CRATES.iter().for_each(|name| collect(&root.join("crates").join(name).join("src"), &mut files));
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
            for (of, member) in members_in(&text) {
                members.entry(of).or_default().insert(member);
            }
        }
        Self { root: Module::of(&root.join("crates/damson/src/lib.rs")), members }
    }

    /// Can users name this? `Type`, `Type::member`, `module::Type::member`, with or without `damson::` before it.
    pub fn has(&self, item: &str) -> bool {
        let path = item.strip_prefix("damson::").unwrap_or(item);
        let mut segments = path.split("::").peekable();
        let mut module = &self.root;
        while let Some(inner) = segments.peek().and_then(|name| module.modules.get(*name)) {
            module = inner;
            segments.next();
        }
        let Some(declared) = segments.next().and_then(|name| module.names.get(name)) else { return false };
        match (segments.next(), segments.next()) {
            (None, _) => true,
            (Some(member), None) => self.members.get(declared).is_some_and(|known| known.contains(member)),
            _ => false,
        }
    }
}

impl Module {
    fn of(file: &Path) -> Self {
        let mut module = Self::default();
        let Ok(text) = fs::read_to_string(file) else { return module };
        // Comments may say anything.
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for line in &code {
            if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
                module.modules.insert(name.into(), Self::of(&file_of(file, name)));
            }
            module.names.extend(declared(line).map(|(_, name)| (name.clone(), name)));
        }
        for statement in code.join("\n").split(';') {
            if let Some((_, names)) = statement.split_once("pub use ") {
                module.names.extend(imported(names));
            }
        }
        module
    }
}

/// The file of a module that another declares.
fn file_of(parent: &Path, name: &str) -> PathBuf {
    let dir = match parent.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "mod") | None => parent.with_file_name(""),
        Some(_) => parent.with_extension(""),
    };
    let own = dir.join(format!("{name}.rs"));
    if own.exists() { own } else { dir.join(name).join("mod.rs") }
}

/// What a line at the beginning of a line declares publicly: the keyword and the name.
fn declared(line: &str) -> Option<(&str, String)> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let (keyword, rest) = rest.split_once(' ')?;
    let known = ["struct", "enum", "trait", "fn", "const", "type", "static"];
    known.contains(&keyword).then(|| (keyword, identifier(rest)))
}

/// The names that `path::{A, B as C}` brings, with what they are called there.
fn imported(names: &str) -> impl Iterator<Item = (String, String)> {
    let list = names
        .rsplit_once('{')
        .map_or_else(|| last(names), |(_, list)| list.trim_end_matches(['}', '\n', ' ']));
    let each = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    each.map(|name| match name.split_once(" as ") {
        Some((declared, shown)) => (shown.trim().to_string(), last(declared).to_string()),
        None => (last(name).to_string(), last(name).to_string()),
    })
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Public members with their types. A block ends with a brace as far to the right as it began.
fn members_in(text: &str) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut block: Option<(&str, String)> = None;
    for line in text.lines() {
        match &block {
            Some(_) if line.starts_with('}') => block = None,
            Some((kind, of)) => {
                let member = line.strip_prefix("    ").and_then(|inner| member(kind, inner));
                members.extend(member.map(|member| (of.clone(), member)));
            }
            None => block = opened(line),
        }
    }
    members
}

/// The block that a line opens: what it is, and of which type.
fn opened(line: &str) -> Option<(&'static str, String)> {
    if !line.ends_with('{') {
        return None;
    }
    if let Some(rest) = line.strip_prefix("impl") {
        let rest = if rest.starts_with('<') { after_generics(rest) } else { rest };
        let own = !rest.contains(" for ");
        return own.then(|| ("impl", identifier(rest.trim_start())));
    }
    let (keyword, name) = declared(line)?;
    let kind = ["struct", "enum", "trait"].into_iter().find(|kind| *kind == keyword)?;
    Some((kind, name))
}

fn after_generics(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        depth = match c {
            '<' => depth + 1,
            '>' => depth - 1,
            _ => depth,
        };
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    text
}

/// The public member that a line of a block declares.
fn member(kind: &str, line: &str) -> Option<String> {
    let name = match kind {
        "enum" => line.starts_with(char::is_uppercase).then(|| identifier(line))?,
        "trait" => {
            let line = line.strip_prefix("async ").unwrap_or(line);
            identifier(["fn ", "type ", "const "].iter().find_map(|word| line.strip_prefix(word))?)
        }
        _ => {
            let mut rest = line.strip_prefix("pub ")?;
            for word in ["const ", "async ", "fn "] {
                rest = rest.strip_prefix(word).unwrap_or(rest);
            }
            identifier(rest)
        }
    };
    (!name.is_empty()).then_some(name)
}
