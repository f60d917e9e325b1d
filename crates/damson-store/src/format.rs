//! The version of the data directory, in a file that a person can read.

use std::fs;
use std::io;
use std::path::Path;

use crate::{StoreError, durable_file};

/// The version this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;

const FORMAT_NAME: &str = "damson-store ";

/// Writes the format file of a new directory.
pub(crate) fn write(path: &Path) -> Result<(), StoreError> {
    durable_file::write(path, format!("{FORMAT_NAME}{FORMAT_VERSION}\n").as_bytes())
}

/// Checks the format file; `false` if there is none.
pub(crate) fn check(path: &Path) -> Result<bool, StoreError> {
    let contents = match fs::read(path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    match parse(&contents) {
        Some(FORMAT_VERSION) => Ok(true),
        Some(found) if found > FORMAT_VERSION => {
            Err(StoreError::NewerFormat { path: path.to_owned(), found, supported: FORMAT_VERSION })
        }
        _ => Err(StoreError::UnknownFormat { path: path.to_owned() }),
    }
}

fn parse(contents: &[u8]) -> Option<u32> {
    let version = str::from_utf8(contents).ok()?.strip_prefix(FORMAT_NAME)?.strip_suffix('\n')?;
    version.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line_of_ours_is_a_version() {
        assert_eq!(parse(b"damson-store 1\n"), Some(1));
        assert_eq!(parse(b"damson-store 4000000000\n"), Some(4_000_000_000));
        for other in
            [&b""[..], b"damson-store 1", b"damson-store \n", b"damson-store 1\n\n", b"1\n", b"\xff\n"]
        {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
