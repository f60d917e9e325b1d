//! The rows of one instant, to be read while the store goes on.

use std::ops::ControlFlow;

use damson_core::persist::Table;

use crate::StoreError;

/// Where a reader has got to: behind this row.
pub type Position<'a> = (Table, &'a [u8]);

/// What is shown the rows of a snapshot. `Break` ends the reading behind the row that it was shown.
pub type VisitSome<'a> = dyn FnMut(Table, &[u8], &[u8]) -> ControlFlow<()> + 'a;

/// All rows as they were when [`Store::snapshot`](crate::Store::snapshot) was called, for as long as this lives.
///
/// It can be read on another thread than the store's, in parts, and each part again. What it costs: what was overwritten
/// or removed since stays on disk, and the directory stays owned, even after the store is closed. It ends before its time when
/// the store has to open its database again.
pub trait Snapshot: Send + Sync {
    /// Visits rows in the order of [`Store::load`](crate::Store::load), from the first one or from behind `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError::DamagedRow`] at a row whose checksum does not match: what was visited before it is sound, it is not
    /// visited itself. [`StoreError::SnapshotEnded`]; [`StoreError::Damaged`] and [`StoreError::Io`] as in a load.
    fn rows(&self, after: Option<Position<'_>>, visit: &mut VisitSome<'_>) -> Result<(), StoreError>;
}
