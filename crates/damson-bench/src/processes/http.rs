//! A look at a process: one GET over a plain connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// A process that shares two processors with thirty others may take its time.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// The JSON at a path.
pub fn get_json(address: &str, path: &str) -> anyhow::Result<Value> {
    let body = get(address, path).with_context(|| format!("no answer from http://{address}{path}"))?;
    serde_json::from_slice(&body).with_context(|| format!("http://{address}{path} is no JSON"))
}

fn get(address: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: one answer, ended by the end of the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("the answer has no end of head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    if head.split_whitespace().nth(1) != Some("200") {
        bail!("the answer is {}", head.lines().next().unwrap_or_default());
    }
    Ok(answer.split_off(end + 4))
}
