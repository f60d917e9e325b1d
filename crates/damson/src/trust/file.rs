//! The file of pins: a line for each, `ADDRESS NODE-ID`, in between comments that begin with `#`.
//!
//! It is people's too: what they wrote stays as it is when a line is added.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use damson_core::crdt::NodeId;

use super::{Pin, TrustError};
use crate::clock::entropy;
use crate::identity::{hex, write_durably};

/// Most pins: some thousand nodes, each under an address or two.
pub(super) const PINS_MAX: usize = 4_096;
/// Longest line, without its end: the longest name of a host, a port, and an id.
const LINE_BYTES_MAX: usize = 300;
/// Longest file, comments included.
const FILE_BYTES_MAX: usize = 2 * PINS_MAX * LINE_BYTES_MAX;

const HEADER: &str = "\
# Which node answered first at which address: only that one is trusted there.
# Remove a line when the node at its address was replaced on purpose, or has a new key.
";

/// What the file says.
#[derive(Debug)]
pub(super) struct Lines<'p> {
    path: &'p Path,
    text: String,
    pins: Vec<Pin>,
}

impl<'p> Lines<'p> {
    /// Reads the file. One that is not there holds nothing.
    pub fn read(path: &'p Path) -> Result<Self, TrustError> {
        let text = match read_bounded(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => HEADER.into(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(damaged(path, 1, "is not text"));
            }
            read => read.map_err(|error| TrustError::unread(path, &error))?,
        };
        if text.len() > FILE_BYTES_MAX {
            return Err(TrustError::Full { path: path.into() });
        }
        let pins = parse(&text).map_err(|(line, reason)| damaged(path, line, reason))?;
        Ok(Self { path, text, pins })
    }

    /// The same, and a file that is not there is made, so that a start tells whether that can be done.
    pub fn read_or_create(path: &'p Path) -> Result<Self, TrustError> {
        let lines = Self::read(path)?;
        if !path.exists() {
            lines.write(&lines.text)?;
        }
        Ok(lines)
    }

    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// Who is pinned to this address?
    pub fn node_at(&self, address: &str) -> Option<NodeId> {
        self.pins.iter().find(|pin| pin.address == address).map(|pin| pin.node)
    }

    /// Is this node pinned to any address?
    pub fn has(&self, node: NodeId) -> bool {
        self.pins.iter().any(|pin| pin.node == node)
    }

    /// Adds a pin, and returns once it is durable.
    pub fn pin(&self, address: &str, node: NodeId) -> Result<(), TrustError> {
        let line = format!("{address} {}\n", hex(&node.0));
        if let Some(reason) = fault_of(address, &line) {
            return Err(TrustError::Address { address: address.into(), reason, path: self.path.into() });
        }
        let end = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        let text = [&self.text, end, &line].concat();
        if self.pins.len() >= PINS_MAX || text.len() > FILE_BYTES_MAX {
            return Err(TrustError::Full { path: self.path.into() });
        }
        self.write(&text)
    }

    fn write(&self, text: &str) -> Result<(), TrustError> {
        // What a crash left behind must not be in the way.
        let unique = format!("damson-{:016x}", rand_core::Rng::next_u64(&mut entropy()));
        let written = write_durably(self.path, &unique, text.as_bytes());
        written.map_err(|error| TrustError::Write { path: self.path.into(), cause: error.to_string() })
    }
}

fn damaged(path: &Path, line: usize, reason: &'static str) -> TrustError {
    TrustError::Damaged { path: path.into(), line, reason }
}

/// One byte more than there may be tells that there are too many.
fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn fault_of(address: &str, line: &str) -> Option<&'static str> {
    match () {
        () if address.is_empty() => Some("it is empty"),
        () if address.starts_with('#') => Some("it would be a comment"),
        () if address.contains(|c: char| c.is_whitespace() || c.is_control()) => Some("it has white space"),
        () if line.len() > LINE_BYTES_MAX => Some("it is too long"),
        () => None,
    }
}

/// The pins, or the first line that is none, and why.
fn parse(text: &str) -> Result<Vec<Pin>, (usize, &'static str)> {
    let mut pins = Vec::new();
    let mut addresses = HashSet::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |reason| (at + 1, reason);
        let pin = parse_line(line).map_err(wrong)?;
        let Some((address, node)) = pin else { continue };
        if !addresses.insert(address) {
            return Err(wrong("has an address that stands above already"));
        }
        if pins.len() == PINS_MAX {
            return Err(wrong("is one more than there may be"));
        }
        pins.push(Pin { address: address.into(), node });
    }
    Ok(pins)
}

fn parse_line(line: &str) -> Result<Option<(&str, NodeId)>, &'static str> {
    if line.len() > LINE_BYTES_MAX {
        return Err("is too long");
    }
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Ok(None),
        (Some(first), ..) if first.starts_with('#') => Ok(None),
        (Some(address), Some(id), None) => {
            let id = id.parse().map_err(|_| "has no node id of 32 hexadecimal digits behind the address")?;
            Ok(Some((address, id)))
        }
        _ => Err("has not two words"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NODE: NodeId = NodeId([0xab; 16]);

    #[test]
    fn comments_stay_and_a_last_line_without_an_end_is_not_glued_to_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted");
        fs::write(&path, format!("# mine\n\n  a:1   {}", "0".repeat(32))).unwrap();
        Lines::read(&path).unwrap().pin("b:2", NODE).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("# mine\n\n  a:1   {}\nb:2 {}\n", "0".repeat(32), "ab".repeat(16)));
        assert_eq!(Lines::read(&path).unwrap().node_at("b:2"), Some(NODE));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted");
        Lines::read_or_create(&path).unwrap().pin("a:1", NODE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_line_is_named_and_the_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted");
        let id = "0".repeat(32);
        let long = format!("{}:1 {id}", "a".repeat(LINE_BYTES_MAX));
        for bad in ["a:1", "a:1 b", &format!("a:1 {id} c"), &format!("a:1 {id}\na:1 {id}"), &long] {
            let text = format!("# first\n{bad}\n");
            fs::write(&path, &text).unwrap();
            let error = Lines::read_or_create(&path).unwrap_err();
            let at = if bad.contains('\n') { 3 } else { 2 };
            assert!(matches!(error, TrustError::Damaged { line, .. } if line == at), "{bad}: {error}");
            assert!(error.to_string().contains("trusted"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(Lines::read(&path), Err(TrustError::Damaged { line: 1, .. })));
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted");
        let full: String = (0..PINS_MAX).map(|at| format!("a{at}:1 {}\n", "0".repeat(32))).collect();
        fs::write(&path, &full).unwrap();
        let error = Lines::read(&path).unwrap().pin("b:1", NODE).unwrap_err();
        assert!(matches!(error, TrustError::Full { .. }), "{error}");
        fs::write(&path, "#\n".repeat(FILE_BYTES_MAX)).unwrap();
        assert!(matches!(Lines::read(&path), Err(TrustError::Full { .. })));
    }

    #[test]
    fn an_address_that_would_be_something_else_in_the_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted");
        for bad in ["", "#a:1", "a b:1", "a:1\nb:1", &format!("{}:1", "a".repeat(LINE_BYTES_MAX))] {
            let error = Lines::read(&path).unwrap().pin(bad, NODE).unwrap_err();
            assert!(matches!(error, TrustError::Address { .. }), "{bad}: {error}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let error = Lines::read_or_create(&directory.path().join("gone/trusted")).unwrap_err();
        assert!(matches!(error, TrustError::Write { .. }), "{error}");
    }
}
