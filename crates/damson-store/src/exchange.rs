//! Another database in the place of a damaged one.
//!
//! It is written to the end beside the old one, and only then both are moved: the old one aside, the new one into its place. A
//! process that is killed before the first move leaves an unfinished database, which is removed; between the two, a finished
//! one without a rival, which is moved by the next open.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data_dir::{DatabaseClaim, exists};
use crate::{StoreError, durable_file};

/// Ends an exchange that was cut short, one way or the other.
pub(crate) fn settle(claim: &DatabaseClaim) -> Result<(), StoreError> {
    let (next, folder) = (claim.next_folder(), claim.folder());
    if !exists(&next)? {
        return Ok(());
    }
    if exists(&folder)? { remove(&next) } else { durable_file::rename(&next, &folder) }
}

/// Exchanges both. Says where the old one is.
pub(crate) fn carry_out(claim: &DatabaseClaim) -> Result<PathBuf, StoreError> {
    let aside = set_aside(claim, "damaged-")?;
    durable_file::rename(&claim.next_folder(), &claim.folder())?;
    Ok(aside)
}

/// Moves the database to where evidence is kept.
pub(crate) fn set_aside(claim: &DatabaseClaim, prefix: &str) -> Result<PathBuf, StoreError> {
    let aside = claim.first_free(prefix)?;
    durable_file::rename(&claim.folder(), &aside)?;
    Ok(aside)
}

/// Removes a database that was never finished, if there is one.
pub(crate) fn remove(folder: &Path) -> Result<(), StoreError> {
    if exists(folder)? {
        fs::remove_dir_all(folder).map_err(StoreError::io("remove the unfinished database", folder))?;
    }
    Ok(())
}
