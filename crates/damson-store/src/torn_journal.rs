//! A batch at the end of the journal of which a power failure left some pages and not others.
//!
//! The database cuts off a batch without an end, but a batch that has its end and lacks pages before it fails its
//! checksum, and then it gives up on everything. Pages reach a disk in any order, so that is what a power failure may
//! leave; nothing of it was ever acknowledged as flushed.
//!
//! ```text
//! batch   1, items (u32), sequence number (u64) | items | 3, xxh3 of the items (u64), "FJL", 3
//! item    2, type (u8), compression (u8), keyspace (u64), length of key (u16) and value (u32), on disk (u32), key, value
//!         4, keyspace (u64)
//! ```
//! All numbers are little-endian.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use damson_core::persist::Table;
use xxhash_rust::xxh3::xxh3_64;

use crate::seal;

const START_BYTES: usize = 13;
const END_BYTES: usize = 13;
const ITEM_BYTES: usize = 21;
const TRAILER: &[u8] = b"FJL\x03";

/// What a disk writes as a whole. Where it was not written there are zeros: the journal grows ahead of what is in it.
const SECTOR_BYTES: usize = 512;

/// Cuts off the newest journal in `folder` where its first broken batch begins, if a power failure may have broken it.
/// Says whether it did.
///
/// That is so when no whole batch follows, or when a sector of it was never written: of a batch that is damaged in
/// another way, with whole ones behind it, all that follows was acknowledged and must not vanish without a word. Zeros in a row
/// whose seal holds were written.
pub(crate) fn cut(folder: &Path) -> io::Result<bool> {
    let Some(path) = newest(folder)? else { return Ok(false) };
    let journal = fs::read(&path)?;
    let Some(at) = torn_at(&journal) else { return Ok(false) };
    let file = File::options().write(true).open(&path)?;
    file.set_len(at as u64)?;
    file.sync_all()?;
    Ok(true)
}

