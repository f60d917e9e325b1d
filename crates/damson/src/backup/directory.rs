//! A backup in a directory.
//!
//! ```text
//! <dir>/lock                   while somebody writes
//! <dir>/000000.rows, ...       the segments
//! <dir>/manifest.unfinished    those that are whole, renewed behind each; gone in the end
//! <dir>/manifest               all of them; written last, so that it stands for a whole backup
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use damson_store::durable_file;

use super::error::{BackupError, RestoreError};
use super::place::{Files, MANIFEST, UNFINISHED};

const LOCK: &str = "lock";

/// A directory, locked while somebody writes to it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: Option<File>,
}

impl Directory {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: None }
    }
}

impl Files for Directory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn claim(&mut self) -> Result<(), BackupError> {
        self.path =
            std::path::absolute(&self.path).map_err(BackupError::io("find the directory", &self.path))?;
        fs::create_dir_all(&self.path).map_err(BackupError::io("create the directory", &self.path))?;
        check_entries(&self.path)?;
        self.lock = Some(lock(&self.path)?);
        Ok(())
    }

    fn segment_name(&self, _backup: &str, number: usize) -> String {
        format!("{number:06}.rows")
    }

    fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, RestoreError> {
        let path = self.path_of(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RestoreError::io("open", &path)(error)),
        };
        let mut contents = Vec::new();
        file.take(bytes_max).read_to_end(&mut contents).map_err(RestoreError::io("read", &path))?;
        Ok(Some(contents))
    }

    fn write(&self, name: &str, contents: Bytes) -> Result<(), BackupError> {
        Ok(durable_file::write(&self.path_of(name), &contents)?)
    }

    /// First the list, then what it lists: a crash between the two leaves segments that nobody believes in.
    fn clear(&self) -> Result<(), BackupError> {
        let entries = segments_in(&self.path)?;
        let list = Some(self.path_of(UNFINISHED)).filter(|path| path.exists());
        for path in list.into_iter().chain(entries) {
            fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
        }
        Ok(())
    }

    fn is_list_due(&self, _segments: usize) -> bool {
        true
    }

    fn finish(&self, _backup: &str, manifest: Bytes) -> Result<(), BackupError> {
        self.write(MANIFEST, manifest)?;
        for name in [UNFINISHED, LOCK] {
            let path = self.path_of(name);
            fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
        }
        Ok(())
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
