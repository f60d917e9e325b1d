//! The processes, and what can be asked of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::{Daemon, Starting};
use super::load::Write;
use super::redis::Client;

/// Processes that start at once: more would fight for the processors, and look dead to one another.
const GROUP: usize = 5;
/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// The processes that run. Those that were killed are taken out.
pub struct Cluster {
    pub daemons: BTreeMap<usize, Daemon>,
    /// Kept until their ends have been seen.
    killed: Vec<Daemon>,
}

impl Cluster {
    /// Starts processes in small groups, all joined through the first.
    pub fn start(binary: &Path, root: &Path, count: usize) -> anyhow::Result<Self> {
        let mut out = Self { daemons: BTreeMap::new(), killed: Vec::new() };
        let first = Daemon::start(binary, root, &name(0), None)?.ready()?;
        let contact = first.address("listen")?.to_owned();
        out.daemons.insert(0, first);
        let others: Vec<usize> = (1..count).collect();
        for group in others.chunks(GROUP) {
            let starting = |at: &usize| Daemon::start(binary, root, &name(*at), Some(&contact));
            let starting = group.iter().map(starting).collect::<anyhow::Result<Vec<Starting>>>()?;
            for (at, daemon) in group.iter().zip(starting) {
                out.daemons.insert(*at, daemon.ready()?);
            }
        }
        Ok(out)
    }

    /// kill -9 for these, at one instant as far as one process can send signals at one instant.
    pub fn kill(&mut self, places: &[usize]) -> anyhow::Result<()> {
        for at in places {
            let mut daemon = self.daemons.remove(at).expect("the killed are running");
            daemon.kill()?;
            self.killed.push(daemon);
        }
        Ok(())
    }

    /// Does everyone see so many members alive?
    pub fn all_see(&self, count: usize) -> bool {
        let sees = |daemon: &Daemon| daemon.status().is_ok_and(|status| status["members"] == count);
        self.daemons.values().all(sees)
    }

    /// Does everyone name all the killed as dead, and all others as alive?
    pub fn agrees_on_members(&self, count: usize) -> bool {
        let wanted: BTreeMap<String, &str> = (0..count)
            .map(|at| (name(at), if self.daemons.contains_key(&at) { "alive" } else { "dead" }))
            .collect();
        let seen = |members: &[Value]| -> BTreeMap<String, String> {
            members.iter().map(|member| (text(member, "name"), text(member, "state"))).collect()
        };
        let agrees = |members: Vec<Value>| {
            let seen = seen(&members);
            seen.len() == count && seen.iter().all(|(name, state)| wanted.get(name) == Some(&state.as_str()))
        };
        self.daemons.values().all(|daemon| daemon.members().is_ok_and(agrees))
    }

    /// Have all the same digest?
    pub fn agrees_on_state(&self) -> bool {
        let digest = |daemon: &Daemon| daemon.status().ok().map(|status| text(&status, "digest"));
        let digests: BTreeSet<Option<String>> = self.daemons.values().map(digest).collect();
        digests.len() == 1 && !digests.contains(&None)
    }

    /// For each process the writes that it lacks, by their places in the list.
    pub fn lacking(&self, writes: &[Write]) -> anyhow::Result<Vec<BTreeSet<usize>>> {
        let lacks = |daemon: &Daemon| -> anyhow::Result<BTreeSet<usize>> {
            let mut client = Client::connect(daemon.address("redis")?)?;
            let values = client.get_all(writes.iter().map(|write| write.key.as_str()))?;
            let both = writes.iter().zip(&values).enumerate();
            let other = both.filter(|(_, (write, value))| value.as_ref() != Some(&write.value));
            Ok(other.map(|(number, _)| number).collect())
        };
        self.daemons.values().map(lacks).collect()
    }

    /// A write at each process. They are acknowledged when this returns.
    pub fn write_at_each(&self, what: &str) -> anyhow::Result<Vec<Write>> {
        let write = |(at, daemon): (&usize, &Daemon)| -> anyhow::Result<Write> {
            let (key, value) = (format!("{what}:{at}"), format!("{what} at {at}"));
            Client::connect(daemon.address("redis")?)?.set(&key, &value)?;
            Ok(Write { key, value, at: *at })
        };
        self.daemons.iter().map(write).collect()
    }

    /// Links of each process to others that run, by their places.
    pub fn links(&self) -> anyhow::Result<BTreeMap<usize, BTreeSet<usize>>> {
        let names: BTreeMap<String, usize> = self.daemons.keys().map(|at| (name(*at), *at)).collect();
        let linked = |(at, daemon): (&usize, &Daemon)| -> anyhow::Result<(usize, BTreeSet<usize>)> {
            let members = daemon.members()?;
            let linked = members.iter().filter(|member| member["linked"] == true);
            let places = linked.filter_map(|member| names.get(&text(member, "name")).copied());
            Ok((*at, places.filter(|other| other != at).collect()))
        };
        self.daemons.iter().map(linked).collect()
    }
}

/// Do they all hang together?
pub fn is_connected(links: &BTreeMap<usize, BTreeSet<usize>>) -> bool {
    let mut left: BTreeSet<usize> = links.keys().copied().collect();
    let mut stack: Vec<usize> = left.pop_first().into_iter().collect();
    while let Some(at) = stack.pop() {
        stack.extend(links[&at].iter().filter(|other| left.remove(other)));
    }
    left.is_empty()
}

/// Waits until something is so. Returns the time it took since `began`; nothing when it was not so within the time allowed.
pub fn eventually(began: Instant, within: Duration, mut is_so: impl FnMut() -> bool) -> Option<u64> {
    while !is_so() {
        if began.elapsed() > within {
            return None;
        }
        std::thread::sleep(LOOK);
    }
    u64::try_from(began.elapsed().as_millis()).ok()
}

fn name(at: usize) -> String {
    format!("n{}", at + 1)
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_together_is_connected() {
        let links = |pairs: &[(usize, usize)]| {
            let mut out: BTreeMap<usize, BTreeSet<usize>> = (0..4).map(|at| (at, BTreeSet::new())).collect();
            for (a, b) in pairs {
                out.get_mut(a).unwrap().insert(*b);
                out.get_mut(b).unwrap().insert(*a);
            }
            out
        };
        assert!(is_connected(&links(&[(0, 1), (2, 1), (2, 3)])));
        assert!(!is_connected(&links(&[(0, 1), (2, 3)])));
    }
}
