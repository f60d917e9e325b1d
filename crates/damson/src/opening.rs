//! From a data directory to a node: takes it, reads it, and decides what damage means.
//!
//! What a node has lost it must not claim to know: others would take it for deleted (rule 11). With contacts a damaged node
//! begins empty and takes everything from them. Without, nobody is known who has what is lost: then it says what that is, and
//! starts only when it was told so, with what can still be read. The damaged database is set aside, never removed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::node::{Boot, Config, Effect, Started};
use damson_core::persist::Row;
use damson_core::replica::place_of;
use damson_store::{DataDir, FjallStore, LoadReport, MemoryStore, Store, StoreError};

use crate::clock::{OsClock, entropy};
use crate::error::StartError;

/// How long a start waits for another owner of its directory to end.
const OWNER_PATIENCE: Duration = Duration::from_secs(2);

/// A store, its directory, and the mark of the last clean stop.
pub(crate) struct Opened {
    pub store: Box<dyn Store>,
    pub dir: Option<DataDir>,
    /// Nothing outlives the node, or the store is the application's, or there is a directory.
    pub kept: Kept,
    mark: Option<Bytes>,
}

/// Where a node keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    InMemory,
    InDirectory,
    /// In a store of the application's: there is nothing that could be set aside.
    Elsewhere,
}

/// How far a start has read what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Rows so far.
    pub rows: u64,
    /// All of them, about.
    pub rows_about: u64,
}

/// Rows between two tellings of how far it is.
const TELL_ROWS: u64 = 1 << 14;

/// What a node does that finds its own state damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDamage {
    /// Others have what is lost.
    TakeFromOthers,
    /// Nobody is known who has it.
    Refuse,
    /// The same, and the user has said to go on with what is left.
    KeepTheRest,
}

impl OnDamage {
    /// Whoever has contacts has no need to accept a loss.
    pub fn of(contacts: bool, accept_loss: bool) -> Self {
        match (contacts, accept_loss) {
            (true, _) => Self::TakeFromOthers,
            (false, false) => Self::Refuse,
            (false, true) => Self::KeepTheRest,
        }
    }
}

impl Opened {
    fn new(store: Box<dyn Store>, dir: Option<DataDir>) -> Self {
        let kept = if dir.is_some() { Kept::InDirectory } else { Kept::InMemory };
        Self { store, dir, kept, mark: None }
    }
}

pub(crate) async fn open(
    path: Option<PathBuf>,
    store: Option<Box<dyn Store>>,
    on_damage: OnDamage,
) -> Result<Opened, StartError> {
    if let Some(store) = store {
        return Ok(Opened { kept: Kept::Elsewhere, ..Opened::new(store, None) });
    }
    let Some(path) = path else {
        return Ok(Opened::new(Box::new(MemoryStore::new()), None));
    };
    let dir = take_dir(&path).await?;
    match FjallStore::open(&dir) {
        Ok(store) => Ok(Opened::new(Box::new(store), Some(dir))),
        Err(StoreError::Damaged { source, .. }) if on_damage == OnDamage::Refuse => {
            Err(StartError::Damaged { path, what: format!("nothing of the database can be read: {source}") })
        }
        Err(StoreError::Damaged { .. }) => Ok(replace(dir, &[])?),
        Err(error) => Err(error.into()),
    }
}

/// A process that was just killed holds its directory until the system has cleared it away: a restart waits for that.
async fn take_dir(path: &Path) -> Result<DataDir, StoreError> {
    let began = Instant::now();
    loop {
        match DataDir::open(path) {
            Err(StoreError::AlreadyOwned { .. }) if began.elapsed() < OWNER_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            taken => return taken,
        }
    }
}

/// Keeps a damaged database as evidence and begins another.
fn replace(dir: DataDir, rows: &[Row]) -> Result<Opened, StoreError> {
    let (store, aside) = FjallStore::replace(&dir, rows)?;
    tracing::error!(path = %aside.display(), "the database is damaged: set aside");
    Ok(Opened::new(Box::new(store), Some(dir)))
}

