//! The store on disk: fjall, a log-structured database with one journal for all its keyspaces.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode, Readable};

use crate::data_dir::{DataDir, DatabaseClaim, exists};
use crate::health::Health;
use crate::journal_tail::JournalTails;
use crate::mark::MarkFile;
use crate::snapshot::{Position, Snapshot, VisitSome};
use crate::store::{Durability, LoadReport, Store, Visit};
use crate::{StoreError, batch, durable_file, exchange, mark, read_ahead, room, seal, torn_journal};

/// Block cache, in bytes. Rows are read once, in order, at a start; a cache only helps compaction a little.
const CACHE_BYTES: u64 = 4 << 20;

/// Rows of one table that are held in memory until they move from the journal to a file of their own, in bytes. The
/// node has its state in memory already, so this is held twice; smaller means more and smaller files.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// Journals that are no longer written to, in bytes: the least that the database takes. One is kept until all tables have what it
/// says in files of their own, tables that hardly change too, and every start reads what is kept.
const JOURNALS_BYTES_MAX: u64 = 64 << 20;

/// A disk with less is full: what is held in memory of each table, and as much for the journal.
const ROOM_BYTES_MIN: u64 = 64 << 20;

/// Threads for compaction. It must keep up with the writes, not be fast.
const WORKER_THREADS: usize = 1;
/// Rows of one batch where many are written at once and nothing depends on their being together.
const COMMITTED_ROWS: usize = 4_096;

/// Rows in a fjall database: one keyspace for each table, one atomic batch across them.
pub struct FjallStore {
    /// `None` after an attempt to open it again that has failed.
    rows: Option<Rows>,
    mark: MarkFile,
    journal_bytes_cut: u64,
    journal_bytes_lost: u64,
    health: Health,
    /// What readers elsewhere hold of the database.
    instants: Vec<Weak<Mutex<Option<Instant>>>>,
    folder: PathBuf,
    // Last, so that the directory is given up after the database is closed.
    claim: Arc<DatabaseClaim>,
}

/// The open database.
#[derive(Clone)]
struct Rows {
    tables: [Keyspace; Table::ALL.len()],
    database: Database,
}

impl FjallStore {
    /// Opens the database of `dir`, or creates it. The store keeps the directory owned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it cannot be trusted: then [`DataDir::set_aside`] and open again.
    /// [`StoreError::InUse`] if a store is open on it, [`StoreError::Io`] if the system refuses.
    pub fn open(dir: &DataDir) -> Result<Self, StoreError> {
        let claim = dir.claim_database()?;
        exchange::settle(&claim)?;
        let folder = claim.folder();
        if !exists(&folder)? {
            create(&claim, &folder)?;
        }
        Self::open_at(folder, Arc::new(claim))
    }

    /// Sets the database of `dir` aside and opens another in its place, which holds these rows. Says where the first is now.
    /// Killed at any instant, the next open finds one of both, whole.
    ///
    /// # Errors
    ///
    /// Those of [`FjallStore::open`], and [`StoreError::Write`] if the rows cannot be written: then nothing has changed.
    pub fn replace(dir: &DataDir, rows: &[Row]) -> Result<(Self, PathBuf), StoreError> {
        let claim = Arc::new(dir.claim_database()?);
        exchange::settle(&claim)?;
        let (next, folder) = (claim.next_folder(), claim.folder());
        create(&claim, &next)?;
        let mut store = Self::open_at(next, claim.clone())?;
        rows.chunks(COMMITTED_ROWS).try_for_each(|some| store.commit(some, Durability::Written))?;
        store.flush()?;
        // Files cannot be moved everywhere while they are open.
        drop(store);
        let aside = exchange::carry_out(&claim)?;
        Ok((Self::open_at(folder, claim)?, aside))
    }

    fn open_at(folder: PathBuf, claim: Arc<DatabaseClaim>) -> Result<Self, StoreError> {
        let mark = MarkFile::read(folder.join("clean-stop"))?;
        let (rows, journal_bytes_cut) = open_rows(&folder)?;
        let journal_bytes_lost = lost(&folder, mark.is_left(), journal_bytes_cut)?;
        Ok(Self {
            rows: Some(rows),
            mark,
            journal_bytes_cut,
            journal_bytes_lost,
            health: Health::default(),
            instants: Vec::new(),
            folder,
            claim,
        })
    }

    /// Hands the rows to the database as one batch.
    fn write(&self, rows: &[Row], mode: PersistMode) -> Result<(), StoreError> {
        let Rows { tables, database } = self.rows()?;
        let mut batch = database.batch().durability(Some(mode));
        for ((table, key), value) in batch::last_writes(rows) {
            let keyspace = &tables[table as usize];
            match value {
                Some(value) => batch.insert(keyspace, key, seal::seal(table, key, value)),
                None => batch.remove(keyspace, key),
            }
        }
        // An empty batch does not persist, but what came before it may still have to.
        let outcome = if batch.is_empty() { database.persist(mode) } else { batch.commit() };
        outcome.map_err(|error| self.write_failed(error))
    }

