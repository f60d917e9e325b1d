//! Real `damson serve` processes, real sockets, real signals: what the simulator shows, shown once more.

mod backups;
mod cluster;
mod configuration;
mod daemon;
mod discovery;
mod exchanges;
#[cfg(feature = "object-storage")]
mod fake_s3;
mod keys;
mod lives;
#[cfg(feature = "object-storage")]
mod object_storage;
mod packages;
mod refusals;
mod resp;
mod thirty;
mod tree;
