//! The trace, call by call: what it does to the disk, and which replies have left.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use super::calls::{Call, Moment};
use super::disk::Disk;

/// An open file.
#[derive(Debug, Clone, Copy)]
struct Open {
    node: usize,
    offset: u64,
    appends: bool,
}

/// Where the trace is.
#[derive(Debug)]
pub struct Replay {
    pub disk: Disk,
    open: BTreeMap<i64, Open>,
    /// Replies that have left, by the client's port.
    pub replies: BTreeMap<u16, usize>,
    /// The server's address, as descriptors name connections from it.
    server: String,
}

/// Calls that would change files in ways that are not modelled.
const NOT_MODELLED: [&str; 8] =
    ["writev", "pwritev", "pwritev2", "fallocate", "truncate", "copy_file_range", "sendfile", "splice"];

impl Replay {
    /// Begins with an empty directory.
    pub fn new(root: &str) -> Self {
        Self { disk: Disk::new(root), open: BTreeMap::new(), replies: BTreeMap::new(), server: String::new() }
    }

    /// Another process has the descriptors now, and serves at this address.
    pub fn begin(&mut self, server: &str) {
        self.open.clear();
        self.server = server.into();
    }

    /// One moment. `began` and `ended` are where the call stands in the order of all. Returns the port of the client to
    /// which a reply leaves with it.
    pub fn step(
        &mut self,
        call: &Call,
        moment: &Moment,
        began: usize,
        ended: usize,
    ) -> anyhow::Result<Option<u16>> {
        if let Moment::Ends(_) = moment {
            if let ("fsync" | "fdatasync", Some(open)) = (call.name.as_str(), self.opened(call)) {
                self.disk.sync(open.node, began);
            }
            return Ok(None);
        }
        match call.name.as_str() {
            "openat" => self.opens(call, 1, ended)?,
            "open" => self.opens(call, 0, ended)?,
            "write" | "pwrite64" if self.opened(call).is_some() => self.writes(call, ended)?,
            "write" | "sendto" | "sendmsg" | "writev" if self.opened(call).is_none() => {
                return Ok(self.replies(call));
            }
            "lseek" => {
                if let Some(open) = self.open.get_mut(&call.descriptor(0)?.0) {
                    open.offset = call.result;
                }
            }
            "ftruncate" => {
                if let Some(open) = self.opened(call) {
                    self.disk.truncate(ended, open.node, call.number(1)?);
                }
            }
            "mkdir" => self.mkdir(&call.path(0)?, ended)?,
            "mkdirat" => self.mkdir(&call.path(1)?, ended)?,
            "rename" => self.rename(&call.path(0)?, &call.path(1)?, ended)?,
            "renameat" | "renameat2" => self.rename(&call.path(1)?, &call.path(3)?, ended)?,
            "unlink" | "rmdir" => self.unlink(&call.path(0)?, ended)?,
            "unlinkat" => self.unlink(&call.path(1)?, ended)?,
            "mmap" if call.has_flag(3, "MAP_SHARED") && call.has_flag(2, "PROT_WRITE") => {
                self.refuse(call, 4)?
            }
            "link" | "linkat" | "symlink" | "symlinkat" => bail!("{} is not modelled", call.name),
            name if NOT_MODELLED.contains(&name) => self.refuse(call, 0)?,
            _ => {}
        }
        Ok(None)
    }

    fn opened(&self, call: &Call) -> Option<Open> {
        self.open.get(&call.descriptor(0).ok()?.0).copied()
    }

    fn refuse(&self, call: &Call, at: usize) -> anyhow::Result<()> {
        match call.descriptor(at) {
            Ok((number, name)) if self.open.contains_key(&number) => {
                bail!("{} of {name} is not modelled", call.name)
            }
            _ => Ok(()),
        }
    }

    fn opens(&mut self, call: &Call, at: usize, ended: usize) -> anyhow::Result<()> {
        let descriptor = i64::try_from(call.result)?;
        self.open.remove(&descriptor);
        let path = call.path(at)?;
        if !self.disk.has(&path) {
            return Ok(());
        }
        let node = match self.disk.find(&path) {
            Some(node) => node,
            None if call.has_flag(at + 1, "O_CREAT") => self.disk.create_file(ended, &path)?,
            None => bail!("{path} is opened and was never created"),
        };
        if call.has_flag(at + 1, "O_TRUNC") && self.disk.len(node) > 0 {
            self.disk.truncate(ended, node, 0);
        }
        self.open.insert(descriptor, Open { node, offset: 0, appends: call.has_flag(at + 1, "O_APPEND") });
        Ok(())
    }

    fn writes(&mut self, call: &Call, ended: usize) -> anyhow::Result<()> {
        let (descriptor, _) = call.descriptor(0)?;
        let open = self.open.get_mut(&descriptor).context("it is open")?;
        let bytes =
            call.bytes(1)?.get(..usize::try_from(call.result)?).context("more was written than given")?;
        let at = match call.name.as_str() {
            "pwrite64" => call.number(3)?,
            _ if open.appends => self.disk.len(open.node),
            _ => open.offset,
        };
        if call.name == "write" {
            open.offset = at + call.result;
        }
        self.disk.write(ended, open.node, at, bytes);
        Ok(())
    }

    /// A reply: something that is sent from the server's address.
    fn replies(&mut self, call: &Call) -> Option<u16> {
        let (_, name) = call.descriptor(0).ok()?;
        let (_, ends) = name.trim_end_matches(']').split_once('[')?;
        let (from, to) = ends.split_once("->")?;
        if from != self.server {
            return None;
        }
        let port = to.rsplit_once(':')?.1.parse().ok()?;
        *self.replies.entry(port).or_default() += 1;
        Some(port)
    }

    fn mkdir(&mut self, path: &str, ended: usize) -> anyhow::Result<()> {
        // The root is there when the machine starts.
        if self.disk.has(path) && self.disk.find(path).is_none() {
            self.disk.create_directory(ended, path)?;
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str, ended: usize) -> anyhow::Result<()> {
        if self.disk.has(from) { self.disk.rename(ended, from, to) } else { Ok(()) }
    }

    fn unlink(&mut self, path: &str, ended: usize) -> anyhow::Result<()> {
        if self.disk.has(path) { self.disk.unlink(ended, path) } else { Ok(()) }
    }
}
