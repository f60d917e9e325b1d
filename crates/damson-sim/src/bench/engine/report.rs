//! What was measured.

use serde::{Deserialize, Serialize};

use super::super::figures::median;
use super::EngineOptions;
use super::bare::NAME;
use super::run::Rates;

/// What was measured: medians over the runs. Ratios are those within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineReport {
    /// Keys that the maps hold.
    pub keys: usize,
    /// Deltas of each kind that were merged in a run.
    pub deltas: usize,
    /// Runs.
    pub runs: usize,
    /// Which hash map.
    pub hashmap: String,
    /// Keys that the bare map takes in a second, from empty to `keys`; key and value are allocated.
    pub hashmap_insert_per_s: f64,
    /// Keys that it overwrites when it holds `keys`; key and value are allocated.
    pub hashmap_overwrite_per_s: f64,
    /// The same with keys and values that were allocated before, as those of a batch are.
    pub hashmap_overwrite_ready_per_s: f64,
    /// New keys that it takes when it holds `keys`.
    pub hashmap_new_per_s: f64,
    /// Keys that it reads.
    pub hashmap_get_per_s: f64,
    /// Transactions of one put of a new key, from empty to `keys`.
    pub local_put_per_s: f64,
    /// Keys that are read.
    pub get_per_s: f64,
    /// Batches of another actor that overwrite one key each.
    pub merge_per_s: f64,
    /// Batches of another actor with one new key each.
    pub merge_new_per_s: f64,
    /// Batches merged in a second when many come in one frame.
    pub merge_together_per_s: f64,
    /// `merge_per_s` over `hashmap_insert_per_s`.
    pub merge_over_hashmap: f64,
    /// `merge_together_per_s` over `hashmap_insert_per_s`.
    pub merge_together_over_hashmap: f64,
    /// `merge_per_s` over `hashmap_overwrite_per_s`.
    pub merge_over_hashmap_overwrite: f64,
    /// `merge_per_s` over `hashmap_overwrite_ready_per_s`.
    pub merge_over_hashmap_ready: f64,
    /// `merge_new_per_s` over `hashmap_new_per_s`.
    pub merge_new_over_hashmap: f64,
    /// `local_put_per_s` over `hashmap_insert_per_s`.
    pub local_put_over_hashmap: f64,
    /// Memory of an entry, as the process grew; absent where nobody has measured it.
    pub bytes_per_entry: Option<f64>,
    /// The same of the bare map.
    pub hashmap_bytes_per_entry: Option<f64>,
    /// `bytes_per_entry` over `hashmap_bytes_per_entry`.
    pub memory_over_hashmap: Option<f64>,
}

impl EngineReport {
    /// Adds what an entry takes in memory, in bytes.
    pub fn set_memory(&mut self, engine: f64, hashmap: f64) {
        self.bytes_per_entry = Some(engine);
        self.hashmap_bytes_per_entry = Some(hashmap);
        self.memory_over_hashmap = Some(engine / hashmap);
    }
}

pub fn report(options: &EngineOptions, runs: &[Rates]) -> EngineReport {
    let of = |figure: fn(&Rates) -> f64| median(runs.iter().map(figure));
    EngineReport {
        keys: options.keys,
        deltas: options.deltas,
        runs: options.runs,
        hashmap: NAME.into(),
        hashmap_insert_per_s: of(|run| run.bare_insert),
        hashmap_overwrite_per_s: of(|run| run.bare_overwrite),
        hashmap_overwrite_ready_per_s: of(|run| run.bare_overwrite_ready),
        hashmap_new_per_s: of(|run| run.bare_new),
        hashmap_get_per_s: of(|run| run.bare_get),
        local_put_per_s: of(|run| run.put),
        get_per_s: of(|run| run.get),
        merge_per_s: of(|run| run.merge),
        merge_new_per_s: of(|run| run.merge_new),
        merge_together_per_s: of(|run| run.merge_together),
        merge_over_hashmap: of(|run| run.merge / run.bare_insert),
        merge_together_over_hashmap: of(|run| run.merge_together / run.bare_insert),
        merge_over_hashmap_overwrite: of(|run| run.merge / run.bare_overwrite),
        merge_over_hashmap_ready: of(|run| run.merge / run.bare_overwrite_ready),
        merge_new_over_hashmap: of(|run| run.merge_new / run.bare_new),
        local_put_over_hashmap: of(|run| run.put / run.bare_insert),
        bytes_per_entry: None,
        hashmap_bytes_per_entry: None,
        memory_over_hashmap: None,
    }
}
