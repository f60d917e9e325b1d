//! The examples run, and do what they say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// How long a node may take for an answer: it asks nobody.
const ANSWER: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// Where cargo puts an example, beside the tests. It is built with them, unless only some of them were asked for.
fn example(name: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let here = std::env::current_exe().unwrap();
    let path = here.parent().unwrap().parent().unwrap().join("examples").join(name);
    if !path.exists() {
        let built =
            Command::new(env!("CARGO")).args(["build", "-q", "-p", "damson", "--example", name]).status();
        assert!(built.unwrap().success() && path.exists(), "{} could not be built", path.display());
    }
    path
}

#[test]
fn hello_cluster_shows_what_it_says_and_ends_by_itself() {
    let example = example("hello_cluster");
    let began = Instant::now();
    let output = Command::new(example).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(began.elapsed() < Duration::from_secs(60));
    for expected in
        ["gamma: 3 visits, colours blue, green, red", "gamma: 42 visits", "gamma: colours blue, green,"]
    {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
}

/// Maelstrom's part: clients, and a network that delays, loses and cuts.
struct Workbench {
    processes: Vec<Child>,
    inputs: BTreeMap<String, ChildStdin>,
    lines: Receiver<Value>,
    rng: ChaCha8Rng,
    /// By time and number: messages on their way.
    under_way: BTreeMap<(Instant, u64), Value>,
    sent: u64,
    lost: u64,
    /// n1 hears nobody, and nobody hears it.
    cut: bool,
    replies: BTreeMap<u64, Value>,
}

impl Workbench {
    fn new(seed: u64) -> Self {
        let (sender, lines) = channel();
        let (mut processes, mut inputs) = (Vec::new(), BTreeMap::new());
        for name in NODES {
            let mut process = Command::new(example("maelstrom"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            inputs.insert(name.to_string(), process.stdin.take().unwrap());
            read_lines(process.stdout.take().unwrap(), sender.clone());
            processes.push(process);
        }
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let (under_way, replies) = (BTreeMap::new(), BTreeMap::new());
        let mut bench =
            Self { processes, inputs, lines, rng, under_way, sent: 0, lost: 0, cut: false, replies };
        for name in NODES {
            bench.ask(name, json!({ "type": "init", "node_id": name, "node_ids": NODES }));
        }
        bench
    }

    /// A client's request, and its answer.
    fn ask(&mut self, node: &str, mut body: Value) -> Value {
        let (began, id) = (Instant::now(), self.next_id());
        body["msg_id"] = id.into();
        let shown = body.to_string();
        self.deliver(&json!({ "src": "c1", "dest": node, "body": body }));
        while began.elapsed() < ANSWER {
            self.work(Duration::from_millis(2));
            if let Some(reply) = self.replies.remove(&id) {
                return reply;
            }
        }
        panic!("{node} has not answered {shown}");
    }

    fn next_id(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Carries messages for so long.
    fn work(&mut self, span: Duration) {
        let until = Instant::now() + span;
        loop {
            while let Some(entry) = self.under_way.first_entry()
                && entry.key().0 <= Instant::now()
            {
                let message = entry.remove();
                self.deliver(&message);
            }
            let next = self.under_way.first_key_value().map_or(until, |((due, _), _)| until.min(*due));
            match self.lines.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(message) => self.take(message),
                Err(_) if Instant::now() >= until => return,
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, message: Value) {
        if message["dest"] == "c1" {
            let id = message["body"]["in_reply_to"].as_u64().unwrap();
            self.replies.insert(id, message["body"].clone());
            return;
        }
        assert_eq!(message["body"]["type"], "damson", "{message}");
        let crosses = (message["src"] == "n1") != (message["dest"] == "n1");
        if (self.cut && crosses) || self.rng.next_u64().is_multiple_of(10) {
            self.lost += 1;
            return;
        }
        let delay = Duration::from_micros(self.rng.next_u64() % 20_000);
        let number = self.next_id();
        self.under_way.insert((Instant::now() + delay, number), message);
    }

    fn deliver(&mut self, message: &Value) {
        let name = message["dest"].as_str().unwrap();
        writeln!(self.inputs.get_mut(name).unwrap(), "{message}").unwrap();
    }

    /// Asks all nodes until they say what is expected.
    fn all_read(&mut self, is_expected: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let reads = NODES.map(|node| self.ask(node, json!({ "type": "read" })));
            if reads.iter().all(&is_expected) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "they do not agree: {reads:?}");
            self.work(Duration::from_millis(50));
        }
    }

    /// Closes their stdin, and sees them end well.
    fn close(mut self) {
        assert!(self.lost > 0, "the network was too kind");
        self.inputs.clear();
        for process in &mut self.processes {
            let began = Instant::now();
            while process.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < PATIENCE, "it goes on without stdin");
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(process.try_wait().unwrap().unwrap().success());
        }
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It has ended, unless the test has failed.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn read_lines(output: impl std::io::Read + Send + 'static, lines: Sender<Value>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if lines.send(message).is_err() {
                return;
            }
        }
    });
}

