//! What entries take in memory: each side fills itself in a process of its own, so that all find the same memory.

use std::any::Any;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use damson_sim::bench::engine::{add_all, put_all};

use crate::comparison::{Better, Row};
use crate::entry::{entry, key};

/// Entries that are held at least, in several copies if need be: fewer would drown in what an allocator keeps in reserve.
const ENTRIES_MIN: u32 = 100_000;

/// Who holds what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Registers in a replica.
    DamsonPuts,
    /// Strings in chitchat's state of a node.
    ChitchatPuts,
    /// A set in a replica.
    DamsonSet,
    /// An `Orswot` of crdts.
    CrdtsSet,
}

/// Figures of memory: their names, whose they are, Damson's side and the peer's.
pub const PAIRS: [(&str, &str, [Side; 2]); 2] = [
    ("put_bytes", "chitchat", [Side::DamsonPuts, Side::ChitchatPuts]),
    ("set_add_bytes", "crdts", [Side::DamsonSet, Side::CrdtsSet]),
];

/// Asks a child for each side.
pub fn bytes_row(
    name: &'static str,
    peer: &'static str,
    [ours, theirs]: [Side; 2],
    keys: u32,
) -> anyhow::Result<Row> {
    let theirs = match cfg!(feature = "peers") {
        true => Ok(ask_child(theirs, keys)?),
        false => Err(crate::comparison::NOT_BUILT.to_string()),
    };
    Ok(Row::new(name, peer, Better::Less, &[(ask_child(ours, keys)?, theirs)]))
}

/// Bytes for each entry by which this process grows.
///
/// # Errors
/// The side is a peer's, and the peers are not built; memory cannot be read.
pub fn grown_by(side: Side, keys: u32) -> anyhow::Result<f64> {
    let copies = ENTRIES_MIN.div_ceil(keys);
    let before = resident_bytes()?;
    let held: Vec<Box<dyn Any>> = (0..copies).map(|_| fill(side, keys)).collect::<Result<_, _>>()?;
    let grown = resident_bytes()?.saturating_sub(before);
    drop(held);
    Ok(grown as f64 / (f64::from(copies) * f64::from(keys)))
}

fn fill(side: Side, keys: u32) -> anyhow::Result<Box<dyn Any>> {
    let numbers = 0..u64::from(keys);
    Ok(match side {
        Side::DamsonPuts => Box::new(put_all(numbers.map(entry))),
        Side::DamsonSet => Box::new(add_all(numbers.map(key))),
        #[cfg(feature = "peers")]
        Side::ChitchatPuts => Box::new(super::peers::state_of(numbers.map(entry))),
        #[cfg(feature = "peers")]
        Side::CrdtsSet => Box::new(super::peers::set_of(numbers.map(key))),
        #[cfg(not(feature = "peers"))]
        Side::ChitchatPuts | Side::CrdtsSet => anyhow::bail!(crate::comparison::NOT_BUILT),
    })
}

fn ask_child(side: Side, keys: u32) -> anyhow::Result<f64> {
    let own = std::env::current_exe().context("where is this command?")?;
    let side = side.to_possible_value().context("a side without a name")?;
    let mut child = Command::new(own);
    child.args(["engine", "--keys", &keys.to_string(), "--hold", side.get_name()]);
    let output =
        child.stderr(Stdio::inherit()).output().context("the child that measures memory does not start")?;
    ensure!(output.status.success(), "the child that measures memory ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("the child that measures memory said {text:?}"))
}

/// Resident memory of this process.
fn resident_bytes() -> anyhow::Result<usize> {
    let stats =
        memory_stats::memory_stats().context("this system does not tell what memory a process has")?;
    Ok(stats.physical_mem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_not_held() {
        assert!(grown_by(Side::DamsonSet, 1_000).is_ok());
        for side in [Side::ChitchatPuts, Side::CrdtsSet] {
            assert_eq!(grown_by(side, 1_000).is_ok(), cfg!(feature = "peers"), "{side:?}");
        }
    }
}
