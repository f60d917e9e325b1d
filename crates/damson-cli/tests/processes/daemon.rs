//! `damson serve` as a child process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::resp::{Client, Reply};

/// A running node. Killed when it is dropped.
pub struct Daemon {
    child: Child,
    dir: PathBuf,
    name: String,
    pub ready: BTreeMap<String, String>,
}

/// The binary under test.
pub fn damson() -> Command {
    Command::new(env!("CARGO_BIN_EXE_damson"))
}

/// Runs the binary to its end.
pub fn run(args: &[&str]) -> Output {
    damson().args(args).output().expect("the binary starts")
}

/// Waits until something is so, for at most 30 seconds.
pub fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_within(Duration::from_secs(30), what, is_so);
}

/// Waits until something is so, for at most this long.
pub fn eventually_within(within: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < within, "not within {} s: {what}", within.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts `count` nodes below a directory, joined through the first.
pub fn start_cluster(root: &Path, count: usize) -> Vec<Daemon> {
    let mut nodes: Vec<Daemon> = Vec::new();
    for at in 1..=count {
        let joins: Vec<String> = nodes.iter().map(|node| node.ready["listen"].clone()).collect();
        nodes.push(Daemon::start(root, &format!("n{at}"), &joins));
    }
    eventually("all nodes see all members alive", || nodes.iter().all(|node| node.alive() == count));
    nodes
}

impl Daemon {
    /// Starts a node whose data is in `root/name`, and waits until it is ready.
    pub fn start(root: &Path, name: &str, joins: &[String]) -> Self {
        Self::start_with(root, name, joins, &[])
    }

    pub fn start_with(root: &Path, name: &str, joins: &[String], more: &[&str]) -> Self {
        let dir = root.join(name);
        let log = File::options().create(true).append(true).open(root.join(format!("{name}.log"))).unwrap();
        let mut command = damson();
        let listen: &[&str] = if more.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        command.args(["serve", "--name", name, "--redis", "127.0.0.1:0"]).args(listen);
        command.args(["--http", "127.0.0.1:0", "--data-dir"]).arg(&dir).args(more);
        joins.iter().for_each(|join| _ = command.args(["--join", join]));
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{name} is not ready: {line:?}; see {}", root.display());
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        let ready = pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Self { child, dir, name: name.into(), ready }
    }

    /// Starts it again on the same directory.
    pub fn restart(&mut self, joins: &[String]) {
        let root = self.dir.parent().unwrap().to_path_buf();
        let name = self.name.clone();
        *self = Self::start(&root, &name, joins);
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn listen(&self) -> String {
        self.ready["listen"].clone()
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.ready["redis"])
    }

    pub fn command(&self, args: &[&str]) -> Reply {
        self.client().command(args)
    }

    pub fn status(&self) -> Value {
        self.query("status")
    }

    pub fn members(&self) -> Value {
        self.query("members")
    }

    /// Members that it sees alive, itself included.
    pub fn alive(&self) -> usize {
        usize::try_from(self.status()["members"].as_u64().unwrap()).unwrap()
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// kill -9, without waiting for its end.
    pub fn kill_without_waiting(&mut self) {
        self.child.kill().unwrap();
    }

    /// SIGTERM; it must end with status 0.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{} stopped with {status}", self.name);
    }

    /// What it has logged in all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.with_extension("log")).unwrap()
    }

    fn query(&self, what: &str) -> Value {
        self.ask(&[what])
    }

    /// The JSON that a command about it prints.
    pub fn ask(&self, command: &[&str]) -> Value {
        let output = run(&[command, &["--http", &self.ready["http"], "--json"]].concat());
        let what = command[0];
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{what}: {e}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
