//! A look at a running node: one GET over a plain connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The JSON at a path of a node's HTTP address.
pub fn get_json(address: &str, path: &str) -> anyhow::Result<Value> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let body = get(address, path)
        .with_context(|| format!("no answer from http://{address}{path}; is a node serving there?"))?;
    serde_json::from_slice(&body)
        .with_context(|| format!("http://{address}{path} does not answer as a node does"))
}

fn get(address: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: one answer, ended by the end of the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("the answer has no end of head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!("the answer is {}", head.lines().next().unwrap_or_default());
    }
    Ok(answer.split_off(end + 4))
}