/// Thirty requests, before, while and after n1 is cut off, each at another node; all are answered.
fn run(seed: u64, request: impl Fn(u64) -> Value, ok: &str, is_expected: impl Fn(&Value) -> bool) {
    let mut bench = Workbench::new(seed);
    for n in 0..30 {
        bench.cut = (10..20).contains(&n);
        let node = NODES[usize::try_from(n % 3).unwrap()];
        assert_eq!(bench.ask(node, request(n))["type"], ok);
        bench.work(Duration::from_millis(30));
    }
    bench.all_read(is_expected);
    bench.close();
}

/// Is this the list of the numbers below thirty?
fn is_all(list: &Value) -> bool {
    let mut numbers: Vec<u64> = list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    numbers.sort_unstable();
    numbers == (0..30).collect::<Vec<_>>()
}

#[test]
fn maelstrom_broadcast_reaches_all() {
    let request = |n| json!({ "type": "broadcast", "message": n });
    run(1, request, "broadcast_ok", |read| is_all(&read["messages"]));
}

#[test]
fn maelstrom_g_set_has_all_elements() {
    run(2, |n| json!({ "type": "add", "element": n }), "add_ok", |read| is_all(&read["value"]));
}

#[test]
fn maelstrom_g_counter_counts_exactly() {
    run(3, |n| json!({ "type": "add", "delta": n }), "add_ok", |read| read["value"] == 435);
}

#[test]
fn maelstrom_pn_counter_counts_exactly() {
    let request = |n: u64| json!({ "type": "add", "delta": if n.is_multiple_of(2) { 5 } else { -3 } });
    run(4, request, "add_ok", |read| read["value"] == 30);
}

#[test]
fn maelstrom_answers_what_it_does_not_know_with_the_codes_of_the_protocol() {
    let mut bench = Workbench::new(5);
    let code = |reply: Value| (reply["type"].clone(), reply["code"].clone());
    let error = |code: u32| (json!("error"), json!(code));
    assert_eq!(code(bench.ask("n1", json!({ "type": "cas" }))), error(10));
    assert_eq!(code(bench.ask("n1", json!({ "type": "add" }))), error(12));
    assert_eq!(code(bench.ask("n1", json!({ "type": "add", "delta": "many" }))), error(12));
    assert_eq!(code(bench.ask("n2", json!({ "type": "broadcast" }))), error(12));
    for junk in
        ["", "{", "[]", "{\"src\":1}", "{\"src\":\"n2\",\"body\":{\"type\":\"damson\",\"data\":\"zz\"}}"]
    {
        writeln!(bench.inputs.get_mut("n1").unwrap(), "{junk}").unwrap();
    }
    assert_eq!(bench.ask("n1", json!({ "type": "topology", "topology": {} }))["type"], "topology_ok");
    assert_eq!(bench.ask("n1", json!({ "type": "read" }))["messages"], json!([]));
    bench.work(Duration::from_millis(500));
    bench.close();
}
