//! Checks `docs/contracts.md`: what other systems call a thing, what it is here, and the test that shows it.
//!
//! Every row of a table has four cells, none of them empty: the name there, what it must do, items of the library here, and
//! tests. An item is a path such as `Node::add_peer` or `gossip::Typed` that users of the crate `damson` can name; a test is
//! `path/to/file.rs::function`, from the root of the workspace. Both stand between backticks; of a cell of items or tests
//! everything between backticks is checked.

mod items;

use std::fs;
use std::path::Path;

use items::Items;

/// Where the table is.
const TABLE: &str = "docs/contracts.md";
const CELLS: [&str; 4] = ["name", "what it must do", "item", "test"];

/// All that is not as it should be.
pub fn check(root: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(root.join(TABLE)) else {
        return vec![format!("{TABLE} is missing")];
    };
    let items = Items::of(root);
    let rows: Vec<(usize, Vec<String>)> = rows(&text).collect();
    let mut faults: Vec<String> =
        rows.iter().flat_map(|(line, cells)| check_row(root, &items, *line, cells)).collect();
    if rows.is_empty() {
        faults.push(format!("{TABLE} has no row"));
    }
    faults
}

/// The rows of all tables with their lines, without the two lines of each head.
fn rows(text: &str) -> impl Iterator<Item = (usize, Vec<String>)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_rule = |line: &str| line.starts_with('|') && line.chars().all(|c| "|-: ".contains(c));
    let in_head: Vec<bool> = (0..lines.len())
        .map(|at| is_rule(lines[at]) || lines.get(at + 1).is_some_and(|next| is_rule(next)))
        .collect();
    let rows = lines.into_iter().enumerate().filter(move |(at, line)| line.starts_with('|') && !in_head[*at]);
    rows.map(|(at, line)| (at + 1, cells(line))).collect::<Vec<_>>().into_iter()
}

/// The cells of a row; `\|` is a bar in one.
fn cells(line: &str) -> Vec<String> {
    let inner = line.strip_prefix('|').unwrap_or(line);
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    inner
        .replace("\\|", "\u{0}")
        .split('|')
        .map(|cell| cell.replace('\u{0}', "|").trim().to_string())
        .collect()
}

