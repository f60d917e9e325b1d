//! What writers do, and to what: the smallest things that an oracle can judge.

use serde::{Deserialize, Serialize};

/// A key, or an element of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
}

/// What is in a cell: a value, for an element an empty one; or nothing.
pub type State = Option<String>;

/// A change of a cell, as one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// SET, or SADD.
    Put(String),
    /// DEL, or SREM.
    Remove,
    /// INCR.
    Increment,
}

/// A command of a writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    pub cell: Cell,
    pub change: Change,
}

/// Counters to which all writers add at once have names that begin so. Their totals are judged, and not their states.
pub const SHARED: &str = "total:";
/// Keys of sets.
pub const SET: &str = "set:";

impl Cell {
    pub fn key(key: String) -> Self {
        Self { key, element: None }
    }

    pub fn is_shared_counter(&self) -> bool {
        self.key.starts_with(SHARED)
    }
}

impl Change {
    /// What is there afterwards.
    pub fn applied(&self, before: &State) -> State {
        match self {
            Self::Put(value) => Some(value.clone()),
            Self::Remove => None,
            Self::Increment => {
                let n: u64 = before.as_deref().map_or(0, |n| n.parse().unwrap_or(u64::MAX));
                Some(n.saturating_add(1).to_string())
            }
        }
    }
}

impl Op {
    /// As the Redis protocol says it.
    pub fn command(&self) -> Vec<&str> {
        let key = self.cell.key.as_str();
        match (&self.change, &self.cell.element) {
            (Change::Put(_), Some(element)) => vec!["SADD", key, element],
            (Change::Remove, Some(element)) => vec!["SREM", key, element],
            (Change::Put(value), None) => vec!["SET", key, value],
            (Change::Remove, None) => vec!["DEL", key],
            (Change::Increment, _) => vec!["INCR", key],
        }
    }
}
