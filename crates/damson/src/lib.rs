//! A shared, always-writable state on every node of a cluster, without a coordinator.
//!
//! ```no_run
//! use damson::{Json, Node};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let node = Node::builder("alpha")
//!         .listen("127.0.0.1:7400") //  where other nodes reach this one
//!         .join("127.0.0.1:7401") //    any member of the cluster; more can be given
//!         .data_dir("/var/lib/damson/alpha") // without it nothing is kept across a restart
//!         .start()
//!         .await?;
//!     let app = node.scope("app")?; // a keyspace; nodes that host it agree on it
//!     app.counter("visits").add(1).await?; // written here at once, everywhere within milliseconds
//!     app.set("tags").insert("green").await?;
//!     app.map::<Json<Vec<u16>>>("ports").put("web", &Json(vec![80, 443])).await?;
//!     println!("{} visits, ports {:?}", app.counter("visits").get(), app.map::<Json<Vec<u16>>>("ports").get("web")?);
//!     node.stop().await?; // a clean stop: the next start goes on as the same actor
//!     Ok(())
//! }
//! ```
//!
//! Every node reads and writes its own copy; what it writes, its own reads see at once. Writes are acknowledged when
//! they are as durable as [`Sync`] asks, and reach the other members by direct push; what a push misses, anti-entropy
//! brings within seconds, at a cost that follows the difference. Concurrent writes merge by the rules of their type.
//! A delete takes away what it saw, needs no tombstone, and never comes back.
//!
//! Beyond the typed handles, [`Scope::write`] takes a transaction (one atomic batch), [`Scope::read`] a consistent look,
//! and [`Scope::watch`] tells what changes. [`transport`] has the ways to reach other nodes, including "bring your own".

mod ack;
mod admitted;
pub mod backup;
pub mod broadcast;
mod builder;
mod casts;
mod clock;
mod discovery;
mod driver;
mod error;
mod given;
pub mod gossip;
pub mod groups;
mod handles;
mod hosts;
pub mod identity;
mod names;
mod node;
mod opening;
mod peers;
mod presence;
pub mod publisher;
pub mod replica;
mod scope;
mod sizes;
mod status;
pub mod store;
mod supervise;
mod topic;
pub mod transport;
mod tree;
mod trust;
mod value;
mod watch;

pub use ack::{Acknowledged, Acknowledging, Issued, ReadError, WriteId};
pub use admitted::AllowError;
pub use builder::NodeBuilder;
pub use casts::{CastError, InboxLimits, NameError};
pub use damson_core::broadcast::{BroadcastConfig, BroadcastCounters};
pub use damson_core::casts::CastCounters;
pub use damson_core::crdt::{Actor, Digest, Dot, Hlc, Key, Kind, Life, LimitError, Limits, NodeId};
pub use damson_core::membership::{
    GivenNeighbors, LivenessConfig, MemberState, OverlayConfig, OverlayCounters,
};
pub use damson_core::node::{
    Ack, AckConfig, AckCounters, CallError, DialConfig, Event, MemoryConfig, NodeCounters, Token, TokenError,
    WaitError, Waited,
};
pub use damson_core::replica::{
    Behind, Counters as ReplicaCounters, MemoryLevel, MemoryOf, MemoryUse, ReplicaConfig, Scan, Slot, Stamp,
    Tx, View, WriteError,
};
pub use damson_core::scope::{ScopeName, ScopeNameError};
pub use damson_core::sync::{SyncConfig, SyncCounters};
pub use discovery::DiscoveryConfig;
pub use driver::{Sync, Ticket};
pub use error::{StartError, StopError};
pub use given::{GivenPeers, GivenPeersError};
pub use handles::{
    Counter, CounterGroup, CounterReader, Flag, Map, MaxRegister, MultiRegister, PrefixError, PresentField,
    PresentMap, Register, Set,
};
pub use node::Node;
pub use opening::Recovery;
pub use peers::{Peer, PeerError};
pub use scope::Scope;
pub use status::{Counters, MemberInfo, Readiness, ScopeInfo, Status};
pub use topic::{Heard, Subscriber, Topic};
pub use tree::TreeView;
pub use trust::{Pin, TrustError};
pub use value::{Json, Value, ValueError};
pub use watch::{Change, MapChange, MapWatch, Watch};