    fn rows(&self) -> Result<&Rows, StoreError> {
        let closed = || StoreError::Poisoned { first: "the database could not be opened again".into() };
        self.rows.as_ref().ok_or_else(closed)
    }

    fn write_failed(&self, error: fjall::Error) -> StoreError {
        let path = self.folder.clone();
        match error {
            fjall::Error::Poisoned => StoreError::Background { path },
            error => StoreError::Write { path, source: Box::new(error) },
        }
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore")
            .field("folder", &self.folder)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

impl Store for FjallStore {
    fn rows_about(&self) -> u64 {
        let tables = self.rows.iter().flat_map(|rows| &rows.tables);
        tables.map(|table| table.approximate_len() as u64).sum()
    }

    fn load(&mut self, visit: &mut Visit<'_>) -> Result<LoadReport, StoreError> {
        let mut report = LoadReport {
            journal_bytes_cut: self.journal_bytes_cut,
            journal_bytes_lost: self.journal_bytes_lost,
            mark_damaged: self.mark.is_damaged(),
            ..LoadReport::default()
        };
        read_ahead::load(&self.folder, &self.rows()?.tables, &mut report, visit)?;
        Ok(report)
    }

    fn commit(&mut self, rows: &[Row], durability: Durability) -> Result<(), StoreError> {
        self.health.check()?;
        batch::check(rows)?;
        let unmarked = self.mark.take().map(drop);
        let outcome = unmarked.and_then(|()| self.write(rows, persist_mode(durability)));
        self.health.note(outcome)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.health.check()?;
        let outcome = self.rows()?.database.persist(persist_mode(Durability::Flushed));
        self.health.note(outcome.map_err(|error| self.write_failed(error)))
    }

    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.health.check()?;
        let outcome = self.mark.take();
        self.health.note(outcome)
    }

    fn leave_mark(&mut self, mark: &[u8]) -> Result<(), StoreError> {
        self.health.check()?;
        mark::check(mark)?;
        self.flush()?;
        let outcome = self.mark.leave(mark);
        self.health.note(outcome)
    }

    fn is_full(&self) -> bool {
        // What cannot be told is for the next write to find out.
        room::free_bytes(&self.folder).is_some_and(|free| free < ROOM_BYTES_MIN)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.rows = None;
        // The database cannot be opened again while anybody has it.
        for held in self.instants.drain(..).filter_map(|held| held.upgrade()) {
            drop(lock(&held).take());
        }
        let (rows, _) = open_rows(&self.folder)?;
        self.rows = Some(rows);
        self.health = Health::default();
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.flush()?;
        let rows = self.rows()?.clone();
        let held = Arc::new(Mutex::new(Some(Instant { as_of: rows.database.snapshot(), rows })));
        self.instants.retain(|held| held.strong_count() > 0);
        self.instants.push(Arc::downgrade(&held));
        Ok(Box::new(FjallSnapshot { held, folder: self.folder.clone(), _claim: self.claim.clone() }))
    }
}

/// The database as it was at an instant.
struct Instant {
    as_of: fjall::Snapshot,
    rows: Rows,
}

/// One who reads it, until the store has to open the database again.
struct FjallSnapshot {
    held: Arc<Mutex<Option<Instant>>>,
    folder: PathBuf,
    // Last, as in the store.
    _claim: Arc<DatabaseClaim>,
}

impl Snapshot for FjallSnapshot {
    fn rows(&self, after: Option<Position<'_>>, visit: &mut VisitSome<'_>) -> Result<(), StoreError> {
        let held = lock(&self.held);
        let ended = || StoreError::SnapshotEnded { path: self.folder.clone() };
        let Instant { as_of, rows: all } = held.as_ref().ok_or_else(ended)?;
        let first = after.map_or(Table::ALL[0], |(table, _)| table);
        for table in Table::ALL.into_iter().filter(|table| *table >= first) {
            let behind = after.filter(|(at, _)| *at == table).map(|(_, key)| key);
            let bounds = (behind.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            let mut rows = as_of.range::<&[u8], _>(&all.tables[table as usize], bounds);
            let mut next = || rows.next().map(Guard::into_inner).transpose();
            while let Some((key, sealed)) = reading(&self.folder, &mut next)? {
                let row = seal::unseal(table, &key, &sealed);
                let value = row.ok_or_else(|| StoreError::damaged_row(table, &key))?;
                if visit(table, &key, value).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What a reader holds, whether or not one has panicked with it: it is only read.
fn lock(held: &Mutex<Option<Instant>>) -> std::sync::MutexGuard<'_, Option<Instant>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far the journal has to get.
///
/// `SyncData` (fdatasync) is enough: it writes the length of the file with the data and leaves out only times, and the
/// database flushes file and directory in full whenever it begins a journal.
fn persist_mode(durability: Durability) -> PersistMode {
    match durability {
        Durability::Written => PersistMode::Buffer,
        Durability::Flushed => PersistMode::SyncData,
    }
}

/// Creates an empty database under another name and moves it to its place when it is whole: the database itself cannot
/// be opened again after a crash in the middle of its creation.
fn create(claim: &DatabaseClaim, folder: &Path) -> Result<(), StoreError> {
    let unfinished = claim.unfinished_folder();
    exchange::remove(&unfinished)?;
    let rows = rows_folder(&unfinished);
    fs::create_dir_all(&rows).map_err(StoreError::io("create the database", &rows))?;
    reading(&unfinished, || create_tables(&rows))?;
    // The database flushes its folders, but not their entries in the folders above.
    durable_file::flush_folders(&unfinished)?;
    durable_file::rename(&unfinished, folder)
}

fn create_tables(rows: &Path) -> fjall::Result<()> {
    let database = open_database(rows)?;
    for table in Table::ALL {
        database.keyspace(keyspace_name(table), keyspace_options)?;
    }
    database.persist(PersistMode::SyncAll)
}

/// Opens what was created before, and counts the bytes of the journal that are lost by it.
fn open_rows(folder: &Path) -> Result<(Rows, u64), StoreError> {
    let rows = rows_folder(folder);
    // The database would create what is missing, and so hide that it is gone.
    if !exists(&rows.join("version"))? {
        return Err(damaged(folder, "its version file is missing"));
    }
    let tails = JournalTails::before_replay(&rows).map_err(StoreError::io("read the journal in", &rows))?;
    let database = reading(folder, || open_database(&rows)).or_else(|error| {
        if !matches!(error, StoreError::Damaged { .. }) {
            return Err(error);
        }
        match torn_journal::cut(&rows).map_err(StoreError::io("cut the journal in", &rows))? {
            true => reading(folder, || open_database(&rows)),
            false => Err(error),
        }
    })?;
    if let Some(missing) =
        Table::ALL.into_iter().find(|table| !database.keyspace_exists(keyspace_name(*table)))
    {
        return Err(damaged(folder, format!("its table {missing:?} is missing")));
    }
    let tables = reading(folder, || open_tables(&database))?;
    let bytes_cut = tails.bytes_cut().map_err(StoreError::io("read the journal in", &rows))?;
    Ok((Rows { tables, database }, bytes_cut))
}

/// What was cut off a journal behind which nothing was being written. It is noted, because the next opening finds nothing to cut.
fn lost(folder: &Path, stopped_cleanly: bool, cut: u64) -> Result<u64, StoreError> {
    let note = folder.join("journal-cut");
    if stopped_cleanly && cut > 0 {
        durable_file::write(&note, format!("{cut}\n").as_bytes())?;
        return Ok(cut);
    }
    match fs::read_to_string(&note) {
        Ok(bytes) => Ok(bytes.trim().parse().unwrap_or(1)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StoreError::io("read", &note)(error)),
    }
}

fn open_database(rows: &Path) -> fjall::Result<Database> {
    let builder = Database::builder(rows).cache_size(CACHE_BYTES).worker_threads(WORKER_THREADS);
    builder.max_journaling_size(JOURNALS_BYTES_MAX).open()
}

fn open_tables(database: &Database) -> fjall::Result<[Keyspace; Table::ALL.len()]> {
    let open = |table| database.keyspace(keyspace_name(table), keyspace_options);
    let [cells, contexts, removals, meta] = Table::ALL.map(open);
    Ok([cells?, contexts?, removals?, meta?])
}

fn keyspace_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
}

/// Part of the disk format.
fn keyspace_name(table: Table) -> &'static str {
    match table {
        Table::Cells => "cells",
        Table::Contexts => "contexts",
        Table::Removals => "removals",
        Table::Meta => "meta",
    }
}

fn rows_folder(folder: &Path) -> PathBuf {
    folder.join("rows")
}

/// Runs a part of the database that reads files.
///
/// Some of its checks panic where the files make no sense. Bytes on a disk must not bring the process down, since every
/// restart would end the same way.
pub(crate) fn reading<T>(folder: &Path, read: impl FnOnce() -> fjall::Result<T>) -> Result<T, StoreError> {
    match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(outcome) => outcome.map_err(|error| unreadable(folder, error)),
        Err(_) => Err(damaged(folder, "the database gave up reading it")),
    }
}

fn damaged(folder: &Path, cause: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Damaged { path: folder.to_owned(), source: cause.into() }
}

/// Tells damage from a system that refuses: a full disk or missing permission is no reason to set a database aside.
fn unreadable(folder: &Path, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(source) | fjall::Error::Storage(LsmError::Io(source)) if !is_damage(&source) => {
            StoreError::Io { action: "open the database", path: folder.to_owned(), source }
        }
        fjall::Error::Locked => StoreError::InUse { path: folder.to_owned() },
        error => damaged(folder, error),
    }
}

/// Files that are missing, in the way, too short or senseless, and sectors that cannot be read.
fn is_damage(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    let is_unreadable = cfg!(unix) && error.raw_os_error() == Some(EIO);
    is_unreadable
        || matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::AlreadyExists
                | ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
                | ErrorKind::InvalidInput
                | ErrorKind::Other
        )
}