/// The other members have forgotten whose database this is: what it holds beyond theirs must not come back (rule 12).
fn begin_empty(opened: &mut Opened) -> Result<(), StoreError> {
    let Some(dir) = opened.dir.take() else { return Ok(()) };
    opened.store = Box::new(MemoryStore::new());
    let aside = dir.set_aside_forgotten()?;
    tracing::warn!(path = %aside.display(), "this member was forgotten: its database is set aside, and it begins empty");
    *opened = Opened::new(Box::new(FjallStore::open(&dir)?), Some(dir));
    Ok(())
}

/// What a node wants stored first. That it is written once more by the driver changes nothing: rows say what is.
fn rows_of(effects: &[Effect]) -> Vec<Row> {
    let groups = effects.iter().filter_map(|effect| match effect {
        Effect::Persist { rows, .. } => Some(rows),
        _ => None,
    });
    groups.flatten().cloned().collect()
}

pub(crate) fn boot(
    config: Config,
    id: NodeId,
    opened: &mut Opened,
    on_damage: OnDamage,
    clock: &OsClock,
    tell: &mut dyn FnMut(Recovery),
) -> Result<Started, StartError> {
    let mut boot = Boot::new(config.clone(), id, entropy());
    let (mut rows, rows_about) = (0, opened.store.rows_about());
    let loaded = opened.store.load(&mut |table, key, value| {
        boot.row(table, key, value);
        rows += 1;
        if rows % TELL_ROWS == 0 {
            tell(Recovery { rows, rows_about });
        }
    });
    match loaded {
        Ok(report) => note_damage(&mut boot, &report),
        Err(error @ StoreError::Damaged { .. }) => boot.damaged(error.to_string()),
        Err(error) => return Err(error.into()),
    }
    let elsewhere = opened.kept == Kept::Elsewhere;
    if boot.is_forgotten() {
        if elsewhere {
            return Err(StartError::ForgottenStore);
        }
        begin_empty(opened)?;
        return Ok(Boot::new(config, id, entropy()).finish(None, clock.now()));
    }
    match (boot.damage(), on_damage) {
        (Some(what), _) if elsewhere => return Err(StartError::DamagedStore { what: what.to_owned() }),
        (Some(what), OnDamage::Refuse) => {
            let path = opened.dir.as_ref().map(|dir| dir.path().to_owned()).unwrap_or_default();
            return Err(StartError::Damaged { path, what: what.to_owned() });
        }
        (Some(_), OnDamage::KeepTheRest) => boot.rewrite_what_is_left(),
        _ => {}
    }
    let keeps = on_damage == OnDamage::KeepTheRest;
    opened.mark = opened.store.take_mark()?;
    let started = boot.finish(opened.mark.as_deref(), clock.now());
    if let Some(damage) = &started.damage {
        let keys: usize = started.node.replicas().filter(|r| !r.name().is_system()).map(|r| r.keys()).sum();
        tracing::error!(
            damage,
            keys,
            "stored state is damaged: a new life begins, with so many keys that are left"
        );
        if let Some(dir) = opened.dir.take() {
            opened.store = Box::new(MemoryStore::new());
            let rows = if keeps { rows_of(&started.effects) } else { Vec::new() };
            *opened = replace(dir, &rows)?;
        }
    }
    Ok(started)
}

fn note_damage(boot: &mut Boot, report: &LoadReport) {
    if report.damaged > 0 {
        let first = report.first_damaged.as_ref();
        let place = first.map(|(table, key)| place_of(*table, key)).unwrap_or_default();
        let all = report.rows + report.damaged;
        boot.damaged(format!("{} of {all} rows fail their checksum, the first is {place}", report.damaged));
    }
    if let Some(lost) = report.lost_of_the_journal() {
        boot.damaged(lost);
    } else if report.journal_bytes_cut > 0 {
        tracing::warn!(bytes = report.journal_bytes_cut, "a torn tail of the journal was cut");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_only_accepted_where_nobody_is_named_who_may_have_it() {
        assert_eq!(OnDamage::of(true, true), OnDamage::TakeFromOthers);
        assert_eq!(OnDamage::of(true, false), OnDamage::TakeFromOthers);
        assert_eq!(OnDamage::of(false, false), OnDamage::Refuse);
        assert_eq!(OnDamage::of(false, true), OnDamage::KeepTheRest);
    }
}
