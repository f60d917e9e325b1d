//! Writes that wait until others have them, and reads that wait for writes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use damson_core::crdt::Actor;
use damson_core::node::{Ack, AckCounters, Token, WaitError, Waited};
use damson_core::replica::{Tx, View, WriteError};
use damson_core::scope::ScopeName;
use damson_core::wire::Have;

use crate::driver::{Driver, Ticket, Waiting};
use crate::node::Node;
use crate::scope::Scope;

/// A write that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged<T> {
    /// What the transaction returned.
    pub value: T,
    /// How many members have it, this node included.
    pub had: usize,
    /// What a read on another node can wait for. `None` when nothing was written, and until a node that goes on after a clean
    /// stop has met its first peer: until then the write's name may change.
    pub token: Option<Token>,
}

/// A write that nobody has waited for.
#[derive(Debug, Clone)]
pub struct Issued<T> {
    /// What the transaction returned.
    pub value: T,
    /// What [`Scope::durable`] waits for.
    pub ticket: Ticket,
    /// Its name on this node; `None` when nothing was written.
    pub write: Option<WriteId>,
}

/// Names a write on the node that wrote it. A [`Token`] names it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteId(Have);

/// A read that has to wait for something, and did not get it. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The write that the token names is not here yet. It may come a moment later.
    #[error("the write is not here yet")]
    NotYet,
    /// The token is another scope's.
    #[error("the token names a write in the scope {token}, not in {scope}")]
    OtherScope {
        /// The token's scope.
        token: ScopeName,
        /// The scope that was to be read.
        scope: ScopeName,
    },
    /// Too few members answered in time, or what they have seen did not come in time.
    #[error(
        "{had} of the {wanted} members of a majority answered in time, or what they have seen is not here yet"
    )]
    NoMajority {
        /// How many answered, this node included.
        had: usize,
        /// How many are a majority.
        wanted: usize,
    },
    /// This node does not host the scope, or too many wait.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// A wait until members have writes. It ends with its time-out, or when this is dropped.
///
/// Its outcome: how many members have all the writes, this node included, and whether these are enough.
pub struct Acknowledging {
    driver: Arc<Driver>,
    waiting: Option<Waiting>,
}

impl WriteId {
    /// The scope that was written.
    pub fn scope(&self) -> &ScopeName {
        &self.0.scope
    }
}

impl Node {
    /// Waits until members have writes of this node, in whatever scopes, and all that it wrote in these before. Without a
    /// time-out until it is so.
    ///
    /// # Errors
    /// [`WaitError`]; nobody waits then. [`WaitError::Scopes`] for no writes.
    pub fn acknowledged(
        &self,
        writes: &[WriteId],
        ack: Ack,
        time_out: Option<Duration>,
    ) -> Result<Acknowledging, WaitError> {
        Acknowledging::begin(self.driver(), writes, ack, time_out)
    }

    /// What happened with waits, and with questions of others, since the start.
    pub fn ack_counters(&self) -> AckCounters {
        self.driver().look(|node, _| node.ack_counters())
    }
}

impl Scope {
    /// The same scope, whose writes wait until these members have them too, in all typed handles made from it. When the time
    /// is over they fail with [`WriteError::Unacknowledged`], and stay nevertheless.
    #[must_use]
    pub fn acknowledged_by(&self, ack: Ack, time_out: Duration) -> Self {
        let mut scope = self.clone();
        scope.ack = (ack, time_out);
        scope
    }

