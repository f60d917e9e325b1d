//! A Redis client of a few lines, so that the tests need nothing installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(String),
    Error(String),
    List(Vec<Reply>),
}

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: &str) -> Self {
        let stream =
            TcpStream::connect(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"));
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends one command and reads its reply.
    pub fn command(&mut self, args: &[&str]) -> Reply {
        self.try_command(args).unwrap_or_else(|e| panic!("{args:?}: {e}"))
    }

    pub fn try_command(&mut self, args: &[&str]) -> std::io::Result<Reply> {
        let mut out = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            out.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
        }
        self.stream.get_mut().write_all(&out)?;
        self.read()
    }

    /// Sends raw bytes and reads one reply.
    pub fn raw(&mut self, bytes: &[u8]) -> std::io::Result<Reply> {
        self.stream.get_mut().write_all(bytes)?;
        self.read()
    }

    /// Has the other end closed the connection?
    pub fn is_closed(&mut self) -> bool {
        self.stream.get_mut().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    fn read(&mut self) -> std::io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let length = || rest.parse::<i64>().unwrap();
        match kind {
            "+" => Ok(Reply::Text(rest.into())),
            "-" => Ok(Reply::Error(rest.into())),
            ":" => Ok(Reply::Int(length())),
            "$" if length() < 0 => Ok(Reply::Nil),
            "$" => {
                let mut bytes = vec![0; usize::try_from(length()).unwrap() + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            "*" if length() < 0 => Ok(Reply::Nil),
            "*" => (0..length()).map(|_| self.read()).collect::<std::io::Result<_>>().map(Reply::List),
            other => panic!("an unexpected reply {other}{rest}"),
        }
    }
}

pub fn text(text: &str) -> Reply {
    Reply::Text(text.into())
}
