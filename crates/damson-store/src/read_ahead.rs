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

/// Shows all rows to `visit`, tables and keys in order.
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
    let mut page = Vec::with_capacity(PAGE_ROWS);
    for table in Table::ALL {
        let mut rows = tables[table as usize].iter();
        let mut next = || rows.next().map(Guard::into_inner).transpose();
        while let Some((key, sealed)) = reading(folder, &mut next)? {
            let is_intact = seal::unseal(table, &key, &sealed).is_some();
            page.push(Found { table, key, sealed, is_intact });
            if page.len() == PAGE_ROWS {
                let full = std::mem::replace(&mut page, Vec::with_capacity(PAGE_ROWS));
                // The one who takes them has panicked, and says so itself.
                if pages.send(full).is_err() {
                    return Ok(());
                }
            }
        }
    }
    let _ = pages.send(page);
    Ok(())
}
