//! The list of what a backup consists of.
//!
//! ```text
//! damson-backup 1\n        name and version
//! 64 characters, \n        BLAKE3 of the rest, hexadecimal
//! JSON                     a Manifest
//! ```

use std::io;
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::RestoreError;
use super::facts::Facts;
use super::place::Files;
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
    pub(super) fn read(&self, files: &dyn Files, name: &str) -> Result<Vec<u8>, RestoreError> {
        let path = files.path_of(name);
        let contents = files.read(name, self.bytes + 1)?;
        let contents =
            contents.ok_or_else(|| RestoreError::io("open", &path)(io::ErrorKind::NotFound.into()))?;
        match self.fault_of(&contents) {
            None => Ok(contents),
            Some(fault) => Err(RestoreError::damaged(&path, fault)),
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

    /// Reads and checks a manifest; `None` if there is no file. One byte more than it may have is enough to see that it
    /// is none.
    pub(super) fn read(files: &dyn Files, name: &str) -> Result<Option<Self>, RestoreError> {
        let contents = files.read(name, MANIFEST_BYTES_MAX + 1)?;
        contents.map(|contents| decode(&files.path_of(name), &contents)).transpose()
    }

    /// As it is written to a file.
    pub(super) fn encode(&self) -> Bytes {
        let json = serde_json::to_vec_pretty(self).expect("it has no maps and nothing that can fail");
        let sum = blake3::hash(&json).to_hex();
        let head = format!("{FORMAT_NAME}{FORMAT_VERSION}\n{sum}\n");
        [head.as_bytes(), &json, b"\n"].concat().into()
    }
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
    use super::super::place::Place;
    use super::*;

    fn manifest() -> Manifest {
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
        Manifest { facts, segments }
    }

    #[test]
    fn a_manifest_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let Place(files) = dir.path().into();
        files.write("manifest", manifest().encode()).unwrap();
        assert_eq!(Manifest::read(&*files, "manifest").unwrap(), Some(manifest()));
        assert_eq!(Manifest::read(&*files, "none").unwrap(), None);
    }

    #[test]
    fn any_changed_byte_and_any_truncation_is_damage() {
        let (path, contents) = (Path::new("manifest"), manifest().encode());
        for at in 0..contents.len() {
            let mut changed = contents.to_vec();
            changed[at] ^= 1;
            assert!(decode(path, &changed).is_err(), "byte {at}");
            assert!(decode(path, &contents[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let error = decode(Path::new("manifest"), b"damson-backup 2\nwhatever follows").unwrap_err();
        assert!(matches!(error, RestoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }
}
