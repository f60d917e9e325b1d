//! `damson serve` as a child process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::Value;

use super::http;

/// A process may take this long to its line `ready`: many start at once, and share the processors.
const READY_MAX: Duration = Duration::from_secs(120);

/// A running process. It is killed when this is dropped.
pub struct Daemon {
    pub name: String,
    child: Child,
    /// Addresses by what listens there.
    addresses: BTreeMap<String, String>,
}

/// A process that has not said yet that it is ready.
pub struct Starting {
    daemon: Daemon,
    line: Receiver<std::io::Result<String>>,
}

impl Daemon {
    /// Starts a process with its data and its log in a directory.
    pub fn start(binary: &Path, root: &Path, name: &str, contact: Option<&str>) -> anyhow::Result<Starting> {
        Self::start_with(binary, root, name, contact, &[])
    }

    /// The same with more flags. The log of an earlier start goes on.
    pub fn start_with<'a>(
        binary: &Path,
        root: &Path,
        name: &str,
        contacts: impl IntoIterator<Item = &'a str>,
        flags: &[&str],
    ) -> anyhow::Result<Starting> {
        Self::start_under(&[], binary, root, name, contacts, flags)
    }

    /// The same as the last arguments of another command, which must become the process.
    pub fn start_under<'a>(
        wrapper: &[String],
        binary: &Path,
        root: &Path,
        name: &str,
        contacts: impl IntoIterator<Item = &'a str>,
        flags: &[&str],
    ) -> anyhow::Result<Starting> {
        let log = File::options().create(true).append(true).open(root.join(format!("{name}.log")))?;
        let mut words = wrapper.iter().map(OsString::from).chain([binary.into()]);
        let mut command = Command::new(words.next().expect("the binary at least"));
        command.args(words);
        command.args(["serve", "--name", name, "--listen", "127.0.0.1:0", "--redis", "127.0.0.1:0"]);
        command.args(["--http", "127.0.0.1:0", "--data-dir"]).arg(root.join(name));
        contacts.into_iter().for_each(|contact| _ = command.args(["--join", contact]));
        command.args(flags);
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = started.with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, line) = channel();
        // The end of the pipe ends the thread.
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = BufReader::new(stdout).read_line(&mut text);
            _ = sender.send(read.map(|_| text));
        });
        let daemon = Self { name: name.into(), child, addresses: BTreeMap::new() };
        Ok(Starting { daemon, line })
    }

    pub fn address(&self, of: &str) -> anyhow::Result<&str> {
        let found = self.addresses.get(of).map(String::as_str);
        found.with_context(|| format!("{} did not say its address for {of}", self.name))
    }

    /// What it says of itself.
    pub fn status(&self) -> anyhow::Result<Value> {
        http::get_json(self.address("http")?, "/v1/status")
    }

    /// What it says of the members.
    pub fn members(&self) -> anyhow::Result<Vec<Value>> {
        match http::get_json(self.address("http")?, "/v1/members")? {
            Value::Array(members) => Ok(members),
            other => bail!("{} names members as {other}", self.name),
        }
    }

    /// SIGTERM; waits for the end, which must be a clean one.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "{} cannot be told to stop", self.name);
        let status = self.child.wait()?;
        ensure!(status.success(), "{} stopped with {status}", self.name);
        Ok(())
    }

    /// kill -9, without waiting for the end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))
    }
}

impl Starting {
    /// Waits for the line `ready`.
    pub fn ready(self) -> anyhow::Result<Daemon> {
        let Self { mut daemon, line } = self;
        let name = &daemon.name;
        let received = line.recv_timeout(READY_MAX).map_err(|_| anyhow!("{name} is not ready in time"))?;
        let line = received.with_context(|| format!("{name} has no output"))?;
        if !line.starts_with("ready ") {
            bail!("{name} did not start; it said {line:?}");
        }
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        daemon.addresses = pairs.map(|(key, value)| (key.into(), value.into())).collect();
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
