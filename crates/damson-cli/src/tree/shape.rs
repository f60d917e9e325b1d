//! A tree as its members describe it: its links, and who stands below whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A tree.
#[derive(Debug)]
pub struct Tree {
    /// The id of the member whose writes travel over it.
    pub root: String,
    /// The members, by id.
    pub members: BTreeMap<String, Member>,
}

/// A member of the cluster.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    pub state: String,
    pub http: Option<String>,
    /// What it says, or why it says nothing.
    pub view: Result<View, String>,
}

/// What a member says of its place.
#[derive(Debug, Clone, Deserialize)]
pub struct View {
    pub root: String,
    pub node: String,
    pub parent: Option<String>,
    pub children: Vec<String>,
    pub lazy: Vec<String>,
    pub distance_ms: Option<u16>,
    pub hops: Option<u16>,
}

/// The tree in numbers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub members: usize,
    /// Members that answered.
    pub reached: usize,
    /// Members that did not.
    pub unreachable: usize,
    /// The longest way from the root, in links.
    pub hops_max: u16,
    /// Links over which payloads are pushed.
    pub eager_links: usize,
    /// Links over which they are only announced.
    pub lazy_links: usize,
    /// Links of which one end says that it is eager, and the other that it is not: the tree is changing.
    pub disputed_links: usize,
}

/// Parent and child.
type Eager<'a> = (&'a str, &'a str);

impl Tree {
    /// The eager links. Both ends know of one; the child's word counts, where it can be had.
    pub fn eager(&self) -> BTreeSet<Eager<'_>> {
        let by_parent = self.told_by_parents().into_iter().filter(|(_, child)| self.view(child).is_none());
        self.told_by_children().into_iter().chain(by_parent).collect()
    }

    /// Links that are eager for one end only, although both answered.
    pub fn disputed(&self) -> BTreeSet<Eager<'_>> {
        let (parents, children) = (self.told_by_parents(), self.told_by_children());
        let one_end = parents.symmetric_difference(&children).copied();
        one_end.filter(|(a, b)| self.view(a).is_some() && self.view(b).is_some()).collect()
    }

    /// The members in the tree with their depth, each before those below it, and these in the order of their names.
    pub fn rows(&self) -> Vec<(usize, &str)> {
        let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        self.eager().into_iter().for_each(|(parent, child)| below.entry(parent).or_default().push(child));
        below.values_mut().for_each(|children| children.sort_by_key(|id| std::cmp::Reverse(self.name(id))));
        let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = vec![(0, self.root.as_str())];
        while let Some((depth, id)) = next.pop() {
            // While the tree changes two may take one for their child.
            if seen.insert(id) {
                rows.push((depth, id));
                next.extend(below.remove(id).unwrap_or_default().into_iter().map(|child| (depth + 1, child)));
            }
        }
        rows
    }

    pub fn summary(&self) -> Summary {
        let views = || self.members.values().filter_map(|member| member.view.as_ref().ok());
        let (eager, reached) = (self.eager(), views().count());
        let is_eager = |a, b| eager.contains(&(a, b)) || eager.contains(&(b, a));
        let mut lazy = BTreeSet::new();
        for view in views() {
            let node = view.node.as_str();
            let own = view.lazy.iter().map(|other| (node.min(other), node.max(other)));
            lazy.extend(own.filter(|(a, b)| !is_eager(a, b)));
        }
        Summary {
            members: self.members.len(),
            reached,
            unreachable: self.members.len() - reached,
            hops_max: views().filter_map(|view| view.hops).max().unwrap_or(0),
            eager_links: eager.len(),
            lazy_links: lazy.len(),
            disputed_links: self.disputed().len(),
        }
    }

    /// What people call a member: its name, and the beginning of its id where others have that name too.
    pub fn name(&self, id: &str) -> String {
        let short = id.get(..8).unwrap_or(id);
        let Some(member) = self.members.get(id) else { return short.to_string() };
        // Names come from other nodes; a terminal obeys control characters.
        let name: String = member.name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let alike = self.members.values().filter(|other| other.name == member.name).count();
        if alike > 1 { format!("{name}/{short}") } else { name }
    }

    pub fn view(&self, id: &str) -> Option<&View> {
        self.members.get(id)?.view.as_ref().ok()
    }

    pub fn to_json(&self) -> Value {
        let nodes: Vec<Value> = self.members.iter().map(|(id, member)| member.to_json(id)).collect();
        json!({ "root": self.root, "nodes": nodes, "summary": self.summary() })
    }

    fn told_by_parents(&self) -> BTreeSet<Eager<'_>> {
        let views = self.members.values().filter_map(|member| member.view.as_ref().ok());
        views.flat_map(|v| v.children.iter().map(|child| (v.node.as_str(), child.as_str()))).collect()
    }

    fn told_by_children(&self) -> BTreeSet<Eager<'_>> {
        let views = self.members.values().filter_map(|member| member.view.as_ref().ok());
        views.filter_map(|v| Some((v.parent.as_deref()?, v.node.as_str()))).collect()
    }
}

