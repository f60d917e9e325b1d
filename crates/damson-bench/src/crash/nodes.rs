//! The processes under test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::evidence::{Contents, Event};
use super::look;
use super::op::{Cell, Change, Op};
use crate::processes::daemon::{Daemon, Starting};
use crate::processes::redis::Client;

/// In which all must have one digest, once nobody writes any more.
const AGREE_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

/// Running processes, and their data.
pub struct Nodes {
    binary: PathBuf,
    root: PathBuf,
    sync: String,
    /// `None` while one is dead.
    daemons: Vec<Option<Daemon>>,
}

impl Nodes {
    /// Starts processes that join through one another.
    pub fn start(binary: PathBuf, root: &Path, sync: &str, count: usize) -> anyhow::Result<Self> {
        let daemons = (0..count).map(|_| None).collect();
        let mut out = Self { binary, root: root.to_owned(), sync: sync.to_owned(), daemons };
        out.restart(&(0..count).collect::<Vec<_>>())?;
        Ok(out)
    }

    pub fn count(&self) -> usize {
        self.daemons.len()
    }

    /// kill -9 for these, one right after the other.
    pub fn kill(&mut self, places: &[usize]) -> anyhow::Result<()> {
        let mut killed = Vec::new();
        for at in places {
            let mut daemon = self.daemons[*at].take().context("the killed are running")?;
            daemon.kill()?;
            killed.push(daemon);
        }
        Ok(())
    }

    /// Removes what a dead node has on disk, but for its key: it comes back as the same member.
    pub fn wipe(&self, at: usize) -> anyhow::Result<()> {
        ensure!(self.daemons[at].is_none(), "only the dead are wiped");
        let database = self.root.join(name(at)).join("database");
        std::fs::remove_dir_all(&database).with_context(|| format!("cannot wipe {}", database.display()))
    }

    /// Starts these and kills them again in the midst of it.
    pub fn start_in_vain(&self, places: &[usize], until: Duration) -> anyhow::Result<()> {
        let starting = places.iter().map(|at| self.begin(*at)).collect::<anyhow::Result<Vec<_>>>()?;
        std::thread::sleep(until);
        drop(starting);
        Ok(())
    }

    /// Starts these, and waits until they are ready.
    pub fn restart(&mut self, places: &[usize]) -> anyhow::Result<()> {
        // Where nobody lives somebody has to begin.
        let (first, others) = places.split_at(usize::from(self.living().next().is_none()));
        for group in [first, others] {
            let starting = group.iter().map(|at| self.begin(*at)).collect::<anyhow::Result<Vec<_>>>()?;
            for (at, daemon) in group.iter().zip(starting) {
                self.daemons[*at] = Some(daemon.ready()?);
            }
        }
        Ok(())
    }

    fn begin(&self, at: usize) -> anyhow::Result<Starting> {
        let contacts = self.living().map(|daemon| daemon.address("listen"));
        let contacts = contacts.collect::<anyhow::Result<Vec<_>>>()?;
        Daemon::start_with(&self.binary, &self.root, &name(at), contacts, &["--sync", &self.sync])
    }

    fn living(&self) -> impl Iterator<Item = &Daemon> {
        self.daemons.iter().flatten()
    }

    pub fn redis(&self, at: usize) -> anyhow::Result<&str> {
        self.daemons[at].as_ref().context("it is dead")?.address("redis")
    }

    /// Waits until all have the same digest.
    pub fn agree(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let digests: BTreeSet<String> = self.living().map(digest).collect::<anyhow::Result<_>>()?;
            if digests.len() == 1 {
                return Ok(());
            }
            if began.elapsed() > AGREE_WITHIN {
                bail!("the nodes do not agree within {} s: {digests:?}", AGREE_WITHIN.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What each holds: nodes with the same contents together.
    pub fn contents(&self) -> anyhow::Result<Vec<(Vec<usize>, Contents)>> {
        let mut groups: Vec<(Vec<usize>, Contents)> = Vec::new();
        for at in 0..self.count() {
            let contents =
                look::contents(self.redis(at)?).with_context(|| format!("{} is asked", name(at)))?;
            match groups.iter_mut().find(|(_, other)| *other == contents) {
                Some((nodes, _)) => nodes.push(at),
                None => groups.push((vec![at], contents)),
            }
        }
        Ok(groups)
    }

    /// Writes at each node. Everything that could be read there before is on its disk when this returns: an acknowledged
    /// write has all before it on disk too, also what came from other nodes.
    pub fn fence(&self, cycle: u32) -> anyhow::Result<Vec<Event>> {
        let write = |at: usize| -> anyhow::Result<Event> {
            let (key, value) = (format!("fence:{at}"), cycle.to_string());
            Client::connect(self.redis(at)?)?.set(&key, &value)?;
            let op = Op { cell: Cell::key(key), change: Change::Put(value) };
            Ok(Event::Sent { writer: at, node: at, op, acked: true })
        };
        (0..self.count()).map(write).collect()
    }
}

fn digest(daemon: &Daemon) -> anyhow::Result<String> {
    Ok(daemon.status()?["digest"].as_str().context("a status has a digest")?.to_owned())
}

fn name(at: usize) -> String {
    format!("n{}", at + 1)
}
