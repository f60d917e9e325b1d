//! The process under test: `damson serve` with `--sync always` under strace, and clients that note what they asked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::crash::chance::Chance;
use crate::crash::op::{Cell, Change, Op, SET};
use crate::processes::daemon::Daemon;
use crate::processes::redis::Client;

/// Calls that change files, that promise something of them, or that send.
const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,fsync,fdatasync,\
    ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,\
    symlink,symlinkat,mmap,copy_file_range,sendfile,splice,sendto,sendmsg";
/// Connections at once.
const CLIENTS: usize = 4;
/// Values that span pages, and those that fit into one.
const LARGE_BYTES: u64 = 60_000;
const SMALL_BYTES: u64 = 300;
/// In which the tracer writes its last lines.
const TRACED_WITHIN: Duration = Duration::from_secs(60);

/// One command: a change, or two that belong together.
#[derive(Debug, Clone)]
pub struct Request {
    pub ops: Vec<Op>,
}

/// What one connection asked for, one after the other. All was answered.
#[derive(Debug)]
pub struct Conversation {
    pub port: u16,
    pub requests: Vec<Request>,
}

/// A start of the process and what happened until its end.
#[derive(Debug)]
pub struct Run {
    pub trace: PathBuf,
    pub server: String,
    pub conversations: Vec<Conversation>,
}

impl Request {
    fn command(&self) -> Vec<&str> {
        match &self.ops[..] {
            [op] => op.command(),
            ops => {
                let pairs = ops.iter().flat_map(|op| op.command().into_iter().skip(1));
                std::iter::once("MSET").chain(pairs).collect()
            }
        }
    }

    /// Text that stands nowhere else.
    pub fn marker(&self) -> Option<&str> {
        let value = self.ops.iter().find_map(|op| match &op.change {
            Change::Put(value) if !value.is_empty() => Some(value),
            _ => None,
        })?;
        value.split_inclusive('>').next()
    }
}

/// Says whether there is a strace.
pub fn check_strace() -> anyhow::Result<()> {
    let ran = Command::new("strace").arg("-V").output();
    ensure!(
        ran.is_ok_and(|output| output.status.success()),
        "there is no strace that runs; install it (apt-get install strace)"
    );
    Ok(())
}

/// A run that ends with a clean stop, and one that ends with kill -9.
pub fn run(binary: &Path, root: &Path, seed: u64, requests: u32) -> anyhow::Result<[Run; 2]> {
    let first = one(binary, root, seed, "first", requests, End::Clean)?;
    let second = one(binary, root, seed, "second", requests, End::Killed)?;
    Ok([first, second])
}

/// Where the data are.
pub fn data(root: &Path) -> PathBuf {
    root.join(NAME)
}

const NAME: &str = "subject";

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Clean,
    Killed,
}

fn one(binary: &Path, root: &Path, seed: u64, part: &str, requests: u32, end: End) -> anyhow::Result<Run> {
    let trace = root.join(format!("{part}.trace"));
    // The tracer is a grandchild, so that our child is the process itself.
    let mut wrapper: Vec<String> =
        ["strace", "-D", "-f", "-yy", "-xx", "-s", "16777216", "-e"].map(Into::into).into();
    wrapper.extend([format!("trace={CALLS}"), "-o".into(), trace.display().to_string()]);
    let mut daemon = Daemon::start_under(&wrapper, binary, root, NAME, [], &["--sync", "always"])?.ready()?;
    let server = daemon.address("redis")?.to_owned();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (server, chance) = (server.clone(), Chance::of(seed, &format!("client {client}, {part}")));
            let part = part.to_owned();
            std::thread::spawn(move || converse(&server, client, &part, chance, requests))
        })
        .collect();
    let conversations = clients.into_iter().map(|client| client.join().expect("clients do not panic"));
    let conversations = conversations.collect::<anyhow::Result<Vec<_>>>()?;
    match end {
        End::Clean => daemon.stop()?,
        End::Killed => daemon.kill()?,
    }
    drop(daemon);
    await_end(&trace)?;
    Ok(Run { trace, server, conversations })
}

fn await_end(trace: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    let ended = |text: &str| text.lines().last().is_some_and(|line| line.contains("+++"));
    while !std::fs::read(trace).is_ok_and(|bytes| ended(&String::from_utf8_lossy(&tail(&bytes)))) {
        if began.elapsed() > TRACED_WITHIN {
            bail!("the tracer does not end");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn tail(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(4096)..].to_vec()
}

fn converse(
    server: &str,
    client: usize,
    part: &str,
    mut chance: Chance,
    count: u32,
) -> anyhow::Result<Conversation> {
    let mut connection = Client::connect(server)?;
    let port = connection.local_port()?;
    let mut requests = Vec::new();
    for n in 0..count {
        let request = draw(client, &format!("<{part} {client}.{n}>"), &mut chance);
        connection.send(std::iter::once(request.command()))?;
        connection.reply().with_context(|| format!("request {n} of client {client}"))?;
        requests.push(request);
    }
    Ok(Conversation { port, requests })
}

fn draw(client: usize, marker: &str, chance: &mut Chance) -> Request {
    let key = |kind: &str, n: u64| Cell::key(format!("{kind}:{client}:{n}"));
    let element = |n| Cell { key: format!("{SET}{client}"), element: Some(format!("e{n}")) };
    let value = |chance: &mut Chance| {
        let bytes = if chance.percent(30) { LARGE_BYTES } else { SMALL_BYTES };
        let bytes = 1 + chance.below(bytes) as usize;
        Change::Put(format!("{marker}{}", "v".repeat(bytes)))
    };
    let one = |cell, change| Request { ops: vec![Op { cell, change }] };
    match chance.below(100) {
        0..40 => one(key("value", chance.below(30)), value(chance)),
        40..55 => one(key("value", chance.below(30)), Change::Remove),
        55..68 => {
            let (n, value) = (chance.below(5), value(chance));
            let op = |half: &str| Op { cell: key(&format!("pair{half}"), n), change: value.clone() };
            Request { ops: vec![op("a"), op("b")] }
        }
        68..78 => one(element(chance.below(20)), Change::Put(String::new())),
        78..86 => one(element(chance.below(20)), Change::Remove),
        86..96 => one(key("count", chance.below(3)), Change::Increment),
        _ => one(key("count", chance.below(3)), Change::Remove),
    }
}
