//! The list of what a backup consists of.
//!
//! ```text
//! damson-backup 1\n        name and version
//! 64 characters, \n        BLAKE3 of the rest, hexadecimal
//! JSON                     a Manifest
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use damson_store::durable_file;
use serde::{Deserialize, Serialize};

use super::error::{BackupError, RestoreError};
use super::facts::Facts;
use super::segment::{SEGMENT_BYTES_MAX, Segment};

/// The version this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;

const FORMAT_NAME: &str = "damson-backup ";

/// The longest manifest, in bytes: some 500,000 segments, four terabytes.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What a backup consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of what it is.
    pub facts: Facts,
    /// The segments, in their order.
    pub segments: Vec<SegmentEntry>,
}

/// A segment as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// BLAKE3 of the file, hexadecimal.
    pub blake3: String,
}

impl SegmentEntry {
    pub(super) fn of(segment: &Segment) -> Self {
        Self { bytes: segment.bytes.len() as u64, rows: segment.rows, blake3: segment.checksum() }
    }

    /// The contents of its file, checked. No more is read than it should have, and one byte.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, RestoreError> {
        let mut contents = Vec::new();
        let file = File::open(path).map_err(RestoreError::io("open", path))?;
        file.take(self.bytes + 1).read_to_end(&mut contents).map_err(RestoreError::io("read", path))?;
        match self.fault_of(&contents) {
            None => Ok(contents),
            Some(fault) => Err(RestoreError::damaged(path, fault)),
        }
    }

    /// What is wrong with the contents of the file, if anything is.
    fn fault_of(&self, contents: &[u8]) -> Option<&'static str> {
        match () {
            () if contents.len() as u64 != self.bytes => Some("it does not have the length that was written"),
            () if blake3::hash(contents).to_hex().as_str() != self.blake3 => {
                Some("its checksum does not match")
            }
            () => None,
        }
    }
}

impl Manifest {
    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Rows of all segments.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// Reads and checks a manifest; `None` if there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, RestoreError> {
        let contents = match read_bounded(path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RestoreError::io("read", path)(error)),
        };
        decode(path, &contents).map(Some)
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<(), BackupError> {
        let json = serde_json::to_vec_pretty(self).expect("it has no maps and nothing that can fail");
        let sum = blake3::hash(&json).to_hex();
        let head = format!("{FORMAT_NAME}{FORMAT_VERSION}\n{sum}\n");
        Ok(durable_file::write(path, &[head.as_bytes(), &json, b"\n"].concat())?)
    }
}

/// The file of a segment.
pub(super) fn segment_name(number: usize) -> String {
    format!("{number:06}.rows")
}

/// One byte more than it may have is enough to see that it is none.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut contents)?;
    Ok(contents)
}

fn decode(path: &Path, contents: &[u8]) -> Result<Manifest, RestoreError> {
    let damaged = |cause: &str| RestoreError::damaged(path, cause);
    if contents.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(damaged("it is longer than any manifest"));
    }
    let (head, rest) = split_line(contents).ok_or_else(|| damaged("it does not begin as a manifest does"))?;
    match head.strip_prefix(FORMAT_NAME).and_then(|version| version.parse().ok()) {
        Some(FORMAT_VERSION) => {}
        Some(found) if found > FORMAT_VERSION => {
            let path = path.to_owned();
            return Err(RestoreError::NewerFormat { path, found, supported: FORMAT_VERSION });
        }
        _ => return Err(damaged("it does not begin as a manifest does")),
    }
    let (sum, json) = split_line(rest).ok_or_else(|| damaged("it is cut short"))?;
    let json = json.strip_suffix(b"\n").ok_or_else(|| damaged("it is cut short"))?;
    if blake3::hash(json).to_hex().as_str() != sum {
        return Err(damaged("its checksum does not match"));
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(|error| damaged(&error.to_string()))?;
    if manifest.segments.iter().any(|segment| segment.bytes > SEGMENT_BYTES_MAX as u64) {
        return Err(damaged("it names a segment that is longer than any"));
    }
    Ok(manifest)
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dir: &Path) -> (std::path::PathBuf, Manifest) {
        let facts = Facts {
            id: "0123456789abcdef".into(),
            node: "00".into(),
            name: "n".into(),
            realm: "r".into(),
            version: "0".into(),
            wall_ms: 1,
            scopes: vec![],
            left_out: vec!["cache".into()],
            rows_about: 2,
        };
        let segments = vec![SegmentEntry { bytes: 9, rows: 1, blake3: "ab".into() }];
        let (path, manifest) = (dir.join("manifest"), Manifest { facts, segments });
        manifest.write(&path).unwrap();
        (path, manifest)
    }

    #[test]
    fn a_manifest_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, manifest) = written(dir.path());
        assert_eq!(Manifest::read(&path).unwrap(), Some(manifest));
        assert_eq!(Manifest::read(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn any_changed_byte_and_any_truncation_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = written(dir.path());
        let contents = std::fs::read(&path).unwrap();
        for at in 0..contents.len() {
            let mut changed = contents.clone();
            changed[at] ^= 1;
            assert!(decode(&path, &changed).is_err(), "byte {at}");
            assert!(decode(&path, &contents[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let error = decode(Path::new("manifest"), b"damson-backup 2\nwhatever follows").unwrap_err();
        assert!(matches!(error, RestoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }
}
