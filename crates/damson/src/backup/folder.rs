//! A backup that is being written to a directory.
//!
//! ```text
//! <dir>/lock                   while somebody writes
//! <dir>/000000.rows, ...       the segments
//! <dir>/manifest.unfinished    those that are whole, renewed behind each; gone in the end
//! <dir>/manifest               all of them; written last, so that it stands for a whole backup
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use damson_store::durable_file;

use super::error::{BackupError, RestoreError};
use super::facts::Facts;
use super::manifest::{Manifest, SegmentEntry, segment_name};
use super::segment::{self, Segment};

const LOCK: &str = "lock";
const UNFINISHED: &str = "manifest.unfinished";
/// The file whose presence makes a directory a backup.
pub(super) const MANIFEST: &str = "manifest";

/// A directory that becomes a backup. When it is dropped before it is finished, what is whole stays, and another can go on.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    manifest: Option<Manifest>,
    _lock: File,
}

impl Folder {
    /// Creates the directory if need be, and looks what is there: nothing, or an unfinished backup that can go on.
    ///
    /// # Errors
    /// [`BackupError`] where it is anything else; nothing was touched then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BackupError> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(BackupError::io("find the directory", path))?;
        fs::create_dir_all(&path).map_err(BackupError::io("create the directory", &path))?;
        check_entries(&path)?;
        let lock = lock(&path)?;
        let unfinished = path.join(UNFINISHED);
        let manifest = Manifest::read(&unfinished).map_err(|error| unusable(&path, &error))?;
        Ok(Self { path, manifest, _lock: lock })
    }

    /// Of what the unfinished backup is that was found, or begun.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.manifest.as_ref().map(|manifest| &manifest.facts)
    }

    /// What is whole so far.
    #[must_use]
    pub fn so_far(&self) -> &[SegmentEntry] {
        self.manifest.as_ref().map_or(&[], |manifest| &manifest.segments)
    }

    /// Checks what is whole so far, before it is gone on with.
    ///
    /// # Errors
    /// [`BackupError::Unusable`] when a segment is not as it was written.
    pub fn check_so_far(&self) -> Result<(), BackupError> {
        for (number, entry) in self.so_far().iter().enumerate() {
            let path = self.path.join(segment_name(number));
            entry.read(&path).map_err(|error| unusable(&self.path, &error))?;
        }
        Ok(())
    }

    /// Begins a backup. What there was of another is removed.
    ///
    /// # Errors
    /// [`BackupError::Io`] or [`BackupError::Store`]; the directory can be used again.
    pub fn begin(&mut self, facts: Facts) -> Result<(), BackupError> {
        self.manifest = None;
        // First the list, then what it lists: a crash between the two leaves segments that nobody believes in.
        let entries = segments_in(&self.path)?;
        for path in std::iter::once(self.path.join(UNFINISHED)).filter(|path| path.exists()).chain(entries) {
            fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
        }
        let manifest = Manifest { facts, segments: Vec::new() };
        manifest.write(&self.path.join(UNFINISHED))?;
        self.manifest = Some(manifest);
        Ok(())
    }

    /// Adds the next segment, with the checksum that its source has told. It is on disk when this returns.
    ///
    /// # Errors
    /// [`BackupError::DamagedOnTheWay`] when it is not what was told, [`BackupError::Io`] or [`BackupError::Store`] when
    /// it cannot be written. What was added before stays.
    ///
    /// # Panics
    /// When no backup was begun.
    pub fn add(&mut self, segment: &Segment, blake3: &str) -> Result<(), BackupError> {
        let manifest = self.manifest.as_mut().expect("a backup was begun");
        let number = manifest.segments.len();
        let entry = SegmentEntry::of(segment);
        let rows = segment::rows(&segment.bytes);
        let fault = match rows {
            _ if entry.blake3 != blake3 => Some("its checksum does not match"),
            Err(fault) => Some(fault),
            Ok(rows) if rows.len() as u64 != segment.rows => {
                Some("it does not have as many rows as was told")
            }
            Ok(_) => None,
        };
        if let Some(cause) = fault {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            return Err(BackupError::DamagedOnTheWay { number, cause });
        }
        durable_file::write(&self.path.join(segment_name(number)), &segment.bytes)?;
        manifest.segments.push(entry);
        let written = manifest.write(&self.path.join(UNFINISHED));
        if written.is_err() {
            manifest.segments.pop();
        }
        written
    }

    /// All segments are there: from now on the directory is a backup.
    ///
    /// # Errors
    /// [`BackupError::Store`] or [`BackupError::Io`]; it may be one or not, and opening it again tells.
    ///
    /// # Panics
    /// When no backup was begun.
    pub fn finish(self) -> Result<Manifest, BackupError> {
        let manifest = self.manifest.expect("a backup was begun");
        manifest.write(&self.path.join(MANIFEST))?;
        for name in [UNFINISHED, LOCK] {
            let path = self.path.join(name);
            fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
        }
        Ok(manifest)
    }
}

/// Refuses what is no backup, or a whole one.
fn check_entries(path: &Path) -> Result<(), BackupError> {
    let entries = fs::read_dir(path).map_err(BackupError::io("list", path))?;
    let mut foreign = None;
    for entry in entries {
        let entry = entry.map_err(BackupError::io("list", path))?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match &*name {
            MANIFEST => return Err(BackupError::Finished { path: path.to_owned() }),
            LOCK | UNFINISHED | "manifest.new" | "manifest.unfinished.new" => {}
            name if is_segment(name) => {}
            _ => foreign = Some(entry),
        }
    }
    foreign.map_or(Ok(()), |path| Err(BackupError::Foreign { path }))
}

fn is_segment(name: &str) -> bool {
    let number = name.strip_suffix(".new").unwrap_or(name).strip_suffix(".rows");
    number.is_some_and(|number| number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn segments_in(path: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(BackupError::io("list", path))?;
    let is_one = |entry: &fs::DirEntry| is_segment(&entry.file_name().to_string_lossy());
    Ok(entries.iter().filter(|entry| is_one(entry)).map(fs::DirEntry::path).collect())
}

fn lock(dir: &Path) -> Result<File, BackupError> {
    let path = dir.join(LOCK);
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(BackupError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(BackupError::io("lock", &path)(source)),
    }
}

fn unusable(path: &Path, error: &RestoreError) -> BackupError {
    BackupError::Unusable { path: path.to_owned(), cause: error.to_string() }
}
