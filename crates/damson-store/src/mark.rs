//! The mark of a clean stop, as a file.
//!
//! ```text
//! damson-clean-stop 1\n    name and version
//! 8 bytes                  xxh3 of the line above and the mark, little-endian
//! the mark                 up to the end of the file
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::batch::check_limit;
use crate::{StoreError, durable_file};

/// The longest mark, in bytes. It names actors, one for each scope; a megabyte holds some ten thousand.
pub const MARK_BYTES_MAX: usize = 1 << 20;

const HEADER: &[u8] = b"damson-clean-stop 1\n";
const CHECKSUM_BYTES: usize = 8;

/// The mark file and what is known to be in it.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    Absent,
    Damaged,
    Left(Bytes),
}

impl MarkFile {
    /// Reads the mark, if there is one, and leaves it where it is.
    pub(crate) fn read(path: PathBuf) -> Result<Self, StoreError> {
        let state = match read_bounded(&path) {
            Ok(file) => decode(&file).map_or(State::Damaged, State::Left),
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::Absent,
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        Ok(Self { path, state })
    }

    /// There is a mark.
    pub(crate) fn is_left(&self) -> bool {
        matches!(self.state, State::Left(_))
    }

    /// There is a file, but not a mark that can be believed.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self.state, State::Damaged)
    }

    /// Removes the file for good, and only then gives the mark away. Costs nothing if there is no file.
    pub(crate) fn take(&mut self) -> Result<Option<Bytes>, StoreError> {
        if !matches!(self.state, State::Absent) {
            durable_file::remove(&self.path)?;
        }
        match std::mem::replace(&mut self.state, State::Absent) {
            State::Left(mark) => Ok(Some(mark)),
            State::Absent | State::Damaged => Ok(None),
        }
    }

    /// Writes the mark, whole or not at all.
    pub(crate) fn leave(&mut self, mark: &[u8]) -> Result<(), StoreError> {
        durable_file::write(&self.path, &encode(mark))?;
        self.state = State::Left(Bytes::copy_from_slice(mark));
        Ok(())
    }
}

/// Refuses a mark that is too long.
pub(crate) fn check(mark: &[u8]) -> Result<(), StoreError> {
    check_limit("mark", mark.len(), 0, MARK_BYTES_MAX)
}

/// One byte more than a mark may have is enough to see that a file is none.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let limit = HEADER.len() + CHECKSUM_BYTES + MARK_BYTES_MAX + 1;
    let mut contents = Vec::new();
    File::open(path)?.take(limit as u64).read_to_end(&mut contents)?;
    Ok(contents)
}

fn encode(mark: &[u8]) -> Vec<u8> {
    [HEADER, &checksum(mark).to_le_bytes(), mark].concat()
}

fn decode(file: &[u8]) -> Option<Bytes> {
    let (sum, mark) = file.strip_prefix(HEADER)?.split_first_chunk::<CHECKSUM_BYTES>()?;
    let believed = mark.len() <= MARK_BYTES_MAX && u64::from_le_bytes(*sum) == checksum(mark);
    believed.then(|| Bytes::copy_from_slice(mark))
}

fn checksum(mark: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(HEADER);
    hasher.update(mark);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back() {
        for mark in [&b""[..], b"actor", &[9; MARK_BYTES_MAX]] {
            assert_eq!(decode(&encode(mark)).as_deref(), Some(mark));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_truncation_is_no_mark() {
        let file = encode(b"actor");
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
        for length in 0..file.len() {
            assert_eq!(decode(&file[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_no_mark() {
        assert_eq!(decode(&encode(&[9; MARK_BYTES_MAX + 1])), None);
    }

    #[test]
    fn a_mark_that_cannot_be_removed_is_not_given_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut mark = MarkFile::read(dir.path().join("gone").join("mark")).unwrap();
        mark.state = State::Left(Bytes::from_static(b"actor"));
        assert!(mark.take().is_err());
    }
}
