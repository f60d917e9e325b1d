//! chitchat's UDP transport, counted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use async_trait::async_trait;
use chitchat::ChitchatEnvelope;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport, UdpSocket};

/// What all nodes have sent: bytes of payload of datagrams.
#[derive(Debug, Default)]
pub struct Sent(AtomicU64);

impl Sent {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One socket, bound before its node starts, so that the node can be told its address.
pub struct Bound {
    pub address: SocketAddr,
    socket: Mutex<Option<Counted>>,
}

impl Bound {
    /// On a port that the system gives.
    pub async fn new(sent: &Arc<Sent>) -> anyhow::Result<Self> {
        let socket = UdpSocket::open((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let address = socket.local_addr()?;
        Ok(Self { address, socket: Mutex::new(Some(Counted { socket, sent: Arc::clone(sent) })) })
    }
}

#[async_trait]
impl Transport for Bound {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let mut socket = self.socket.lock().ok().context("somebody panicked with the socket")?;
        Ok(Box::new(socket.take().context("the socket was opened before")?))
    }
}

struct Counted {
    socket: UdpSocket,
    sent: Arc<Sent>,
}

#[async_trait]
impl Socket for Counted {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn send(&mut self, to: SocketAddr, envelope: ChitchatEnvelope) -> anyhow::Result<SendOutcome> {
        let outcome = self.socket.send(to, envelope).await?;
        self.sent.0.fetch_add(outcome.num_bytes_sent as u64, Ordering::Relaxed);
        Ok(outcome)
    }

    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        self.socket.recv().await
    }
}
