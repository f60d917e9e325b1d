//! Whole nodes through the public surface: over real sockets, on real disks.

mod acknowledgement;
mod backup;
mod cluster;
mod damage;
mod discovery;
mod forgotten;
mod format;
mod stage;
mod transports;
