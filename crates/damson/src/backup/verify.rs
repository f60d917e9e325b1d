//! Looking whether what is on disk is sound, without a node.

use std::path::Path;

use damson_store::{DataDir, FjallStore, LoadReport, Store, StoreError};

use super::Progress;
use super::contents::{CheckedScope, Contents};
use super::error::RestoreError;
use super::finished::Finished;
use super::manifest::Manifest;
use super::place::Place;

/// What was found in a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The scopes, the system's included; none when the rows make up no sound state.
    pub scopes: Vec<CheckedScope>,
    /// Rows whose checksum matches.
    pub rows: u64,
    /// Rows whose checksum does not.
    pub damaged: u64,
    /// What is wrong, if anything is, and where first.
    pub damage: Option<String>,
    /// Bytes at the end of the journal that no whole batch followed, and that were cut off, as a start does. After a crash
    /// this is what was being written; after a clean stop it is damage.
    pub journal_bytes_cut: u64,
    /// There is a mark of a clean stop that cannot be believed: the next start is a new life.
    pub mark_damaged: bool,
}

/// Checks a data directory, as a start does: the checksum of every row, and that the rows make up a sound state. Needs as
/// much memory as the node, and blocks.
///
/// It changes nothing that a start would not change, and leaves the mark of a clean stop where it is.
///
/// # Errors
/// [`RestoreError::NoDataDir`], or [`RestoreError::Store`] when a node runs on it, its format is not ours, or the system
/// refuses. Damage is no error here, but what was looked for.
pub fn verify_data_dir(path: impl AsRef<Path>) -> Result<Verified, RestoreError> {
    let path = path.as_ref();
    // Opening would create what is missing.
    for missing in ["format", "database"] {
        if !path.join(missing).exists() {
            return Err(RestoreError::NoDataDir { path: path.to_owned(), missing });
        }
    }
    let dir = DataDir::open(path)?;
    let mut store = match FjallStore::open(&dir) {
        Err(error @ StoreError::Damaged { .. }) => return Ok(Verified::unreadable(error.to_string())),
        store => store?,
    };
    let (mut contents, mut unsound) = (Contents::default(), None);
    let loaded = store.load(&mut |table, key, value| {
        if let Err(error) = contents.row(table, key, value) {
            unsound.get_or_insert(error.to_string());
        }
    });
    match loaded {
        Ok(report) => Ok(Verified::of(report, contents, unsound)),
        Err(error @ StoreError::Damaged { .. }) => Ok(Verified::unreadable(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

impl Verified {
    /// The database cannot be read to its end.
    fn unreadable(damage: String) -> Self {
        Self {
            scopes: Vec::new(),
            rows: 0,
            damaged: 0,
            damage: Some(damage),
            journal_bytes_cut: 0,
            mark_damaged: false,
        }
    }

    fn of(report: LoadReport, contents: Contents, unsound: Option<String>) -> Self {
        let lost = report.lost_of_the_journal();
        let first = report.first_damaged.map(|(table, key)| {
            let (damaged, all) = (report.damaged, report.rows + report.damaged);
            let key = key.escape_ascii();
            format!(
                "{damaged} of {all} rows fail their checksum, the first in table {table:?} with key {key}"
            )
        });
        let mut damage = first.or(lost).or(unsound);
        let scopes = contents.finish().unwrap_or_else(|error| {
            damage.get_or_insert(error.to_string());
            Vec::new()
        });
        Self {
            scopes,
            rows: report.rows,
            damaged: report.damaged,
            damage,
            journal_bytes_cut: report.journal_bytes_cut,
            mark_damaged: report.mark_damaged,
        }
    }
}

/// Checks a backup as [`super::restore`] does before it writes anything. Needs as much memory as the node, and blocks.
///
/// # Errors
/// [`RestoreError`] with the first that is wrong.
pub fn verify_backup(
    place: impl Into<Place>,
    progress: &mut Progress<'_>,
) -> Result<(Manifest, Vec<CheckedScope>), RestoreError> {
    let backup = Finished::open(place.into())?;
    let (mut done, of) = (0, backup.manifest.bytes());
    let scopes = backup.check(&mut |bytes| {
        done += bytes;
        progress(done, of);
    })?;
    Ok((backup.manifest, scopes))
}
