//! Taking a port on the loopback interface.

use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};

use crate::error::ServerError;

/// Listens on an address that only this machine can reach.
pub(crate) async fn loopback(surface: &'static str, address: &str) -> Result<TcpListener, ServerError> {
    let resolved = lookup_host(address).await.map_err(|source| {
        let address = address.into();
        ServerError::Resolve { surface, address, source }
    })?;
    let resolved: Vec<SocketAddr> = resolved.collect();
    if resolved.iter().any(|at| !at.ip().is_loopback()) {
        return Err(ServerError::NotLoopback { surface, address: address.into() });
    }
    TcpListener::bind(resolved.as_slice()).await.map_err(|source| {
        let address = address.into();
        ServerError::Bind { surface, address, source }
    })
}
