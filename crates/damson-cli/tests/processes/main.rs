//! Real `damson serve` processes, real sockets, real signals: what the simulator shows, shown once more.

mod backups;
mod cluster;
mod configuration;
mod daemon;
mod discovery;
mod lives;
mod packages;
mod refusals;
mod resp;
mod thirty;
mod tree;
