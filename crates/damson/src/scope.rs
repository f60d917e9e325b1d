//! A keyspace as its users see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::{Actor, Life, NodeId, Rules};
use damson_core::node::Ack;
use damson_core::replica::{Replica, ReplicaConfig, Slot, Tx, View, WriteError};
use damson_core::scope::ScopeName;

use crate::driver::{Driver, Ticket};
use crate::handles::{Counter, Flag, Map, MaxRegister, MultiRegister, Register, Set};
use crate::value::Value;
use crate::watch::Watch;

/// A named keyspace with its own context. Cheap to clone.
#[derive(Clone)]
pub struct Scope {
    driver: Arc<Driver>,
    name: ScopeName,
    /// Who has to have what is written, and for how long that is waited for.
    pub(crate) ack: (Ack, Duration),
    /// What is seen while nothing is known of the scope.
    nothing: Arc<Replica>,
}

impl Scope {
    pub(crate) fn new(driver: Arc<Driver>, name: ScopeName) -> Self {
        let nobody = Actor::new(NodeId([0; 16]), Life(0));
        let nothing = Replica::new(name.clone(), nobody, ReplicaConfig::default(), Rules::default());
        Self { driver, name, ack: (Ack::Local, Duration::ZERO), nothing: Arc::new(nothing) }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Its name.
    pub fn name(&self) -> &ScopeName {
        &self.name
    }

    /// A last-writer-wins register.
    pub fn register<T: Value>(&self, key: impl Into<Bytes>) -> Register<T> {
        Register::new(self.clone(), Slot::key(key))
    }

    /// A register that keeps all concurrent values.
    pub fn multi_register<T: Value>(&self, key: impl Into<Bytes>) -> MultiRegister<T> {
        MultiRegister::new(self.clone(), Slot::key(key))
    }

    /// An observed-remove map with values of one type.
    pub fn map<T: Value>(&self, key: impl Into<Bytes>) -> Map<T> {
        Map::new(self.clone(), Slot::key(key))
    }

    /// An observed-remove set; adding wins over a concurrent removal.
    pub fn set(&self, key: impl Into<Bytes>) -> Set {
        Set::new(self.clone(), Slot::key(key))
    }

    /// A counter that goes up and down.
    pub fn counter(&self, key: impl Into<Bytes>) -> Counter {
        Counter::new(self.clone(), Slot::key(key))
    }

    /// A register that keeps the greatest number ever written.
    pub fn max_register(&self, key: impl Into<Bytes>) -> MaxRegister {
        MaxRegister::new(self.clone(), Slot::key(key))
    }

    /// A flag; enabling wins over concurrent disabling.
    pub fn flag_enable_wins(&self, key: impl Into<Bytes>) -> Flag {
        Flag::new(self.clone(), Slot::key(key), damson_core::crdt::Kind::EnableWins)
    }

    /// A flag; disabling wins over concurrent enabling.
    pub fn flag_disable_wins(&self, key: impl Into<Bytes>) -> Flag {
        Flag::new(self.clone(), Slot::key(key), damson_core::crdt::Kind::DisableWins)
    }

    /// A consistent look at the scope now. Keep it short: writers wait meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(View<'_>) -> T) -> T {
        self.driver
            .look(|node, now| read(node.replica(&self.name).unwrap_or(&self.nothing).view(now.wall_ms)))
    }

    /// Writes, as one atomic batch, and waits until it is as durable as the scope asks, and until the members have it that
    /// [`Scope::acknowledged_by`] names, if that was called. While links or the disk are behind what is written it waits before it
    /// writes, as long as [`crate::NodeBuilder::write_patience`] says.
    ///
    /// # Errors
    /// A step that the transaction returned as its error left nothing behind; what it wrote before stays.
    ///
    /// # Panics
    /// When the transaction does; what it wrote before stays, and is sent and stored.
    pub async fn write<T>(
        &self,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let (ack, time_out) = self.ack;
        if ack != Ack::Local {
            return Ok(self.write_acked(ack, time_out, write).await?.value);
        }
        let issued = self.issue(write).await?;
        self.durable(issued.ticket).await?;
        Ok(issued.value)
    }

    /// Writes without waiting: visible to this node's reads at once, and on its way to the others.
    ///
    /// # Errors
    /// As [`Scope::write`], and [`WriteError::Busy`] at once while links or the disk are behind what is written.
    pub fn write_now<T>(
        &self,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<(T, Ticket), WriteError> {
        self.driver.check_room()?;
        let issued = self.issue_at_once(write)?;
        Ok((issued.value, issued.ticket))
    }

    /// Waits until everything up to a ticket is as durable as its scope asks.
    ///
    /// # Errors
    /// [`WriteError::Storage`] when the disk has failed: the writes are applied here and may reach others, but a restart
    /// may not know them.
    pub async fn durable(&self, ticket: Ticket) -> Result<(), WriteError> {
        if self.driver.disk().has_reached(ticket) {
            return Ok(());
        }
        self.driver.disk().reached(ticket).await.map_err(|cause| WriteError::Storage { cause })
    }

    /// Removes a key, whatever its type: all that is seen of it here.
    ///
    /// # Errors
    /// As [`Scope::write`].
    pub async fn remove(&self, key: impl Into<Bytes>) -> Result<bool, WriteError> {
        let slot = Slot::key(key);
        self.write(|tx| Ok(tx.remove(&slot))).await
    }

    /// Tells what changes under a prefix: first a snapshot, then changes.
    pub fn watch(&self, prefix: impl Into<Bytes>) -> Watch {
        Watch::open(self.driver.clone(), self.name.clone(), prefix.into())
    }
}
