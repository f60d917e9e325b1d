//! A finished backup, read and checked.

use std::path::{Path, PathBuf};

use damson_core::persist::Table;
use damson_core::replica::scope_of_row;

use super::contents::{CheckedScope, Contents};
use super::error::RestoreError;
use super::manifest::{Manifest, SegmentEntry};
use super::place::{Files, MANIFEST, Place, UNFINISHED};
use super::segment::{self, RowRef};

/// A place with a manifest.
pub(super) struct Finished {
    files: Box<dyn Files>,
    pub manifest: Manifest,
}

impl Finished {
    /// Reads the manifest.
    pub fn open(Place(files): Place) -> Result<Self, RestoreError> {
        if let Some(manifest) = Manifest::read(&*files, MANIFEST)? {
            return Ok(Self { files, manifest });
        }
        let path = files.path().to_owned();
        match files.read(UNFINISHED, 0)? {
            Some(_) => Err(RestoreError::Unfinished { path }),
            None => Err(RestoreError::NotABackup { path }),
        }
    }

    /// Checks every file, every row and the state that they make up, and says what is in it.
    pub fn check(&self, progress: &mut dyn FnMut(u64)) -> Result<Vec<CheckedScope>, RestoreError> {
        let mut contents = Contents::default();
        let mut last = None;
        for (number, entry) in self.manifest.segments.iter().enumerate() {
            let (path, bytes) = self.segment(number, entry)?;
            for (table, key, value) in rows(&path, &bytes)? {
                if last.as_ref().is_some_and(|last: &(Table, Vec<u8>)| (last.0, &last.1[..]) >= (table, key))
                {
                    return Err(RestoreError::damaged(&path, "its rows are not in their order"));
                }
                if table == Table::Meta || scope_of_row(key).is_none_or(|scope| scope.is_system()) {
                    return Err(RestoreError::damaged(&path, "it has a row that belongs into no backup"));
                }
                contents.row(table, key, value)?;
                last = Some((table, key.to_vec()));
            }
            progress(entry.bytes);
        }
        let scopes = contents.finish()?;
        self.compare(&scopes)?;
        Ok(scopes)
    }

    /// The rows of each segment, checked once more: the files may have changed meanwhile.
    pub fn each_segment(
        &self,
        mut visit: impl FnMut(&[RowRef<'_>], &SegmentEntry) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        for (number, entry) in self.manifest.segments.iter().enumerate() {
            let (path, bytes) = self.segment(number, entry)?;
            visit(&rows(&path, &bytes)?, entry)?;
        }
        Ok(())
    }

    /// A segment's contents, checked, and what its file is called.
    fn segment(&self, number: usize, entry: &SegmentEntry) -> Result<(PathBuf, Vec<u8>), RestoreError> {
        let name = self.files.segment_name(&self.manifest.facts.id, number);
        Ok((self.files.path_of(&name), entry.read(&*self.files, &name)?))
    }

    /// Is it the state that the node had?
    fn compare(&self, scopes: &[CheckedScope]) -> Result<(), RestoreError> {
        let facts = &self.manifest.facts.scopes;
        for scope in scopes {
            let written = facts.iter().find(|facts| facts.name == scope.name.as_str());
            let written = written.map_or("none", |facts| &facts.digest);
            if scope.digest.to_string() != written {
                let (name, found) = (scope.name.to_string(), scope.digest);
                return Err(RestoreError::Different { scope: name, found, written: written.into() });
            }
        }
        match facts.iter().find(|facts| scopes.iter().all(|scope| scope.name.as_str() != facts.name)) {
            Some(missing) => Err(RestoreError::damaged(
                &self.files.path_of(MANIFEST),
                format!("it names scope {}, of which there are no rows", missing.name),
            )),
            None => Ok(()),
        }
    }
}

fn rows<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<RowRef<'a>>, RestoreError> {
    segment::rows(bytes).map_err(|fault| RestoreError::damaged(path, fault))
}
