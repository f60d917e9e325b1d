//! Taking connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::session::Session;
use crate::front::Front;
use crate::server::stopped;

/// How long to wait when the system has no more descriptors: they come back when clients leave.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop, and until what was in flight then is finished.
pub(crate) async fn accept(listener: TcpListener, front: Arc<Front>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let stop = stopping.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => admit(stream, address, &front, &stop, &mut connections),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(front.limits.stop_max, all).await.is_err() {
        tracing::warn!("clients that did not take their replies in time were cut off");
    }
}

fn admit(
    mut stream: TcpStream,
    address: SocketAddr,
    front: &Arc<Front>,
    stopping: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let local = stream.local_addr().unwrap_or(address);
    let Some(client) = front.clients.admit(address, local) else {
        front.metrics.client_refused();
        connections.spawn(async move {
            // The client may have gone already.
            let _ = stream.write_all(b"-ERR max number of clients reached\r\n").await;
        });
        return;
    };
    front.metrics.client_connected();
    // Replies are written as a whole; waiting for more would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let session = Session::new(front.clone(), client);
    connections.spawn(Connection::new(stream, session).serve(stopping.clone()));
}
