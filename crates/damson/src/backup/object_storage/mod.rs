//! A backup in object storage that speaks S3.
//!
//! ```text
//! s3://BUCKET/PREFIX/<backup>/000000.rows, ...   the segments, below the id of the backup
//! s3://BUCKET/PREFIX/manifest.unfinished         those that are whole; gone in the end
//! s3://BUCKET/PREFIX/manifest                    all of them; written last, and only where there is none
//! ```
//!
//! There is no lock. Backups do not need one: each has segments of its own, nothing is removed before a manifest is there,
//! and only one can become the manifest. Who is second is refused, and what it has written is in nobody's way.

mod address;
mod client;
mod error;
mod settings;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use self::address::Address;
use self::worker::Worker;
use super::error::{BackupError, RestoreError};
use super::place::{Files, MANIFEST, UNFINISHED};

pub use self::error::StorageError;
pub use self::settings::StorageSettings;

/// Most objects of unfinished backups that are removed: of some 800 GB. Who has more has rules for that.
const LEFT_MAX: usize = 100_000;

/// A prefix in a bucket.
pub struct ObjectStorage {
    address: Address,
    path: PathBuf,
    endpoint: String,
    store: Arc<AmazonS3>,
    worker: Worker,
}

impl ObjectStorage {
    /// A place like `s3://BUCKET/PREFIX`. Nobody is asked yet.
    ///
    /// # Errors
    /// [`StorageError::Address`], [`StorageError::Endpoint`], or [`StorageError::Client`] when there can be no client.
    pub fn new(address: &str, settings: StorageSettings) -> Result<Self, StorageError> {
        let address = Address::parse(address)?;
        let endpoint = settings.endpoint();
        let store = Arc::new(client::connect(&address.bucket, settings)?);
        let worker = Worker::start().map_err(|error| StorageError::Client { cause: error.to_string() })?;
        Ok(Self { path: address.to_string().into(), address, endpoint, store, worker })
    }

    /// The key of a file, which may be in a folder.
    fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.address.prefix.clone(), Key::join)
    }

    fn failed(&self, action: &'static str, name: &str, error: &Error) -> StorageError {
        let path = self.path_of(name);
        StorageError::of(action, &path, &self.address.bucket, &self.endpoint, error)
    }

    fn get(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StorageError> {
        let (store, key) = (Arc::clone(&self.store), self.key(name));
        match self.worker.wait(async move { get(&store, &key, bytes_max).await }) {
            Ok(contents) => Ok(Some(contents)),
            Err(error @ Error::NotFound { .. }) if !error::is_about_bucket(&error) => Ok(None),
            Err(error) => Err(self.failed("read", name, &error)),
        }
    }

    fn put(&self, name: &str, contents: Bytes, mode: PutMode) -> Result<(), Error> {
        let (store, key) = (Arc::clone(&self.store), self.key(name));
        let options = PutOptions::from(mode);
        self.worker.wait(async move { store.put_opts(&key, PutPayload::from(contents), options).await })?;
        Ok(())
    }

    /// The names below the prefix of which this is true, up to so many.
    fn find(
        &self,
        count_max: usize,
        is_wanted: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<String>, StorageError> {
        let (store, prefix) = (Arc::clone(&self.store), self.address.prefix.clone());
        let found = self.worker.wait(async move {
            let mut objects = store.list(Some(&prefix));
            let mut found = Vec::new();
            while let Some(object) = objects.next().await {
                let name = name_below(&prefix, &object?.location);
                if is_wanted(&name) {
                    found.push(name);
                }
                if found.len() == count_max {
                    break;
                }
            }
            Ok(found)
        });
        found.map_err(|error| self.failed("list", "", &error))
    }

    /// Writes the manifest where there is none.
    fn put_first(&self, manifest: Bytes) -> Result<(), BackupError> {
        let written = match self.put(MANIFEST, manifest.clone(), PutMode::Create) {
            // Ours may be there, of which we had no answer, or somebody else's.
            Err(Error::AlreadyExists { .. }) => {
                let found = self.get(MANIFEST, manifest.len() as u64 + 1)?;
                let is_ours = found.is_some_and(|found| found == manifest);
                return if is_ours { Ok(()) } else { Err(self.is_finished()) };
            }
            // A service that knows no conditions: the next best is to look first.
            Err(error) if error::is_unknown_there(&error) => match self.get(MANIFEST, 0)? {
                Some(_) => return Err(self.is_finished()),
                None => self.put(MANIFEST, manifest, PutMode::Overwrite),
            },
            written => written,
        };
        Ok(written.map_err(|error| self.failed("write", MANIFEST, &error))?)
    }

    fn is_finished(&self) -> BackupError {
        BackupError::Finished { path: self.path.clone() }
    }

    /// Removes what is left of unfinished backups, if we may. Nobody needs it to be gone.
    fn tidy(&self, backup: &str) -> Result<(), StorageError> {
        let ours = format!("{backup}/");
        let is_left = move |name: &str| name == UNFINISHED || (is_segment(name) && !name.starts_with(&ours));
        let left = self.find(LEFT_MAX, is_left)?;
        let keys: Vec<_> = left.iter().map(|name| Ok(self.key(name))).collect();
        let store = Arc::clone(&self.store);
        let removed = self.worker.wait(async move {
            let mut removed = store.delete_stream(stream::iter(keys).boxed());
            while let Some(done) = removed.next().await {
                done?;
            }
            Ok(())
        });
        removed.map_err(|error| self.failed("remove from", "", &error))
    }
}

impl Files for ObjectStorage {
    fn path(&self) -> &Path {
        &self.path
    }

    fn claim(&mut self) -> Result<(), BackupError> {
        if self.get(MANIFEST, 0)?.is_some() {
            return Err(self.is_finished());
        }
        // Some consoles leave an empty object with the name of the prefix itself.
        let is_foreign = |name: &str| !(name.is_empty() || name == UNFINISHED || is_segment(name));
        match self.find(1, is_foreign)?.first() {
            Some(name) => Err(BackupError::Foreign { path: self.path_of(name) }),
            None => Ok(()),
        }
    }

    fn segment_name(&self, backup: &str, number: usize) -> String {
        format!("{backup}/{number:06}.rows")
    }

    fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, RestoreError> {
        Ok(self.get(name, bytes_max)?)
    }

    fn write(&self, name: &str, contents: Bytes) -> Result<(), BackupError> {
        let written = self.put(name, contents, PutMode::Overwrite);
        Ok(written.map_err(|error| self.failed("write", name, &error))?)
    }

    /// Another backup has other names. What there is of the first one may be somebody's who is still at it.
    fn clear(&self) -> Result<(), BackupError> {
        Ok(())
    }

    /// Each time as long as it is short. Renewed always, the lists of a terabyte would be another one.
    fn is_list_due(&self, segments: usize) -> bool {
        segments.is_multiple_of(1 + segments / 64)
    }

    fn finish(&self, backup: &str, manifest: Bytes) -> Result<(), BackupError> {
        self.put_first(manifest)?;
        if let Err(error) = self.tidy(backup) {
            tracing::warn!(%error, "the backup is finished, and something of unfinished ones is left beside it");
        }
        Ok(())
    }
}

/// Never the credentials.
impl fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStorage").field("address", &self.address).finish_non_exhaustive()
    }
}

