//! A node for the Maelstrom workbench: `maelstrom test -w pn-counter --bin target/release/examples/maelstrom --node-count 3`.
//!
//! Maelstrom speaks JSON, a line for each message, on stdin and stdout, and plays the network: it delays, loses and cuts. So the
//! nodes talk through a [`DatagramTransport`], in messages of their own (`{"type": "damson", "data": "<hexadecimal>"}`), and
//! open no socket. The names of all nodes come with `init`: they are addresses and first contacts. Each process is a node with
//! a new identity, of which it tells the others when it links.
//!
//! Workloads: broadcast (`broadcast`, `read`, `topology`), g-set (`add` with `element`, `read`), g-counter and pn-counter (`add` with
//! `delta`, `read`). Every request is answered from the node's own copy at once, whatever the network does. What a `read` is
//! about is said by the first argument (`broadcast`, `g-set`, `g-counter`, `pn-counter`), or else by what was written or asked
//! before, and is a counter where nothing was. It ends with its stdin.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use damson::identity::Identity;
use damson::transport::{DatagramHandle, DatagramLimits, DatagramTransport, SendFault};
use damson::{DialConfig, Node, Scope, SyncConfig};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Maelstrom's codes of errors.
const TEMPORARILY_UNAVAILABLE: u32 = 11;
const NOT_SUPPORTED: u32 = 10;
const MALFORMED_REQUEST: u32 = 12;
const CRASH: u32 = 13;

/// Longest message between nodes; in hexadecimal it is twice as long.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (lines, mut messages) = mpsc::channel(1_024);
    // A thread of its own: reading stdin blocks.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str::<Message>(&line) {
                Ok(message) => {
                    if lines.blocking_send(message).is_err() {
                        return;
                    }
                }
                Err(error) => eprintln!("not understood: {error}: {line}"),
            }
        }
    });
    let mut workload = std::env::args().nth(1).as_deref().and_then(Workload::named);
    let mut served: Option<Served> = None;
    while let Some(message) = messages.recv().await {
        if message.kind() == "damson" {
            // Before init there is nobody to take it, and what was lost is sent again.
            served.iter().for_each(|served| served.take(&message));
        } else if message.kind() == "init" && served.is_none() {
            served = Some(Served::start(&message).await?);
        } else if message.body.get("msg_id").is_some() {
            let answer = match &served {
                None => Err(Refusal(TEMPORARILY_UNAVAILABLE, "no init has come".into())),
                Some(served) => served.answer(&message, &mut workload).await,
            };
            let reply = answer
                .unwrap_or_else(|Refusal(code, text)| json!({ "type": "error", "code": code, "text": text }));
            message.reply(served.as_ref().map_or("", |served| &served.name), reply);
        }
    }
    if let Some(served) = served {
        served.node.stop().await?;
    }
    Ok(())
}

/// A message of the workbench's.
#[derive(serde::Deserialize)]
struct Message {
    src: String,
    body: Value,
}

/// What `read` reads.
#[derive(Clone, Copy)]
enum Workload {
    Broadcast,
    Set,
    Counter,
}

/// An error as the protocol has it: code and text.
struct Refusal(u32, String);

struct Served {
    name: String,
    node: Node,
    data: Scope,
    network: DatagramHandle,
}

impl Message {
    fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    fn reply(&self, from: &str, mut body: Value) {
        body["in_reply_to"] = self.body["msg_id"].clone();
        send(from, &self.src, body);
    }

    fn part(&self, name: &str) -> Result<&Value, Refusal> {
        let missing = || Refusal(MALFORMED_REQUEST, format!("{} without {name}", self.kind()));
        self.body.get(name).ok_or_else(missing)
    }
}

impl Workload {
    fn named(name: &str) -> Option<Self> {
        match name {
            "broadcast" => Some(Self::Broadcast),
            "g-set" => Some(Self::Set),
            "g-counter" | "pn-counter" => Some(Self::Counter),
            _ => None,
        }
    }
}