fn check_row(root: &Path, items: &Items, line: usize, cells: &[String]) -> Vec<String> {
    let at = format!("{TABLE}:{line}");
    if cells.len() != CELLS.len() {
        return vec![format!("{at}: a row has {} cells, this one has {}", CELLS.len(), cells.len())];
    }
    let mut faults: Vec<String> = Vec::new();
    for (name, cell) in CELLS.iter().zip(cells) {
        if cell.chars().all(|c| "-–— ".contains(c)) {
            faults.push(format!("{at}: the cell \"{name}\" is empty"));
        }
    }
    let (named, tests) = (quoted(&cells[2]), quoted(&cells[3]));
    if named.is_empty() {
        faults.push(format!("{at}: no item is named"));
    }
    if tests.is_empty() {
        faults.push(format!("{at}: no test is named"));
    }
    faults.extend(
        named
            .iter()
            .filter(|item| !items.has(item))
            .map(|item| format!("{at}: {item} is no public item of the library")),
    );
    faults.extend(
        tests.iter().filter(|test| !is_test(root, test)).map(|test| format!("{at}: there is no test {test}")),
    );
    faults
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Is this a function below `#[test]` or `#[tokio::test]`, or in a `proptest!`?
fn is_test(root: &Path, test: &str) -> bool {
    let Some((path, function)) = test.rsplit_once("::") else { return false };
    let Ok(text) = fs::read_to_string(root.join(path)) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let heads = [format!("fn {function}("), format!("async fn {function}(")];
    let declared = lines.iter().position(|line| heads.iter().any(|head| line.starts_with(head.as_str())));
    let Some(at) = declared else { return false };
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let attributes: Vec<&str> = above.copied().filter(|line| line.starts_with("#[")).collect();
    let is_test =
        attributes.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let is_property = lines[..at].iter().rev().any(|line| line.starts_with("proptest! {"));
    let ignored = attributes.iter().any(|line| line.starts_with("#[ignore"));
    (is_test || is_property && text.contains("proptest")) && !ignored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::root;

    #[test]
    fn the_table_is_whole_and_names_what_there_is() {
        assert_eq!(check(&root()), Vec::<String>::new());
    }

    /// A workspace with one library, one test and this table.
    fn faults_of(table: &str) -> Vec<String> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(format!("damson-contracts-{}-{}", unique.0, unique.1));
        let write = |path: &str, text: &str| {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("docs/contracts.md", table);
        let lib = "mod node;\npub mod gossip;\npub use node::Node;\npub use damson_core::Ack;\n";
        write("crates/damson/src/lib.rs", lib);
        let node = "pub struct Node {\n    pub id: u64,\n    secret: u64,\n}\nimpl Node {\n    pub fn start(&self) {}\n    fn hidden(&self) {}\n}\npub struct Private;\n";
        write("crates/damson/src/node.rs", node);
        write("crates/damson/src/gossip.rs", "pub enum Typed {\n    Set(u8),\n}\n");
        write("crates/damson-core/src/lib.rs", "pub enum Ack {\n    /// `Lost` is none.\n    All,\n}\n");
        let tests = "#[test]\nfn works() {}\n\n/// Not a test.\nfn helper() {}\n\n#[tokio::test(flavor = \"x\")]\nasync fn waits() {}\n\n#[test]\n#[ignore = \"slow\"]\nfn sleeps() {}\n";
        write("crates/damson/tests/t.rs", tests);
        let faults = check(&dir);
        fs::remove_dir_all(&dir).unwrap();
        faults
    }

    fn table(row: &str) -> String {
        format!("# Contracts\n\n| there | must | here | test |\n|---|---|---|---|\n{row}\n")
    }

    const TEST: &str = "`crates/damson/tests/t.rs::works`";

    #[test]
    fn a_sound_row_is_taken() {
        for item in ["Node::start", "Node", "Node::id", "gossip::Typed::Set", "gossip::Typed", "Ack::All"] {
            let row =
                format!("| `a \\| b` | it starts | `{item}` | {TEST}, `crates/damson/tests/t.rs::waits` |");
            assert_eq!(faults_of(&table(&row)), Vec::<String>::new(), "{item}");
        }
    }

    #[test]
    fn an_empty_cell_a_missing_one_and_an_empty_table_are_found() {
        for (row, fault) in [
            (format!("| | it starts | `Node` | {TEST} |"), "the cell \"name\" is empty"),
            (format!("| `a` | — | `Node` | {TEST} |"), "the cell \"what it must do\" is empty"),
            (format!("| `a` | it starts | | {TEST} |"), "the cell \"item\" is empty"),
            ("| `a` | it starts | `Node` | |".into(), "the cell \"test\" is empty"),
            (format!("| `a` | it starts | Node | {TEST} |"), "no item is named"),
            (format!("| `a` | it starts | {TEST} |"), "a row has 4 cells, this one has 3"),
            (String::new(), "has no row"),
        ] {
            let faults = faults_of(&table(&row));
            assert!(faults.iter().any(|found| found.contains(fault)), "{row}: {faults:?}");
        }
    }

    #[test]
    fn a_test_that_does_not_exist_is_no_test_or_is_ignored_is_found() {
        for wrong in ["t.rs::sleeps", "t.rs::helper", "t.rs::work", "u.rs::works", "t.rs"] {
            let row = format!("| `a` | it starts | `Node` | `crates/damson/tests/{wrong}` |");
            let faults = faults_of(&table(&row));
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with("docs/contracts.md:5: there is no test "), "{faults:?}");
        }
    }

    #[test]
    fn an_item_that_users_cannot_name_is_found() {
        for wrong in [
            "Node::hidden",
            "Node::secret",
            "Node::stop",
            "Private",
            "node::Node",
            "Typed",
            "gossip::Typed::Map",
            "Ack::Lost",
            "nothing::Node",
        ] {
            let row = format!("| `a` | it starts | `{wrong}` | {TEST} |");
            let faults = faults_of(&table(&row));
            assert_eq!(faults, [format!("docs/contracts.md:5: {wrong} is no public item of the library")]);
        }
    }
}