impl Member {
    fn to_json(&self, id: &str) -> Value {
        let Self { name, state, http, view } = self;
        match view {
            Ok(view) => json!({
                "id": id, "name": name, "state": state, "http": http, "reached": true,
                "parent": view.parent, "children": view.children, "lazy": view.lazy,
                "distance_ms": view.distance_ms, "hops": view.hops,
            }),
            Err(reason) => json!({
                "id": id, "name": name, "state": state, "http": http, "reached": false, "reason": reason,
            }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn member(
        id: &str,
        name: &str,
        parent: Option<&str>,
        children: &[&str],
        lazy: &[&str],
    ) -> (String, Member) {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let view = View {
            root: "a".into(),
            node: id.into(),
            parent: parent.map(Into::into),
            children: own(children),
            lazy: own(lazy),
            distance_ms: Some(3),
            hops: Some(u16::from(parent.is_some())),
        };
        let (name, state) = (name.to_string(), "alive".to_string());
        (id.into(), Member { name, state, http: None, view: Ok(view) })
    }

    pub fn unreachable(id: &str, name: &str) -> (String, Member) {
        let (_, member) = member(id, name, None, &[], &[]);
        (id.into(), Member { view: Err("no answer".into()), ..member })
    }

    fn tree(members: impl IntoIterator<Item = (String, Member)>) -> Tree {
        Tree { root: "a".into(), members: members.into_iter().collect() }
    }

    #[test]
    fn each_link_is_counted_once_although_both_ends_tell_of_it() {
        let tree = tree([
            member("a", "n1", None, &["b", "c"], &[]),
            member("b", "n2", Some("a"), &[], &["c"]),
            member("c", "n3", Some("a"), &[], &["b"]),
        ]);
        let summary = tree.summary();
        assert_eq!((summary.eager_links, summary.lazy_links, summary.disputed_links), (2, 1, 0));
        assert_eq!((summary.reached, summary.unreachable, summary.hops_max), (3, 0, 1));
        assert_eq!(tree.rows(), [(0, "a"), (1, "b"), (1, "c")]);
    }

    #[test]
    fn who_does_not_answer_stands_where_its_parent_says() {
        let tree =
            tree([member("a", "n1", None, &["b"], &["c"]), unreachable("b", "n2"), unreachable("c", "n3")]);
        assert_eq!(tree.rows(), [(0, "a"), (1, "b")]);
        let summary = tree.summary();
        assert_eq!((summary.eager_links, summary.lazy_links, summary.unreachable), (1, 1, 2));
        assert_eq!(summary.disputed_links, 0);
    }

    #[test]
    fn while_a_tree_changes_links_are_disputed_and_nobody_stands_in_it_twice() {
        let tree = tree([
            member("a", "n1", None, &["b"], &[]),
            member("b", "n2", Some("c"), &[], &["a"]),
            member("c", "n3", Some("b"), &["b"], &[]),
        ]);
        assert_eq!(tree.rows(), [(0, "a")]);
        assert_eq!(tree.disputed().into_iter().collect::<Vec<_>>(), [("a", "b"), ("b", "c")]);
    }

    #[test]
    fn names_are_told_apart_and_cannot_command_the_terminal() {
        let tree = tree([
            member("aaaaaaaaaa", "n", None, &[], &[]),
            member("bbbbbbbbbb", "n", None, &[], &[]),
            member("c", "x\u{1b}[2J", None, &[], &[]),
        ]);
        assert_eq!(tree.name("aaaaaaaaaa"), "n/aaaaaaaa");
        assert_eq!(tree.name("c"), "x?[2J");
        assert_eq!(tree.name("0123456789"), "01234567");
    }
}
