//! As much of the Redis protocol as is needed: commands of text, one after the other or many at once.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Commands that are sent before their replies are read.
const PIPELINED: usize = 200;

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The port at this end.
    pub fn local_port(&self) -> io::Result<u16> {
        Ok(self.stream.get_ref().local_addr()?.port())
    }

    /// Sets a key; `Ok` says that it was acknowledged.
    pub fn set(&mut self, key: &str, value: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(&encoded(&["SET", key, value]))?;
        match self.reply()? {
            Some(reply) if reply == "OK" => Ok(()),
            other => Err(io::Error::other(format!("SET is answered with {other:?}"))),
        }
    }

    /// The values of keys.
    pub fn get_all<'a>(&mut self, keys: impl Iterator<Item = &'a str>) -> io::Result<Vec<Option<String>>> {
        let keys: Vec<&str> = keys.collect();
        let mut out = Vec::with_capacity(keys.len());
        for some in keys.chunks(PIPELINED) {
            let commands: Vec<u8> = some.iter().flat_map(|key| encoded(&["GET", key])).collect();
            self.stream.get_mut().write_all(&commands)?;
            for _ in some {
                out.push(self.reply()?);
            }
        }
        Ok(out)
    }

    /// Sends commands at once. Their replies are to be read one by one.
    pub fn send<'a>(&mut self, commands: impl Iterator<Item = Vec<&'a str>>) -> io::Result<()> {
        let bytes: Vec<u8> = commands.flat_map(|command| encoded(&command)).collect();
        self.stream.get_mut().write_all(&bytes)
    }

    /// Runs one command, and returns the strings of its reply.
    pub fn list(&mut self, command: &[&str]) -> io::Result<Vec<Option<String>>> {
        self.send(std::iter::once(command.to_vec()))?;
        self.strings()
    }

    /// The next reply, which must be a list of strings.
    pub fn strings(&mut self) -> io::Result<Vec<Option<String>>> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let count = line.strip_prefix('*').and_then(|count| count.trim_end().parse::<usize>().ok());
        let count = count.ok_or_else(|| io::Error::other(format!("no list: {line:?}")))?;
        (0..count).map(|_| self.reply()).collect()
    }

    /// The next reply: a string, a number as text, or nothing.
    pub fn reply(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_at_checked(1) {
            Some(("+" | ":", text)) => Ok(Some(text.into())),
            Some(("$", "-1")) | Some(("_", "")) => Ok(None),
            Some(("$", length)) => self.bulk(length.parse().map_err(io::Error::other)?).map(Some),
            _ => Err(io::Error::other(format!("an unexpected reply: {line:?}"))),
        }
    }

    fn bulk(&mut self, length: usize) -> io::Result<String> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

fn encoded(args: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len());
    args.iter().for_each(|arg| out.push_str(&format!("${}\r\n{arg}\r\n", arg.len())));
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lists_and_numbers_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(&listener.local_addr().unwrap().to_string()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(b"*2\r\n$1\r\na\r\n$-1\r\n:7\r\n-ERR\r\n").unwrap();
        assert_eq!(client.list(&["MGET", "a", "b"]).unwrap(), [Some("a".into()), None]);
        client.send([vec!["INCR", "n"]].into_iter()).unwrap();
        assert_eq!(client.reply().unwrap(), Some("7".into()));
        assert!(client.strings().is_err());
    }

    #[test]
    fn replies_are_read_and_errors_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(&listener.local_addr().unwrap().to_string()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(b"+OK\r\n-ERR full\r\n$2\r\nab\r\n$-1\r\n").unwrap();
        client.set("k", "ab").unwrap();
        assert!(client.set("k", "x").unwrap_err().to_string().contains("ERR full"));
        assert_eq!(client.get_all(["k", "l"].into_iter()).unwrap(), [Some("ab".into()), None]);
        drop(other);
        assert!(client.set("k", "x").is_err());
    }
}
