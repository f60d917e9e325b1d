//! Which crate may depend on which, and which module of the core may import which. Arrows only go down; the protocols do
//! not know one another. See the picture in ARCHITECTURE.md.

use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and the crates of ours on which it may depend.
const CRATES: &[(&str, &[&str])] = &[
    ("damson-crdt", &[]),
    ("damson-core", &["damson-crdt"]),
    ("damson-store", &["damson-core"]),
    ("damson-sim", &["damson-core", "damson-crdt", "damson-store"]),
    ("damson", &["damson-core", "damson-crdt", "damson-store"]),
    ("damson-server", &["damson"]),
    ("damson-cli", &["damson", "damson-server", "damson-sim"]),
    ("damson-bench", &["damson", "damson-sim"]),
];

/// Crates that must stay free of a runtime, sockets, files and OS randomness, and what would bring these in.
const BELOW_THE_LINE: &[&str] = &["damson-crdt", "damson-core"];
const SHELL_ONLY: &[&str] =
    &["tokio", "socket2", "fjall", "rustls", "ring", "getrandom", "rand", "parking_lot"];

/// A module of the core, and the modules of the core that it must not import.
const CORE_MODULES: &[(&str, &[&str])] = &[
    ("replica", &["sync", "membership", "broadcast", "node", "wire"]),
    ("sync", &["replica", "membership", "broadcast", "node"]),
    ("membership", &["sync", "broadcast", "node"]),
    ("broadcast", &["sync", "membership", "replica", "node"]),
    ("casts", &["sync", "membership", "broadcast", "replica", "node"]),
    ("wire", &["sync", "membership", "broadcast", "node"]),
    (
        "sketch",
        &["replica", "sync", "membership", "broadcast", "node", "wire", "persist", "scope", "time", "crdt"],
    ),
];

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_path_buf()
}

/// All that is not as it should be.
pub fn check(root: &Path) -> Vec<String> {
    let crates = CRATES.iter().flat_map(|(name, allowed)| check_crate(root, name, allowed));
    let modules = CORE_MODULES.iter().flat_map(|(name, banned)| check_module(root, name, banned));
    crates.chain(modules).chain(check_listed(root)).collect()
}

/// Every crate has a line in the table.
fn check_listed(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let unlisted = names.filter(|name| !CRATES.iter().any(|(listed, _)| listed == name));
    unlisted
        .map(|name| format!("crates/{name} has no line in the table of crates in xtask/src/tidy.rs"))
        .collect()
}

fn check_crate(root: &Path, name: &str, allowed: &[&str]) -> Vec<String> {
    let manifest = root.join("crates").join(name).join("Cargo.toml");
    let Ok(text) = fs::read_to_string(&manifest) else {
        return vec![format!("{} is missing", manifest.display())];
    };
    let mut faults = Vec::new();
    for dependency in dependencies(&text) {
        if dependency.starts_with("damson") && !allowed.contains(&dependency) {
            faults.push(format!("{name} must not depend on {dependency}"));
        }
        if BELOW_THE_LINE.contains(&name) && SHELL_ONLY.contains(&dependency) {
            faults.push(format!("{name} is below the I/O line and must not depend on {dependency}"));
        }
    }
    faults
}

/// The names in `[dependencies]`; what tests need is their own business.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let own = section.take_while(|line| !line.trim_start().starts_with('['));
    own.filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
}

fn check_module(root: &Path, name: &str, banned: &[&str]) -> Vec<String> {
    let source = root.join("crates/damson-core/src");
    let mut files = Vec::new();
    collect(&source.join(name), &mut files);
    let mut faults = Vec::new();
    if files.is_empty() {
        faults.push(format!("damson-core has no module {name}; the table in xtask/src/tidy.rs names it"));
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        faults.extend(
            imports(&text).into_iter().filter(|(_, module)| banned.contains(&module.as_str())).map(
                |(line, module)| format!("{shown}:{line}: module {name} must not import module {module}"),
            ),
        );
    }
    faults
}

/// The modules named as `crate::module`, with their lines; comments do not count.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(at, line)| {
        line.match_indices("crate::").map(move |(start, found)| {
            let rest = &line[start + found.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (at + 1, rest[..end].to_string())
        })
    })
    .collect()
}

/// All Rust sources below a directory.
pub fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        assert_eq!(check(&root()), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_dependency_and_a_forbidden_import_are_found() {
        let dir = std::env::temp_dir().join(format!("damson-tidy-{}", std::process::id()));
        let core = dir.join("crates/damson-core");
        fs::create_dir_all(core.join("src/sync")).unwrap();
        fs::write(core.join("Cargo.toml"), "[dependencies]\ntokio.workspace = true\ndamson-store = \"1\"\n")
            .unwrap();
        fs::write(core.join("src/sync/mod.rs"), "// crate::node\nuse crate::replica::Replica;\n").unwrap();
        let faults = check(&dir);
        fs::remove_dir_all(&dir).unwrap();
        for wanted in [
            "must not depend on tokio",
            "must not depend on damson-store",
            "mod.rs:2: module sync must not import module replica",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(wanted)), "{wanted}: {faults:?}");
        }
        assert!(!faults.iter().any(|fault| fault.contains("module node")));
    }
}