impl Served {
    /// Starts the node that `init` describes, and says so.
    async fn start(init: &Message) -> Result<Self, Box<dyn Error>> {
        let name = init.body["node_id"].as_str().ok_or("init without node_id")?.to_string();
        let others = init.body["node_ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let identity = Identity::generate();
        let from = name.clone();
        let send = move |to: &str, message: Bytes| {
            send(&from, to, json!({ "type": "damson", "data": hex(&message) }));
            Ok::<_, SendFault>(())
        };
        let limits = DatagramLimits { message_bytes_max: MESSAGE_BYTES_MAX, ..DatagramLimits::default() };
        let (transport, network) = DatagramTransport::new(&*name, identity.node_id(), send, limits)?;
        let builder = Node::builder(&*name)
            .identity(identity)
            .transport(transport)
            .anti_entropy(SyncConfig { interval_ms: 250, ..SyncConfig::default() })
            .dialing(DialConfig { backoff_ms_max: 500, ..DialConfig::default() })
            .join_timeout(Duration::ZERO);
        let contacts = others.filter(|other| *other != name);
        let node = contacts.fold(builder, |builder, other| builder.join(other)).start().await?;
        let data = node.scope("maelstrom")?;
        init.reply(&name, json!({ "type": "init_ok" }));
        Ok(Self { name, node, data, network })
    }

    /// Takes what another node has sent.
    fn take(&self, message: &Message) {
        let bytes = message.body["data"].as_str().and_then(unhex);
        // What is not taken is counted, and sent again.
        let _ = bytes.map(|bytes| self.network.handle(&message.src, bytes));
    }

    async fn answer(&self, message: &Message, workload: &mut Option<Workload>) -> Result<Value, Refusal> {
        match message.kind() {
            "topology" => {
                *workload = Some(Workload::Broadcast);
                Ok(json!({ "type": "topology_ok" }))
            }
            "broadcast" => {
                *workload = Some(Workload::Broadcast);
                self.insert("messages", message.part("message")?).await?;
                Ok(json!({ "type": "broadcast_ok" }))
            }
            "add" if message.body.get("element").is_some() => {
                *workload = Some(Workload::Set);
                self.insert("set", message.part("element")?).await?;
                Ok(json!({ "type": "add_ok" }))
            }
            "add" => {
                *workload = Some(Workload::Counter);
                let delta = message.part("delta")?.as_i64();
                let delta = delta.ok_or_else(|| Refusal(MALFORMED_REQUEST, "delta is no integer".into()))?;
                self.data.counter("counter").add(delta).await.map_err(crashed)?;
                Ok(json!({ "type": "add_ok" }))
            }
            "read" => Ok(self.read(workload.unwrap_or_else(|| self.guess()))),
            "init" => Err(Refusal(MALFORMED_REQUEST, "init has come already".into())),
            other => Err(Refusal(NOT_SUPPORTED, format!("no such request: {other}"))),
        }
    }

    async fn insert(&self, key: &'static str, element: &Value) -> Result<(), Refusal> {
        self.data.set(key).insert(element.to_string()).await.map_err(crashed)?;
        Ok(())
    }

    fn read(&self, workload: Workload) -> Value {
        match workload {
            Workload::Broadcast => json!({ "type": "read_ok", "messages": self.elements("messages") }),
            Workload::Set => json!({ "type": "read_ok", "value": self.elements("set") }),
            Workload::Counter => json!({ "type": "read_ok", "value": self.data.counter("counter").get() }),
        }
    }

    fn elements(&self, key: &'static str) -> Vec<Value> {
        let elements = self.data.set(key).elements();
        elements.iter().filter_map(|element| serde_json::from_slice(element).ok()).collect()
    }

    /// What others have written says what this is about.
    fn guess(&self) -> Workload {
        match (self.data.set("messages").is_empty(), self.data.set("set").is_empty()) {
            (false, _) => Workload::Broadcast,
            (true, false) => Workload::Set,
            (true, true) => Workload::Counter,
        }
    }
}

fn crashed(error: damson::WriteError) -> Refusal {
    Refusal(CRASH, error.to_string())
}

/// Writes a line. Who reads it no more will close our stdin, too.
fn send(from: &str, to: &str, mut body: Value) {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    body["msg_id"] = NEXT_ID.fetch_add(1, Ordering::Relaxed).into();
    let line = format!("{}\n", json!({ "src": from, "dest": to, "body": body }));
    let mut out = io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("four bits");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Bytes> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes = pairs.map(|pair| u8::from_str_radix(pair.filter(|pair| pair.len() == 2)?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().map(Bytes::from)
}
