//! A node with its ports, and a small client that shows replies as text.

use std::time::Duration;

use damson::Node;
use damson_server::{FrontLimits, Server, ServerConfig, start};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A node in memory with both ports.
pub struct Host {
    pub node: Node,
    pub server: Server,
}

impl Host {
    pub async fn start() -> Self {
        Self::with(FrontLimits::default()).await
    }

    pub async fn with(limits: FrontLimits) -> Self {
        let node = Node::builder("solo").start().await.unwrap();
        node.ready().await;
        let any = || Some("127.0.0.1:0".to_string());
        let server = start(node.clone(), ServerConfig { redis: any(), http: any(), limits }).await.unwrap();
        Self { node, server }
    }

    pub async fn client(&self) -> Client {
        Client {
            stream: BufReader::new(TcpStream::connect(self.server.redis_address().unwrap()).await.unwrap()),
        }
    }
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Sends one command, split at blanks, and shows its reply.
    pub async fn ask(&mut self, command: &str) -> String {
        let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        self.send(&encode(&args)).await;
        self.reply().await
    }

    /// The same with arguments that are any bytes.
    pub async fn ask_args(&mut self, args: &[&[u8]]) -> String {
        self.send(&encode(args)).await;
        self.reply().await
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    /// Sends what the server may refuse to take.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes).await
    }

    /// The next reply: `OK`, `-ERR ...`, `(1)`, `"text"`, `nil`, `[a, b]`, `{k: v}`, `#[element]`.
    pub async fn reply(&mut self) -> String {
        let read = tokio::time::timeout(Duration::from_secs(20), self.read());
        read.await.expect("a reply within twenty seconds").expect("a reply, not the end")
    }

    /// Has the server closed the connection?
    pub async fn is_closed(&mut self) -> bool {
        let read = tokio::time::timeout(Duration::from_secs(20), self.read());
        matches!(read.await, Ok(None))
    }

    /// `None` at the end.
    async fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        let line = line.strip_suffix("\r\n").expect("lines end with CRLF").to_string();
        let (sign, rest) = line.split_at(1);
        let len = || rest.parse::<usize>().expect("a length");
        Some(match sign {
            "+" => rest.into(),
            "-" => line,
            ":" => format!("({rest})"),
            "_" => "nil".into(),
            "$" if rest == "-1" => "nil".into(),
            "$" => format!("{:?}", self.bulk(len()).await),
            "=" => format!("text {:?}", self.bulk(len()).await),
            "*" => format!("[{}]", self.many(len()).await.join(", ")),
            "~" => format!("#[{}]", self.many(len()).await.join(", ")),
            "%" => {
                let all = self.many(2 * len()).await;
                let pairs: Vec<String> = all.chunks(2).map(|pair| pair.join(": ")).collect();
                format!("{{{}}}", pairs.join(", "))
            }
            other => panic!("a reply cannot begin with {other}"),
        })
    }

    async fn bulk(&mut self, len: usize) -> String {
        let mut bytes = vec![0; len + 2];
        self.stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes.split_off(len), b"\r\n");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn many(&mut self, len: usize) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..len {
            all.push(Box::pin(self.read()).await.expect("as many as announced"));
        }
        all
    }
}

/// A command as clients frame it.
pub fn encode(args: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Asks and compares, line by line: `command => reply`, or `command ~> reply` where the order has no meaning.
pub async fn script(client: &mut Client, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let in_order = line.split_once(" => ");
        let (command, expected) = in_order.or(line.split_once(" ~> ")).expect("a command and its reply");
        let reply = client.ask(command.trim_end()).await;
        if in_order.is_some() {
            assert_eq!(reply.trim_end(), expected.trim(), "{command}");
        } else {
            assert_eq!(elements(&reply), elements(expected), "{command}: {reply}");
        }
    }
}

/// What stands in a list, sorted.
fn elements(reply: &str) -> Vec<&str> {
    let inner = reply.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let mut all: Vec<&str> = inner.expect("a list").split(", ").collect();
    all.sort_unstable();
    all
}