/// Older journals were flushed as a whole before the newest began.
fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        newest = newest.max(name.map(|number| (number, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the whole batches end, if what follows is a torn one.
fn torn_at(journal: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = whole_batch(journal, at) {
        at = end;
    }
    let rest = journal.get(at..).filter(|rest| rest.iter().any(|byte| *byte != 0))?;
    let next = (1..rest.len()).find(|next| rest[*next] == 1 && whole_batch(journal, at + next).is_some());
    let torn = next.is_none_or(|next| lacks_a_sector(journal, at, at + next));
    torn.then_some(at)
}

/// Is a sector of the broken batch between these all zeros, and not a part of a row that says so?
fn lacks_a_sector(journal: &[u8], from: usize, to: usize) -> bool {
    let sound = sound_rows(journal, from);
    let sectors = (from.next_multiple_of(SECTOR_BYTES)..to).step_by(SECTOR_BYTES);
    sectors.map(|at| at..at + SECTOR_BYTES).filter(|sector| sector.end <= to).any(|sector| {
        let is_sound = sound.iter().any(|row| row.start <= sector.start && sector.end <= row.end);
        !is_sound && journal[sector].iter().all(|byte| *byte == 0)
    })
}

/// Where the rows lie whose seals hold, as far as the items of a batch can be told apart.
fn sound_rows(journal: &[u8], batch: usize) -> Vec<Range<usize>> {
    let (mut rows, mut at) = (Vec::new(), batch + START_BYTES);
    while let Some(end) = after_item(journal, at).filter(|end| *end <= journal.len()) {
        if journal[at] == 2 && is_sound(&journal[at..end]) {
            rows.push(at..end);
        }
        at = end;
    }
    rows
}

fn is_sound(item: &[u8]) -> bool {
    let key = usize::from(u16::from_le_bytes([item[11], item[12]]));
    let (key, sealed) = item[ITEM_BYTES..].split_at(key);
    Table::ALL.into_iter().any(|table| seal::unseal(table, key, sealed).is_some())
}

/// Where the batch that begins here ends, if it is whole.
fn whole_batch(journal: &[u8], at: usize) -> Option<usize> {
    let start = journal.get(at..at + START_BYTES)?;
    if start[0] != 1 {
        return None;
    }
    let count = u32::from_le_bytes(start[1..5].try_into().ok()?);
    let items = at + START_BYTES;
    let mut end = items;
    for _ in 0..count {
        end = after_item(journal, end)?;
    }
    let tail = journal.get(end..end + END_BYTES)?;
    let sum = u64::from_le_bytes(tail[1..9].try_into().ok()?);
    let whole = tail[0] == 3 && &tail[9..] == TRAILER && sum == xxh3_64(&journal[items..end]);
    whole.then_some(end + END_BYTES)
}

fn after_item(journal: &[u8], at: usize) -> Option<usize> {
    match journal.get(at)? {
        2 => {
            let head = journal.get(at..at + ITEM_BYTES)?;
            let key = usize::from(u16::from_le_bytes(head[11..13].try_into().ok()?));
            let value = usize::try_from(u32::from_le_bytes(head[17..21].try_into().ok()?)).ok()?;
            Some(at + ITEM_BYTES + key + value)
        }
        4 => Some(at + 9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(value: &[u8]) -> Vec<u8> {
        batch_of(&[value])
    }

    fn batch_of(values: &[&[u8]]) -> Vec<u8> {
        let items = values.iter().map(|value| item(value)).collect::<Vec<_>>().concat();
        let start = [&[1], &(values.len() as u32).to_le_bytes()[..], &9_u64.to_le_bytes()].concat();
        let end = [&[3], &xxh3_64(&items).to_le_bytes()[..], TRAILER].concat();
        [start, items, end].concat()
    }

    fn item(value: &[u8]) -> Vec<u8> {
        let lengths = [&1_u16.to_le_bytes()[..], &(value.len() as u32).to_le_bytes().repeat(2)].concat();
        [&[2, 0, 0], &7_u64.to_le_bytes()[..], &lengths, b"k", value].concat()
    }

    #[test]
    fn whole_batches_and_the_zeros_behind_them_are_not_torn() {
        let journal = [batch(b"a"), batch(&[7; 2_000]), vec![0; 5_000]].concat();
        assert_eq!(torn_at(&journal), None);
        assert_eq!((torn_at(&[]), torn_at(&[0; 9])), (None, None));
    }

    #[test]
    fn the_last_batch_is_torn_wherever_it_is_broken() {
        let whole = batch(b"a");
        // The database does not check the sequence number.
        let unchecked = 5..START_BYTES;
        for at in (0..batch(b"bcd").len()).filter(|at| !unchecked.contains(at)) {
            let mut last = batch(b"bcd");
            last[at] ^= 1;
            let journal = [&whole[..], &last, &[0; 99]].concat();
            assert_eq!(torn_at(&journal), Some(whole.len()), "byte {at}");
        }
    }

    #[test]
    fn a_batch_in_the_middle_is_torn_where_a_sector_was_not_written_and_damaged_elsewhere() {
        let mut large = batch(&[7; 4_000]);
        let first = batch(b"a");
        large[900] ^= 1;
        let journal = [&first[..], &large, &batch(b"b")].concat();
        assert_eq!(torn_at(&journal), None, "damage");
        large[SECTOR_BYTES..3 * SECTOR_BYTES].fill(0);
        let journal = [&first[..], &large, &batch(b"b")].concat();
        assert_eq!(torn_at(&journal), Some(first.len()), "two sectors were not written");
    }

    #[test]
    fn zeros_in_a_row_whose_seal_holds_were_written() {
        let zeros = seal::seal(Table::Cells, b"k", &[0; 4_000]);
        let mut two = batch_of(&[&zeros, &[7; 100]]);
        let at = two.len() - 50;
        two[at] ^= 1;
        let journal = |two: &[u8]| [&batch(b"a"), two, &batch(b"b")].concat();
        assert_eq!(torn_at(&journal(&two)), None, "another row is damaged");
        two[START_BYTES + ITEM_BYTES + 5] ^= 1;
        assert_eq!(torn_at(&journal(&two)), Some(batch(b"a").len()), "its own seal is broken");
    }

    #[test]
    fn only_the_newest_journal_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let torn = [batch(b"a"), vec![1, 2, 3]].concat();
        for name in ["9.jnl", "10.jnl", "11.txt"] {
            fs::write(dir.path().join(name), &torn).unwrap();
        }
        assert!(cut(dir.path()).unwrap());
        let len = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len() as usize;
        assert_eq!((len("9.jnl"), len("10.jnl")), (torn.len(), torn.len() - 3));
        assert!(!cut(dir.path()).unwrap());
    }
}
