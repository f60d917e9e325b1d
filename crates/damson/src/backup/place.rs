//! Where a backup lies: in a directory, or in object storage.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::directory::Directory;
use super::error::{BackupError, PlaceError, RestoreError};

/// The file whose presence makes a place a backup.
pub(super) const MANIFEST: &str = "manifest";
/// Segments that are whole, as long as there is no manifest.
pub(super) const UNFINISHED: &str = "manifest.unfinished";

/// Where a backup lies. Any path is one: a directory.
#[derive(Debug)]
pub struct Place(pub(super) Box<dyn Files>);

impl Place {
    /// What people write: a directory, or with the feature `object-storage` `s3://BUCKET/PREFIX`, for which the
    /// environment says who asks and where.
    ///
    /// # Errors
    /// [`PlaceError`]; nobody was asked yet.
    pub fn parse(text: impl AsRef<Path>) -> Result<Self, PlaceError> {
        let path = text.as_ref();
        match path.to_str().and_then(|text| text.split_once("://")) {
            None => Ok(path.into()),
            Some(("s3", rest)) => in_object_storage(rest),
            Some((scheme, _)) => Err(PlaceError::UnknownScheme { scheme: scheme.into() }),
        }
    }
}

#[cfg(feature = "object-storage")]
fn in_object_storage(address: &str) -> Result<Place, PlaceError> {
    use super::object_storage::{ObjectStorage, StorageSettings};

    let address = format!("s3://{address}");
    Ok(ObjectStorage::new(&address, StorageSettings::from_env()?)?.into())
}

#[cfg(not(feature = "object-storage"))]
fn in_object_storage(_: &str) -> Result<Place, PlaceError> {
    Err(PlaceError::NoObjectStorage)
}

impl<P: AsRef<Path>> From<P> for Place {
    fn from(path: P) -> Self {
        Self(Box::new(Directory::new(path.as_ref())))
    }
}

#[cfg(feature = "object-storage")]
impl From<super::ObjectStorage> for Place {
    fn from(storage: super::ObjectStorage) -> Self {
        Self(Box::new(storage))
    }
}

/// The files of a backup, by their names. Everything here blocks.
pub(super) trait Files: fmt::Debug + Send + Sync {
    /// The place as people write it.
    fn path(&self) -> &Path;

    /// Prepares for writing. Refuses what is no backup, or a whole one.
    fn claim(&mut self) -> Result<(), BackupError>;

    /// How a segment of a backup is named.
    fn segment_name(&self, backup: &str, number: usize) -> String;

    /// The contents of a file, no more than `bytes_max` of it; `None` if it is not there.
    fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, RestoreError>;

    /// Writes a file as a whole, over what was there. It is durable when this returns.
    fn write(&self, name: &str, contents: Bytes) -> Result<(), BackupError>;

    /// Prepares for another backup than the one that was begun.
    fn clear(&self) -> Result<(), BackupError>;

    /// Is the list of whole segments renewed, now that there are so many?
    fn is_list_due(&self, segments: usize) -> bool;

    /// Writes the manifest of a backup, unless there is one, and removes what only an unfinished one has.
    fn finish(&self, backup: &str, manifest: Bytes) -> Result<(), BackupError>;

    /// A file as people write it.
    fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}
