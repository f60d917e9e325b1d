//! A new key for a node, which makes it another node with the same data.
//!
//! An id is a hash of a key, so nobody can have the same id with another key. What is stored does not depend on the key, but for
//! the names of the lives that wrote it: those have ended, as after a crash, and the next start begins a new one under the
//! new id. Members see somebody new who has everything already; the old id has left, or is dead, and can be forgotten.

use std::path::{Path, PathBuf};

use damson_store::{DataDir, StoreError};

use super::{Identity, IdentityError};

/// A key that has taken the place of another.
#[derive(Debug)]
pub struct Rotated {
    /// The node id until now.
    pub former: [u8; 16],
    /// The new identity, which is on disk.
    pub identity: Identity,
}

/// Why a data directory has the key that it had. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The directory: in use by a node, unreadable, of a newer format.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key in it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Identity {
    /// Puts a new key in the place of the one in `path`, durably, at once or not at all. The old key is not kept: it may be known to
    /// others, and two nodes with one data directory between them must not come of it. The caller sees to it that no node runs
    /// with it; [`rotate_data_dir`] does.
    ///
    /// # Errors
    /// [`IdentityError::Missing`] if there is no key, and those of [`Identity::load_or_create`]. The file stays as it was then.
    pub fn rotate(path: impl AsRef<Path>) -> Result<Rotated, IdentityError> {
        let path = path.as_ref();
        let former = Identity::load(path)?.ok_or_else(|| IdentityError::Missing { path: path.into() })?;
        let identity = Identity::create(path)?;
        Ok(Rotated { former: former.node_id(), identity })
    }
}

/// Gives the node of a data directory a new key, and so a new id. Its data stay, and all counts: the next start is a new life.
///
/// # Errors
/// [`RotationError`]; a directory that a node runs on is refused.
pub fn rotate_data_dir(path: impl AsRef<Path>) -> Result<Rotated, RotationError> {
    let key = key_of(path.as_ref());
    // To open a directory that is not there would make it.
    if !key.exists() {
        return Err(IdentityError::Missing { path: key }.into());
    }
    let _owned = DataDir::open(path)?;
    Ok(Identity::rotate(key)?)
}

/// Where a data directory has its node's key.
pub(crate) fn key_of(data_dir: &Path) -> PathBuf {
    data_dir.join("node.key")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_rotated_key_is_another_one_and_is_loaded_from_then_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        let before = Identity::load_or_create(&path).unwrap();
        let Rotated { former, identity } = Identity::rotate(&path).unwrap();
        assert_eq!(former, before.node_id());
        assert_ne!(identity.node_id(), former);
        assert_eq!(Identity::load_or_create(&path).unwrap().node_id(), identity.node_id());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the old key is nowhere");
    }

    #[test]
    fn nothing_is_made_where_there_is_no_key_and_a_damaged_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        assert!(matches!(Identity::rotate(&path), Err(IdentityError::Missing { .. })));
        assert!(!path.exists());
        fs::write(&path, "no key").unwrap();
        assert!(matches!(Identity::rotate(&path), Err(IdentityError::Damaged { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"no key");
        let gone = directory.path().join("gone");
        let error = rotate_data_dir(&gone).unwrap_err();
        assert!(error.to_string().contains("gone") && !gone.exists(), "{error}");
    }

    #[test]
    fn a_directory_that_is_in_use_keeps_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let owned = DataDir::open(directory.path()).unwrap();
        let before = Identity::load_or_create(key_of(directory.path())).unwrap().node_id();
        let error = rotate_data_dir(directory.path()).unwrap_err();
        assert!(matches!(error, RotationError::Store(StoreError::AlreadyOwned { .. })), "{error}");
        assert_eq!(Identity::load_or_create(key_of(directory.path())).unwrap().node_id(), before);
        drop(owned);
        assert_eq!(rotate_data_dir(directory.path()).unwrap().former, before);
    }
}
