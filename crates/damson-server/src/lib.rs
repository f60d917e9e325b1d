//! The Redis protocol, HTTP and a dashboard in front of a Damson node.
//!
//! [`start`] takes a running [`damson::Node`] and gives it ports. Nothing here has semantics of its own: a client's
//! command is one transaction of a [`damson::Scope`], database 0 is the scope `default`, database *n* the scope `db`*n*.
//!
//! ```no_run
//! use damson_server::{ServerConfig, start};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = damson::Node::builder("alpha").start().await?;
//! let config = ServerConfig {
//!     redis: Some("127.0.0.1:6379".into()),
//!     http: Some("127.0.0.1:7480".into()),
//!     ..ServerConfig::default()
//! };
//! let server = start(node.clone(), config).await?;
//! // ... until asked to stop:
//! server.stop().await; // first the clients,
//! node.stop().await?; //  then the node
//! # Ok(())
//! # }
//! ```
//!
//! Outline: [`resp`] is the protocol without I/O. A connection (`redis`) reads what has arrived, executes every complete
//! command of it in order by a static table (`commands`), waits once until the last write is as durable as its scope
//! asks, and writes all replies at once. `http` serves health, metrics, status and the dashboard.
//!
//! There are no credentials yet, so both ports bind to loopback addresses only.

mod backups;
mod bind;
mod clients;
mod commands;
mod config;
mod error;
mod front;
mod http;
mod metrics;
mod redis;
pub mod resp;
mod server;

pub use config::{FrontLimits, ServerConfig};
pub use error::ServerError;
pub use server::{Server, start};
