//! How much of the journal an open cuts off.
//!
//! The database replays its journal up to the last whole batch and cuts off the rest without a word. A torn end is what
//! a crash leaves; but damage in the middle takes all that follows with it, so the cut must not go unseen.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The journal files as they were before the database replayed them.
pub(crate) struct JournalTails(Vec<Tail>);

struct Tail {
    /// Kept open, so that the length can be asked even if the database has retired the file meanwhile.
    file: File,
    used_bytes: u64,
}

impl JournalTails {
    /// Takes note of the journal files in `folder`.
    pub(crate) fn before_replay(folder: &Path) -> io::Result<Self> {
        let mut tails = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jnl") {
                let mut file = File::open(path)?;
                let used_bytes = used_bytes(&mut file)?;
                tails.push(Tail { file, used_bytes });
            }
        }
        Ok(Self(tails))
    }

    /// The bytes, other than the zeros of preallocated space, that the replay has cut off.
    pub(crate) fn bytes_cut(&self) -> io::Result<u64> {
        let mut bytes_cut = 0;
        for tail in &self.0 {
            bytes_cut += tail.used_bytes.saturating_sub(tail.file.metadata()?.len());
        }
        Ok(bytes_cut)
    }
}

/// The length of a file without the zeros at its end. Reads from the end, since a journal is preallocated.
fn used_bytes(file: &mut File) -> io::Result<u64> {
    const CHUNK_BYTES: u64 = 64 * 1024;
    let mut chunk = Vec::new();
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        chunk.resize((end - start) as usize, 0);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(contents: &[u8]) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jnl");
        fs::write(&path, contents).unwrap();
        used_bytes(&mut File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn zeros_at_the_end_are_not_used() {
        assert_eq!(used(b""), 0);
        assert_eq!(used(b"batch"), 5);
        assert_eq!(used(b"bat\0ch\0\0"), 6);
        assert_eq!(used(&[0; 200_000]), 0);
        let mut long = vec![0; 200_000];
        long[70_000] = 1;
        assert_eq!(used(&long), 70_001);
    }

    #[test]
    fn what_was_cut_is_counted_even_after_the_file_was_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("0.jnl"), b"whole, torn\0\0\0").unwrap();
        fs::write(dir.path().join("other"), b"not a journal").unwrap();
        let tails = JournalTails::before_replay(dir.path()).unwrap();
        assert_eq!(tails.bytes_cut().unwrap(), 0);
        let file = File::options().write(true).open(dir.path().join("0.jnl")).unwrap();
        file.set_len(5).unwrap();
        fs::remove_file(dir.path().join("0.jnl")).unwrap();
        assert_eq!(tails.bytes_cut().unwrap(), 6);
    }
}