/// No more of an object than asked for, however long it is.
async fn get(store: &AmazonS3, key: &Key, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let mut parts = store.get(key).await?.into_stream();
    let (mut contents, mut room) = (Vec::new(), usize::try_from(bytes_max).unwrap_or(usize::MAX));
    while room > 0
        && let Some(part) = parts.next().await
    {
        let part = part?;
        let taken = &part[..part.len().min(room)];
        contents.extend_from_slice(taken);
        room -= taken.len();
    }
    Ok(contents)
}

fn name_below(prefix: &Key, key: &Key) -> String {
    let name = key.as_ref().strip_prefix(prefix.as_ref()).unwrap_or(key.as_ref());
    name.trim_start_matches('/').into()
}

/// `0123456789abcdef/000000.rows`
fn is_segment(name: &str) -> bool {
    let number = |file: &str| file.strip_suffix(".rows").map(str::to_owned);
    name.split_once('/').is_some_and(|(backup, file)| {
        let is_id = backup.len() == 16 && backup.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = |n: String| n.len() >= 6 && n.bytes().all(|byte| byte.is_ascii_digit());
        is_id && number(file).is_some_and(is_number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> ObjectStorage {
        let of = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("somebody".to_string()),
            "AWS_SECRET_ACCESS_KEY" => Some("whispered".to_string()),
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:1".to_string()),
            _ => None,
        };
        ObjectStorage::new("s3://bucket/a/b", StorageSettings::from_lookup(of).unwrap()).unwrap()
    }

    #[test]
    fn files_lie_below_the_prefix_and_segments_below_their_backup() {
        let storage = storage();
        assert_eq!(storage.key(MANIFEST).as_ref(), "a/b/manifest");
        let name = storage.segment_name("0123456789abcdef", 12);
        assert_eq!(storage.key(&name).as_ref(), "a/b/0123456789abcdef/000012.rows");
        assert!(is_segment(&name));
        assert_eq!(name_below(&storage.address.prefix, &storage.key(&name)), name);
        for other in
            ["000012.rows", "0123456789abcdef/12.rows", "x/000012.rows", "0123456789abcdef/a/000012.rows"]
        {
            assert!(!is_segment(other), "{other}");
        }
    }

    #[test]
    fn a_list_is_renewed_often_and_costs_little() {
        let storage = storage();
        assert!((1..64).all(|segments| storage.is_list_due(segments)));
        let renewed: usize = (1..=100_000).filter(|n| storage.is_list_due(*n)).sum();
        assert!(renewed < 100 * 100_000, "{renewed} entries are written for 100,000 segments");
    }

    #[test]
    fn what_is_printed_for_debugging_keeps_the_secret() {
        let printed = format!("{:?}", storage());
        assert!(printed.contains("bucket") && !printed.contains("whispered"), "{printed}");
    }

    #[test]
    fn it_can_be_dropped_where_nothing_may_block() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { drop(storage()) });
    }
}
