//! A tree as text: each member below the one from which it gets the root's writes.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::shape::{Tree, View};

/// Columns by which a level is moved to the right.
const INDENT: usize = 2;

/// The picture, with a line in front that says it in numbers.
pub fn draw(tree: &Tree) -> String {
    let rows = tree.rows();
    let drawn: BTreeSet<&str> = rows.iter().map(|(_, id)| *id).collect();
    let apart: Vec<&str> = tree.members.keys().map(String::as_str).filter(|id| !drawn.contains(id)).collect();
    let width = |(depth, id): &(usize, &str)| depth * INDENT + tree.name(id).chars().count();
    let all = rows.iter().copied().chain(apart.iter().map(|id| (1, *id)));
    let width = all.map(|row| width(&row)).max().unwrap_or(0).max(4);
    let mut out = headline(tree);
    let _ = writeln!(out, "{:<width$}  HOP    DELAY  LAZY LINKS", "NODE");
    rows.iter().for_each(|(depth, id)| line(&mut out, tree, *depth, id, width));
    if !apart.is_empty() {
        out.push_str("not in the tree\n");
        apart.iter().for_each(|id| line(&mut out, tree, 1, id, width));
    }
    out
}

fn headline(tree: &Tree) -> String {
    let s = tree.summary();
    let mut out = format!(
        "tree of {}: {} of {} members answer, at most {}, {}, {}\n",
        tree.name(&tree.root),
        s.reached,
        s.members,
        counted(s.hops_max.into(), "hop"),
        counted(s.eager_links, "eager link"),
        counted(s.lazy_links, "lazy link"),
    );
    if s.disputed_links > 0 {
        let links = counted(s.disputed_links, "link");
        let _ = writeln!(
            out,
            "the two ends of {links} do not agree: the tree is changing, ask again in a moment"
        );
    }
    out
}

fn line(out: &mut String, tree: &Tree, depth: usize, id: &str, width: usize) {
    let name = format!("{:indent$}{}", "", tree.name(id), indent = depth * INDENT);
    let rest = match tree.members.get(id).map(|member| &member.view) {
        Some(Ok(view)) => place(tree, view),
        Some(Err(reason)) => format!("unreachable: {}", reason.replace(char::is_control, "?")),
        None => "unreachable: it is no member that is present".into(),
    };
    let _ = writeln!(out, "{}", format!("{name:<width$}  {rest}").trim_end());
}

fn place(tree: &Tree, view: &View) -> String {
    let hops = view.hops.map_or("-".into(), |hops| hops.to_string());
    let delay = view.distance_ms.map_or("-".into(), |ms| format!("{ms} ms"));
    let mut lazy: Vec<String> = view.lazy.iter().map(|id| tree.name(id)).collect();
    lazy.sort();
    format!("{hops:>3}  {delay:>7}  {}", lazy.join(" "))
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::{member, unreachable};
    use super::*;

    #[test]
    fn members_stand_below_their_parents_with_their_lazy_links_and_the_silent_are_named() {
        let members = [
            member("a", "n1", None, &["b"], &["c"]),
            member("b", "n2", Some("a"), &["c"], &[]),
            member("c", "n3", Some("b"), &["d"], &["a"]),
            unreachable("d", "n4"),
            unreachable("e", "n5"),
        ];
        let picture = draw(&Tree { root: "a".into(), members: members.into_iter().collect() });
        let wanted = "\
tree of n1: 3 of 5 members answer, at most 1 hop, 3 eager links, 1 lazy link
NODE      HOP    DELAY  LAZY LINKS
n1          0     3 ms  n3
  n2        1     3 ms
    n3      1     3 ms  n1
      n4  unreachable: no answer
not in the tree
  n5      unreachable: no answer
";
        assert_eq!(picture, wanted);
    }
}
