//! Reading a database while what it held is taken in: another thread finds, decodes and checks rows, the caller's takes them.
//! A start spends about as much on the one as on the other.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use damson_core::persist::Table;
use fjall::{Guard, Keyspace, UserKey, UserValue};

use crate::fjall_store::reading;
use crate::store::{LoadReport, Visit};
use crate::{StoreError, seal};

/// Rows that are handed over together.
const PAGE_ROWS: usize = 1_024;
/// Pages that wait to be taken.
const PAGES_AHEAD: usize = 16;

type Page = Vec<Found>;

struct Found {
    table: Table,
    key: UserKey,
    sealed: UserValue,
    is_intact: bool,
}

/// Shows all rows to `visit`, tables and keys in order. Where a part cannot be read it ends with the error, and everything before
/// the first such part of a table and behind its last was shown.
pub(crate) fn load(
    folder: &Path,
    tables: &[Keyspace; Table::ALL.len()],
    report: &mut LoadReport,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    std::thread::scope(|scope| {
        let (sender, pages) = sync_channel(PAGES_AHEAD);
        let reader = scope.spawn(move || read(folder, tables, &sender));
        for Found { table, key, sealed, is_intact } in pages.into_iter().flatten() {
            report.visit(table, &key, is_intact.then(|| &sealed[seal::SEAL_BYTES..]), visit);
        }
        reader.join().expect("a database that panics is told of as damage")
    })
}

fn read(
    folder: &Path,
    tables: &[Keyspace; Table::ALL.len()],
    pages: &SyncSender<Page>,
) -> Result<(), StoreError> {
    let mut outcome = Ok(());
    for table in Table::ALL {
        let keyspace = &tables[table as usize];
        let mut rows = keyspace.iter();
        let (last, read) = read_until(folder, table, None, pages, || rows.next());
        let read = read.map_err(|error| error.behind(table, last.as_deref()));
        if read.is_err() {
            // What lies between the damage and the end can be read from the other side.
            let mut rows = keyspace.iter().rev();
            let _ = read_until(folder, table, last.as_ref(), pages, || rows.next());
        }
        outcome = outcome.and(read);
    }
    outcome
}

/// Reads until the end, an error, or the row with the key `end`. Says which row was the last.
fn read_until(
    folder: &Path,
    table: Table,
    end: Option<&UserKey>,
    pages: &SyncSender<Page>,
    mut next: impl FnMut() -> Option<Guard>,
) -> (Option<UserKey>, Result<(), StoreError>) {
    let mut page = Vec::with_capacity(PAGE_ROWS);
    let mut last = None;
    let mut next = || next().map(Guard::into_inner).transpose();
    let outcome = loop {
        let (key, sealed) = match reading(folder, &mut next) {
            Ok(Some((key, _))) if Some(&key) == end => break Ok(()),
            Ok(Some(row)) => row,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        last = Some(key.clone());
        let is_intact = seal::unseal(table, &key, &sealed).is_some();
        page.push(Found { table, key, sealed, is_intact });
        if page.len() == PAGE_ROWS {
            let full = std::mem::replace(&mut page, Vec::with_capacity(PAGE_ROWS));
            // The one who takes them has panicked, and says so itself.
            if pages.send(full).is_err() {
                break Ok(());
            }
        }
    };
    // The same.
    let _ = pages.send(page);
    (last, outcome)
}