    /// Writes, as one atomic batch, and waits until this node and the others that `ack` names have it, each as durably as the
    /// scope asks. A transaction that wrote nothing waits for nobody.
    ///
    /// # Errors
    /// As [`Scope::write`]. After [`WriteError::Unacknowledged`] the write stays and goes on to reach the others: to do it
    /// again is safe for what is safe twice, such as setting a value, and not for counting.
    pub async fn write_acked<T>(
        &self,
        ack: Ack,
        time_out: Duration,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<Acknowledged<T>, WriteError> {
        let Issued { value, ticket, write } = self.issue(write).await?;
        let Some(id) = write else {
            self.durable(ticket).await?;
            return Ok(Acknowledged { value, had: 1, token: None });
        };
        let writes = std::slice::from_ref(&id);
        // Others are asked while our disk writes.
        let waiting = match ack {
            Ack::Local => None,
            _ => Some(Acknowledging::begin(self.driver(), writes, ack, Some(time_out)).map_err(unawaited)?),
        };
        self.durable(ticket).await?;
        let had = match waiting {
            None => 1,
            Some(waiting) => match waiting.await {
                Some(Waited::Reached { had }) => had,
                Some(Waited::TimedOut { had, wanted }) => {
                    return Err(WriteError::Unacknowledged { had, wanted });
                }
                _ => return Err(WriteError::AcknowledgementUnknown),
            },
        };
        Ok(Acknowledged { value, had, token: self.token(&id) })
    }

    /// Writes without waiting for anything, and names what was written.
    ///
    /// # Errors
    /// As [`Scope::write`].
    pub async fn issue<T>(
        &self,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<Issued<T>, WriteError> {
        self.driver().wait_for_room().await?;
        self.issue_at_once(write)
    }

    pub(crate) fn issue_at_once<T>(
        &self,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<Issued<T>, WriteError> {
        let written = self.driver().write(self.name(), write)?;
        let id = written.batch.map(|batch| self.id_of(batch.actor, batch.last()));
        Ok(Issued { value: written.value, ticket: Ticket(written.ticket), write: id })
    }

    /// The last write of this node in the scope, if it has written in this life.
    pub fn last_write(&self) -> Option<WriteId> {
        self.driver().look(|node, _| {
            let replica = node.replica(self.name())?;
            let last = replica.context().top(replica.actor());
            (last > 0).then(|| self.id_of(replica.actor(), last))
        })
    }

    /// What a read on another node can wait for; see [`Acknowledged::token`].
    pub fn token(&self, write: &WriteId) -> Option<Token> {
        let Have { scope, actor, last } = &write.0;
        self.driver().look(|node, _| node.token(scope, *actor, *last))
    }

    /// The members that host the scope and live, this node included.
    pub fn living_hosts(&self) -> usize {
        self.driver().look(|node, _| node.living_hosts(self.name()))
    }

    /// Waits until the write that a token names is here, and all that its writer wrote in the scope before it. Every read
    /// after that sees it, or what has replaced it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn catch_up_to(&self, token: &Token, time_out: Duration) -> Result<(), ReadError> {
        if token.scope() != self.name() {
            return Err(ReadError::OtherScope { token: token.scope().clone(), scope: self.name().clone() });
        }
        let ms = Some(in_ms(time_out));
        let waiting = self.driver().wait(|node, now, fx| node.await_token(token, ms, now, fx))?;
        match waiting.ok_or(ReadError::Stopped)?.await {
            Some(Waited::Reached { .. }) => Ok(()),
            Some(_) => Err(ReadError::NotYet),
            None => Err(ReadError::Stopped),
        }
    }

    /// Reads what is here once the write that a token names is; see [`Scope::catch_up_to`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_after<T>(
        &self,
        token: &Token,
        time_out: Duration,
        read: impl FnOnce(View<'_>) -> T,
    ) -> Result<T, ReadError> {
        self.catch_up_to(token, time_out).await?;
        Ok(self.read(read))
    }

    /// Waits until all is here that a majority of the scope's hosts, this node among them, has seen. Every read after that
    /// sees each write that a majority had acknowledged before this was called.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn catch_up_with_majority(&self, time_out: Duration) -> Result<(), ReadError> {
        let ms = Some(in_ms(time_out));
        let waiting = self.driver().wait(|node, now, fx| node.await_majority(self.name(), ms, now, fx))?;
        match waiting.ok_or(ReadError::Stopped)?.await {
            Some(Waited::Reached { .. }) => Ok(()),
            Some(Waited::TimedOut { had, wanted }) => Err(ReadError::NoMajority { had, wanted }),
            _ => Err(ReadError::Stopped),
        }
    }

    /// Reads what is here once all is that a majority has seen; see [`Scope::catch_up_with_majority`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_majority<T>(
        &self,
        time_out: Duration,
        read: impl FnOnce(View<'_>) -> T,
    ) -> Result<T, ReadError> {
        self.catch_up_with_majority(time_out).await?;
        Ok(self.read(read))
    }

    fn id_of(&self, actor: Actor, last: u64) -> WriteId {
        WriteId(Have { scope: self.name().clone(), actor, last })
    }
}

impl Acknowledging {
    fn begin(
        driver: &Arc<Driver>,
        writes: &[WriteId],
        ack: Ack,
        time_out: Option<Duration>,
    ) -> Result<Self, WaitError> {
        let (writes, ms) = (writes.iter().map(|write| write.0.clone()).collect(), time_out.map(in_ms));
        let waiting = driver.wait(|node, now, fx| node.await_ack(writes, ack, ms, now, fx))?;
        Ok(Self { driver: driver.clone(), waiting })
    }

    /// How many members have the writes by now, this node included.
    pub fn had(&self) -> usize {
        let wait = self.waiting.as_ref().map(Waiting::id);
        self.driver.look(|node, _| wait.and_then(|wait| node.wait_count(wait))).unwrap_or(1)
    }
}

/// `None` when the node has stopped.
impl Future for Acknowledging {
    type Output = Option<Waited>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.waiting {
            Some(waiting) => Pin::new(waiting).poll(cx),
            None => Poll::Ready(None),
        }
    }
}

fn unawaited(error: WaitError) -> WriteError {
    match error {
        WaitError::TooMany { limit } => WriteError::TooManyWaits { limit },
        WaitError::NotHosted => WriteError::NotHosted,
        _ => WriteError::AcknowledgementUnknown,
    }
}

fn in_ms(time_out: Duration) -> u64 {
    u64::try_from(time_out.as_millis()).unwrap_or(u64::MAX)
}
