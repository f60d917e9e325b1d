//! A look at a running node: one request over a plain connection.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What an answer may cost.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the look-up of the name to the last byte.
    pub timeout: Duration,
    /// Longest answer that is read.
    pub bytes_max: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), bytes_max: 64 << 20 }
    }
}

/// The JSON at a path of a node's HTTP address.
pub fn get_json(address: &str, path: &str) -> anyhow::Result<Value> {
    wait_for(fetch_json(address, path, Patience::default()))
}

/// Runs what asks nodes to its end.
pub fn wait_for<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(asking);
    // The look-up of a name that hangs is not waited for.
    runtime.shutdown_background();
    answer
}

/// The same, among other things to do.
pub async fn fetch_json(address: &str, path: &str, patience: Patience) -> anyhow::Result<Value> {
    let answer = ask("GET", address, path, patience).await?;
    let address = plain(address);
    if answer.status != "200" {
        bail!("http://{address}{path} answers {}: {}", answer.status, answer.reason());
    }
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("http://{address}{path} does not answer as a node does"))
}

/// Whatever a node answers to a request without a body.
pub async fn ask(method: &str, address: &str, path: &str, patience: Patience) -> anyhow::Result<Answer> {
    let address = plain(address);
    // It becomes part of the request, and not all addresses come from the command line.
    if !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("{address:?} is no address; write host:port");
    }
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    let answer = tokio::time::timeout(patience.timeout, send(address, &request, patience.bytes_max)).await;
    answer.unwrap_or_else(|_| bail!("it took longer than {:?}", patience.timeout)).with_context(|| {
        format!(
            "no answer from http://{address}{path}; is a node serving there, and is this its HTTP address?"
        )
    })
}

fn plain(address: &str) -> &str {
    address.trim_start_matches("http://").trim_end_matches('/')
}

/// What a node answers.
pub struct Answer {
    pub status: String,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A field of the head, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// What it says about a request that it refuses.
    pub fn reason(&self) -> String {
        let problem: Option<Value> = serde_json::from_slice(&self.body).ok();
        let reason = problem.as_ref().and_then(|problem| problem["reason"].as_str());
        reason.unwrap_or("it gives no reason").to_string()
    }
}

async fn send(address: &str, request: &str, bytes_max: u64) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0: one answer, ended by the end of the connection.
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(bytes_max).read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("the answer has no end of head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split_whitespace().nth(1).unwrap_or_default().to_string();
    Ok(Answer { status, body: answer.split_off(end + 4), head })
}
