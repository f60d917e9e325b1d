//! What the table says about a command.

use std::future::Future;
use std::pin::Pin;

use damson::{Tx, View};

use super::error::Outcome;
use crate::redis::Session;
use crate::resp::{Args, Reply};

/// A command.
pub(crate) struct Command {
    /// In lower case.
    pub name: &'static str,
    /// Arguments with the name; negative when it is the least number.
    pub arity: i64,
    pub run: Run,
    /// The positions of the first and the last key (-1 is the last argument) and their distance; zeros without keys.
    pub keys: (i64, i64, i64),
    /// Its cost does not grow with the data.
    pub fast: bool,
    /// Arguments that make one write, and the operations that one write takes at most in a batch.
    pub per_write: (usize, usize),
    pub group: &'static str,
    pub summary: &'static str,
}

/// What a command does.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Looks at the database.
    Read(fn(View<'_>, Args<'_>, &mut Reply<'_>) -> Outcome),
    /// Changes the database, in one atomic batch.
    Write(fn(&mut Tx<'_>, Args<'_>, &mut Reply<'_>) -> Outcome),
    /// Talks about the connection or the server.
    Session(fn(&mut Session, Args<'_>, &mut Reply<'_>) -> Outcome),
    /// Goes over a database in steps.
    Long(for<'a> fn(&'a Session, Args<'a>, Reply<'a>) -> BoxFuture<'a>),
}

pub(crate) type BoxFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

impl Command {
    pub const fn new(name: &'static str, arity: i64, run: Run) -> Self {
        Self { name, arity, run, keys: (0, 0, 0), fast: false, per_write: (1, 1), group: "", summary: "" }
    }

    /// The first argument is a key.
    pub const fn key(self) -> Self {
        self.keys(1, 1, 1)
    }

    pub const fn keys(mut self, first: i64, last: i64, step: i64) -> Self {
        self.keys = (first, last, step);
        self
    }

    pub const fn fast(mut self) -> Self {
        self.fast = true;
        self
    }

    pub const fn per_write(mut self, args: usize, operations: usize) -> Self {
        self.per_write = (args, operations);
        self
    }

    pub const fn about(mut self, group: &'static str, summary: &'static str) -> Self {
        self.group = group;
        self.summary = summary;
        self
    }

    /// Is this a number of arguments that the command takes?
    pub fn accepts(&self, args: usize) -> bool {
        let args = i64::try_from(args).unwrap_or(i64::MAX);
        if self.arity < 0 { args >= -self.arity } else { args == self.arity }
    }

    /// The keys among the arguments.
    pub fn keys_of<'a>(&self, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (first, last, step) = self.keys;
        let end = if last < 0 { args.len() as i64 + last } else { last };
        let end = if first > 0 { end } else { -1 };
        (first..=end).step_by(step.max(1) as usize).filter_map(move |at| args.get(at as usize))
    }

    /// How many operations a batch needs for these arguments, at most.
    pub fn operations(&self, args: Args<'_>) -> usize {
        let (per, operations) = self.per_write;
        args.len() / per * operations
    }

    /// Does it change data?
    pub fn writes(&self) -> bool {
        matches!(self.run, Run::Write(_)) || self.name.starts_with("flush")
    }

    /// The flags that COMMAND reports.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let data = match self.run {
            Run::Session(_) => ["loading", "stale"],
            _ if self.writes() => ["write", "denyoom"],
            Run::Read(_) | Run::Write(_) | Run::Long(_) => ["readonly", ""],
        };
        data.into_iter().chain([if self.fast { "fast" } else { "" }]).filter(|flag| !flag.is_empty())
    }
}
