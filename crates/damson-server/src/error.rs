//! Why the ports could not be opened.

use std::io;

/// A server that could not be started. No port is open; the node runs on untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be read or its name does not resolve.
    #[error("{surface}: cannot resolve the address {address}: {source}")]
    Resolve {
        /// `Redis protocol` or `HTTP`.
        surface: &'static str,
        /// The address as configured.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Other machines could reach it, and nothing says who may use it.
    #[error(
        "{surface}: {address} is reachable from other machines, and there are no credentials that would say who may \
         use it: listen on a loopback address such as 127.0.0.1"
    )]
    NotLoopback {
        /// `Redis protocol` or `HTTP`.
        surface: &'static str,
        /// The address as configured.
        address: String,
    },
    /// The port is taken, or the address is not ours.
    #[error("{surface}: cannot listen on {address}: {source}")]
    Bind {
        /// `Redis protocol` or `HTTP`.
        surface: &'static str,
        /// The address as configured.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
}
