//! A disk that keeps only what it was told to keep: files and directories, what of them is synced, and what is not yet.
//!
//! An fsync covers what had ended before it began, of the file that it names: the entry of a new file is kept only when
//! its directory is synced too. So it promises less than most file systems do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

use crate::crash::chance::Chance;

/// Pages reach a disk in any order.
const PAGE_BYTES: u64 = 4096;

/// Contents of a file. Zeros at the end are not held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    bytes: Vec<u8>,
    len: u64,
}

/// What is left of that which was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    Nothing,
    /// As when only the process dies.
    All,
    /// Some of the pages, some of the entries of each directory.
    Some,
    /// All, but for the end of what was written last to each file.
    Torn,
}

impl Keep {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::All, Self::Some, Self::Torn];
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug, Clone)]
enum Entry {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

type Entries = BTreeMap<String, usize>;

#[derive(Debug)]
enum Node {
    File { synced: Content, pending: Vec<(usize, Change)>, now: Content },
    Directory { synced: Entries, pending: Vec<(usize, Entry)>, now: Entries },
}

/// Files below a root.
#[derive(Debug)]
pub struct Disk {
    root: String,
    nodes: Vec<Node>,
    /// Is anything not synced?
    pub changed: bool,
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { at, bytes } => {
                let (from, to) = (*at as usize, *at as usize + bytes.len());
                self.bytes.resize(self.bytes.len().max(to), 0);
                self.bytes[from..to].copy_from_slice(bytes);
                self.len = self.len.max(to as u64);
            }
            Change::Truncate(len) => {
                self.bytes.truncate(*len as usize);
                self.len = *len;
            }
        }
    }

    pub fn contains(&self, what: &[u8]) -> bool {
        self.bytes.windows(what.len()).rev().any(|bytes| bytes == what)
    }

    fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let mut file = fs::File::create(path)?;
        file.write_all(&self.bytes)?;
        file.set_len(self.len)
    }
}

fn apply_entry(entries: &mut Entries, entry: &Entry) {
    match entry {
        Entry::Link(name, node) => _ = entries.insert(name.clone(), *node),
        Entry::Unlink(name) => _ = entries.remove(name),
        Entry::Rename(from, to) => {
            if let Some(node) = entries.remove(from) {
                entries.insert(to.clone(), node);
            }
        }
    }
}

impl Disk {
    /// An empty directory, which is there for good.
    pub fn new(root: &str) -> Self {
        let empty = Node::Directory { synced: Entries::new(), pending: Vec::new(), now: Entries::new() };
        Self { root: root.into(), nodes: vec![empty], changed: false }
    }

