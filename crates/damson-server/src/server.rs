//! Opening and closing the ports.

use std::net::SocketAddr;
use std::sync::Arc;

use damson::Node;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::ServerConfig;
use crate::error::ServerError;
use crate::front::Front;
use crate::{bind, http, redis};

/// Open ports in front of a node. They close when it is stopped or dropped; dropping waits for nothing.
pub struct Server {
    front: Arc<Front>,
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the configured ports. The node may still be joining: clients are served what it has, and `/readyz` says so.
///
/// # Errors
/// [`ServerError`]; no port is open then.
pub async fn start(node: Node, config: ServerConfig) -> Result<Server, ServerError> {
    let redis = open("Redis protocol", config.redis.as_deref()).await?;
    let http = open("HTTP", config.http.as_deref()).await?;
    let address = |listener: &Option<TcpListener>| listener.as_ref().and_then(|l| l.local_addr().ok());
    let front = Arc::new(Front::new(node, config.limits, address(&redis), address(&http)));
    let (stopping, stop) = watch::channel(false);
    let mut tasks = Vec::new();
    if let Some(listener) = redis {
        tracing::info!(address = ?front.redis_address, "Redis protocol");
        tasks.push(tokio::spawn(redis::accept(listener, front.clone(), stop.clone())));
    }
    if let Some(listener) = http {
        tracing::info!(address = ?front.http_address, "HTTP");
        tasks.push(tokio::spawn(http::serve(listener, front.clone(), stop)));
    }
    Ok(Server { front, stopping, tasks })
}

impl Server {
    /// Where the Redis protocol is spoken.
    pub fn redis_address(&self) -> Option<SocketAddr> {
        self.front.redis_address
    }

    /// Where HTTP is spoken.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.front.http_address
    }

    /// Takes no new connections, finishes and acknowledges what has been received, and closes the connections. The node
    /// runs on.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            // A task that panicked has been reported by the runtime and holds nothing back.
            let _ = task.await;
        }
    }
}

/// Ends when the server is told to stop, or is gone.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error is the sender going away.
    let _ = stopping.wait_for(|stop| *stop).await;
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn open(surface: &'static str, address: Option<&str>) -> Result<Option<TcpListener>, ServerError> {
    match address {
        Some(address) => bind::loopback(surface, address).await.map(Some),
        None => Ok(None),
    }
}
