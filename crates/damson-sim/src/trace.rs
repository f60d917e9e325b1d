//! What happened, in order: a hash that two runs of one seed must share, and optionally a log in text.

use std::io::Write;

use xxhash_rust::xxh3::Xxh3;

/// Takes note of everything that passes a node's border.
pub(crate) struct Trace<'a> {
    hash: Xxh3,
    dump: Option<&'a mut dyn Write>,
    /// The log could not be written; the run goes on without.
    pub broken: Option<std::io::Error>,
}

impl<'a> Trace<'a> {
    pub fn new(dump: Option<&'a mut dyn Write>) -> Self {
        Self { hash: Xxh3::new(), dump, broken: None }
    }

    /// One thing that happened at a node: what it is called, and its bytes.
    pub fn note(&mut self, time_us: u64, node: usize, what: &str, bytes: &[u8]) {
        self.hash.update(&time_us.to_le_bytes());
        self.hash.update(&(node as u64).to_le_bytes());
        self.hash.update(what.as_bytes());
        self.hash.update(&(bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
        let Some(out) = self.dump.as_mut() else { return };
        let written = writeln!(out, "{time_us}\t{node}\t{what}\t{}", hex(bytes));
        if let Err(error) = written {
            self.dump = None;
            self.broken = Some(error);
        }
    }

    /// 16 hexadecimal digits.
    pub fn digest(&self) -> String {
        format!("{:016x}", self.hash.digest())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").expect("memory");
        out
    })
}