    /// Is this path one of this disk's?
    pub fn has(&self, path: &str) -> bool {
        path.strip_prefix(&self.root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What stands at a path now.
    pub fn find(&self, path: &str) -> Option<usize> {
        let rest = path.strip_prefix(&self.root)?;
        rest.split('/').filter(|name| !name.is_empty()).try_fold(0, |at, name| match &self.nodes[at] {
            Node::Directory { now, .. } => now.get(name).copied(),
            Node::File { .. } => None,
        })
    }

    /// Length of a file now.
    pub fn len(&self, file: usize) -> u64 {
        match &self.nodes[file] {
            Node::File { now, .. } => now.len,
            Node::Directory { .. } => 0,
        }
    }

    pub fn create_file(&mut self, moment: usize, path: &str) -> anyhow::Result<usize> {
        let file = Node::File { synced: Content::default(), pending: Vec::new(), now: Content::default() };
        self.link(moment, path, file)
    }

    pub fn create_directory(&mut self, moment: usize, path: &str) -> anyhow::Result<usize> {
        let empty = Node::Directory { synced: Entries::new(), pending: Vec::new(), now: Entries::new() };
        self.link(moment, path, empty)
    }

    fn link(&mut self, moment: usize, path: &str, node: Node) -> anyhow::Result<usize> {
        let at = self.nodes.len();
        self.nodes.push(node);
        let (parent, name) = self.parent(path)?;
        self.entry(moment, parent, Entry::Link(name, at));
        Ok(at)
    }

    pub fn unlink(&mut self, moment: usize, path: &str) -> anyhow::Result<()> {
        let (parent, name) = self.parent(path)?;
        self.entry(moment, parent, Entry::Unlink(name));
        Ok(())
    }

    pub fn rename(&mut self, moment: usize, from: &str, to: &str) -> anyhow::Result<()> {
        let ((parent, from), (other, to)) = (self.parent(from)?, self.parent(to)?);
        if parent != other {
            bail!("a move between directories is not modelled: {from} to {to}");
        }
        self.entry(moment, parent, Entry::Rename(from, to));
        Ok(())
    }

    pub fn write(&mut self, moment: usize, file: usize, at: u64, bytes: &[u8]) {
        self.change(moment, file, Change::Write { at, bytes: bytes.to_vec() });
    }

    pub fn truncate(&mut self, moment: usize, file: usize, len: u64) {
        self.change(moment, file, Change::Truncate(len));
    }

    /// What ended before this moment is on disk.
    pub fn sync(&mut self, node: usize, began: usize) {
        match &mut self.nodes[node] {
            Node::File { synced, pending, .. } => {
                let covered = pending.iter().take_while(|(ended, _)| *ended < began).count();
                pending.drain(..covered).for_each(|(_, change)| synced.apply(&change));
            }
            Node::Directory { synced, pending, .. } => {
                let covered = pending.iter().take_while(|(ended, _)| *ended < began).count();
                pending.drain(..covered).for_each(|(_, entry)| apply_entry(synced, &entry));
            }
        }
    }

    fn change(&mut self, moment: usize, file: usize, change: Change) {
        if let Node::File { pending, now, .. } = &mut self.nodes[file] {
            now.apply(&change);
            pending.push((moment, change));
            self.changed = true;
        }
    }

    fn entry(&mut self, moment: usize, directory: usize, entry: Entry) {
        if let Node::Directory { pending, now, .. } = &mut self.nodes[directory] {
            apply_entry(now, &entry);
            pending.push((moment, entry));
            self.changed = true;
        }
    }

    fn parent(&self, path: &str) -> anyhow::Result<(usize, String)> {
        let (parent, name) = path.rsplit_once('/').context("a path without a directory")?;
        let parent = self.find(parent).with_context(|| format!("{parent} is not there"))?;
        Ok((parent, name.into()))
    }

    /// Does what is synced of a file with this ending, which can be found, contain this?
    pub fn has_synced(&self, ending: &str, what: &[u8]) -> bool {
        self.synced_contains(0, ending, what)
    }

    fn synced_contains(&self, directory: usize, ending: &str, what: &[u8]) -> bool {
        let Node::Directory { synced, .. } = &self.nodes[directory] else { return false };
        synced.iter().any(|(name, at)| match &self.nodes[*at] {
            Node::File { synced, .. } => name.ends_with(ending) && synced.contains(what),
            Node::Directory { .. } => self.synced_contains(*at, ending, what),
        })
    }

    /// Writes what is left of it into an empty directory.
    pub fn image(&self, to: &Path, keep: Keep, chance: &mut Chance) -> std::io::Result<()> {
        self.write_directory(0, to, keep, chance)
    }

    fn write_directory(&self, at: usize, to: &Path, keep: Keep, chance: &mut Chance) -> std::io::Result<()> {
        let Node::Directory { synced, pending, .. } = &self.nodes[at] else { return Ok(()) };
        let count = match keep {
            Keep::Nothing => 0,
            Keep::All | Keep::Torn => pending.len(),
            Keep::Some => chance.below(pending.len() as u64 + 1) as usize,
        };
        let mut entries = synced.clone();
        pending[..count].iter().for_each(|(_, entry)| apply_entry(&mut entries, entry));
        for (name, at) in entries {
            let path = to.join(name);
            match &self.nodes[at] {
                Node::Directory { .. } => {
                    fs::create_dir(&path)?;
                    self.write_directory(at, &path, keep, chance)?;
                }
                Node::File { synced, pending, .. } => left(synced, pending, keep, chance).write_to(&path)?,
            }
        }
        Ok(())
    }

    /// Is what stands there now what really stands in a directory? Says the first that is not.
    pub fn difference(&self, real: &Path) -> std::io::Result<Option<String>> {
        self.differs(0, real)
    }

    fn differs(&self, at: usize, real: &Path) -> std::io::Result<Option<String>> {
        let wrong = || Ok(Some(real.display().to_string()));
        match &self.nodes[at] {
            Node::File { now, .. } => {
                let bytes = fs::read(real)?;
                let (head, tail) = bytes.split_at(now.bytes.len().min(bytes.len()));
                let same = head == now.bytes && bytes.len() as u64 == now.len && tail.iter().all(|b| *b == 0);
                if same { Ok(None) } else { wrong() }
            }
            Node::Directory { now, .. } => {
                let names: Result<Vec<_>, _> =
                    fs::read_dir(real)?.map(|entry| entry.map(|entry| entry.file_name())).collect();
                let mut names: Vec<_> =
                    names?.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
                names.sort_unstable();
                if !names.iter().eq(now.keys()) {
                    return wrong();
                }
                for (name, at) in now {
                    if let Some(other) = self.differs(*at, &real.join(name))? {
                        return Ok(Some(other));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// What is left of a file.
fn left(synced: &Content, pending: &[(usize, Change)], keep: Keep, chance: &mut Chance) -> Content {
    let mut out = synced.clone();
    let last = pending.len().saturating_sub(1);
    for (at, (_, change)) in pending.iter().enumerate() {
        match (keep, change) {
            (Keep::Nothing, _) => {}
            (Keep::All, change) => out.apply(change),
            (Keep::Torn, Change::Write { at: offset, bytes }) if at == last => {
                let end = chance.below(bytes.len() as u64 + 1) as usize;
                out.apply(&Change::Write { at: *offset, bytes: bytes[..end].to_vec() });
            }
            (Keep::Torn, change) => out.apply(change),
            (Keep::Some, Change::Write { at, bytes }) => {
                pages(*at, bytes).filter(|_| chance.percent(50)).for_each(|page| out.apply(&page));
            }
            (Keep::Some, change) => {
                if chance.percent(50) {
                    out.apply(change);
                }
            }
        }
    }
    out
}

/// A write, parted where pages end.
fn pages(at: u64, bytes: &[u8]) -> impl Iterator<Item = Change> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(from..).filter(|rest| !rest.is_empty())?;
        let start = at + from as u64;
        let len = (PAGE_BYTES - start % PAGE_BYTES).min(rest.len() as u64) as usize;
        from += len;
        Some(Change::Write { at: start, bytes: rest[..len].to_vec() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(disk: &Disk, keep: Keep) -> BTreeMap<String, Vec<u8>> {
        let to = tempfile::tempdir().unwrap();
        disk.image(to.path(), keep, &mut Chance::of(1, "test")).unwrap();
        let files = fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap());
        files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
    }

    #[test]
    fn only_what_was_synced_before_the_power_failed_is_kept() {
        let mut disk = Disk::new("/d");
        let file = disk.create_file(1, "/d/a").unwrap();
        disk.write(2, file, 0, b"first");
        disk.sync(file, 3);
        assert!(image(&disk, Keep::Nothing).is_empty(), "its entry is not synced");
        disk.sync(0, 4);
        disk.write(5, file, 5, b" second");
        let one = |keep| image(&disk, keep).remove("a").unwrap();
        assert_eq!(one(Keep::Nothing), b"first");
        assert_eq!(one(Keep::All), b"first second");
        let torn = one(Keep::Torn);
        assert!(b"first second".starts_with(&torn[..]) && torn.len() >= 5);
        assert!(disk.has_synced("a", b"first") && !disk.has_synced("a", b"second"));
    }

    #[test]
    fn an_fsync_does_not_cover_what_had_not_ended_when_it_began() {
        let mut disk = Disk::new("/d");
        let file = disk.create_file(1, "/d/a").unwrap();
        disk.sync(0, 2);
        disk.write(7, file, 0, b"late");
        disk.sync(file, 5);
        assert_eq!(image(&disk, Keep::Nothing)["a"], b"");
    }

    #[test]
    fn a_move_and_a_removal_are_kept_when_their_directory_is_synced() {
        let mut disk = Disk::new("/d");
        disk.create_file(1, "/d/a").unwrap();
        disk.sync(0, 2);
        disk.rename(3, "/d/a", "/d/b").unwrap();
        assert!(image(&disk, Keep::Nothing).contains_key("a"));
        disk.sync(0, 4);
        disk.unlink(5, "/d/b").unwrap();
        assert!(image(&disk, Keep::Nothing).contains_key("b") && image(&disk, Keep::All).is_empty());
    }

    #[test]
    fn pages_are_lost_one_by_one_and_leave_zeros() {
        let mut disk = Disk::new("/d");
        let file = disk.create_file(1, "/d/a").unwrap();
        disk.sync(0, 2);
        disk.write(3, file, 100, &[1; 40_000]);
        let left = image(&disk, Keep::Some).remove("a").unwrap();
        let page = |n: usize| left.get(n * 4096).copied();
        let kept = (1..9).filter(|n| page(*n) == Some(1)).count();
        assert!((1..8).contains(&kept), "{kept} of eight");
    }
}
