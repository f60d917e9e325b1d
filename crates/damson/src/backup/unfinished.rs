//! A backup that is being written.
//!
//! Segments come in their order; a list of those that are whole is kept beside them, and becomes the manifest in the end.

use super::Progress;
use super::error::{BackupError, RestoreError};
use super::facts::Facts;
use super::manifest::{Manifest, SegmentEntry};
use super::place::{Files, Place, UNFINISHED};
use super::segment::{self, Segment};

/// A place that becomes a backup. When it is dropped before it is finished, what is whole stays, and another can go on.
#[derive(Debug)]
pub struct Unfinished {
    files: Box<dyn Files>,
    manifest: Option<Manifest>,
}

impl Unfinished {
    /// Creates the directory if need be, and looks what is there: nothing, or an unfinished backup that can go on.
    ///
    /// # Errors
    /// [`BackupError`] where it is anything else; nothing was touched then.
    pub fn open(place: impl Into<Place>) -> Result<Self, BackupError> {
        let Place(mut files) = place.into();
        files.claim()?;
        let manifest = Manifest::read(&*files, UNFINISHED).map_err(|error| unusable(&*files, error))?;
        Ok(Self { files, manifest })
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

    /// Reads what is whole so far and checks it, before it is gone on with.
    ///
    /// # Errors
    /// [`BackupError::Unusable`] when a segment is not as it was written, or that of the storage.
    pub fn check_so_far(&self, progress: &mut Progress<'_>) -> Result<(), BackupError> {
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let (mut done, of) = (0, manifest.bytes());
        for (number, entry) in manifest.segments.iter().enumerate() {
            let name = self.files.segment_name(&manifest.facts.id, number);
            entry.read(&*self.files, &name).map_err(|error| unusable(&*self.files, error))?;
            done += entry.bytes;
            progress(done, of);
        }
        Ok(())
    }

    /// Begins a backup. What there was of another is removed, or will be when this one is finished.
    ///
    /// # Errors
    /// [`BackupError`] of the place; it can be used again.
    pub fn begin(&mut self, facts: Facts) -> Result<(), BackupError> {
        self.manifest = None;
        self.files.clear()?;
        let manifest = Manifest { facts, segments: Vec::new() };
        self.files.write(UNFINISHED, manifest.encode())?;
        self.manifest = Some(manifest);
        Ok(())
    }

    /// Adds the next segment, with the checksum that its source has told. It is durable when this returns.
    ///
    /// # Errors
    /// [`BackupError::DamagedOnTheWay`] when it is not what was told, or that of the place when it cannot be written.
    /// What was added before stays.
    ///
    /// # Panics
    /// When no backup was begun.
    pub fn add(&mut self, segment: &Segment, blake3: &str) -> Result<(), BackupError> {
        let manifest = self.manifest.as_mut().expect("a backup was begun");
        let number = manifest.segments.len();
        let entry = SegmentEntry::of(segment);
        if let Some(cause) = fault_of(segment, &entry, blake3) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            return Err(BackupError::DamagedOnTheWay { number, cause });
        }
        self.files.write(&self.files.segment_name(&manifest.facts.id, number), segment.bytes.clone())?;
        manifest.segments.push(entry);
        if !self.files.is_list_due(manifest.segments.len()) {
            return Ok(());
        }
        let written = self.files.write(UNFINISHED, manifest.encode());
        if written.is_err() {
            manifest.segments.pop();
        }
        written
    }

    /// All segments are there: from now on the place is a backup.
    ///
    /// # Errors
    /// [`BackupError`] of the place; it may be one or not, and opening it again tells.
    ///
    /// # Panics
    /// When no backup was begun.
    pub fn finish(self) -> Result<Manifest, BackupError> {
        let manifest = self.manifest.expect("a backup was begun");
        self.files.finish(&manifest.facts.id, manifest.encode())?;
        Ok(manifest)
    }
}

/// Is a segment not what its source has told?
fn fault_of(segment: &Segment, entry: &SegmentEntry, blake3: &str) -> Option<&'static str> {
    match segment::rows(&segment.bytes) {
        _ if entry.blake3 != blake3 => Some("its checksum does not match"),
        Err(fault) => Some(fault),
        Ok(rows) if rows.len() as u64 != segment.rows => Some("it does not have as many rows as was told"),
        Ok(_) => None,
    }
}

fn unusable(files: &dyn Files, error: RestoreError) -> BackupError {
    match error {
        // It may be as good as it was; it could not be read.
        #[cfg(feature = "object-storage")]
        RestoreError::Storage(error) => error.into(),
        error => BackupError::Unusable { path: files.path().to_owned(), cause: error.to_string() },
    }
}
