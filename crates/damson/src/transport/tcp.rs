//! Links over TCP and TLS 1.3: the default transport.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::RwLock;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    sync::{Mutex as AsyncMutex, mpsc},
    task::JoinSet,
    time,
};
use tokio_rustls::TlsStream;

use super::{
    Admission, BoxFuture, Link, LinkLimits, Lookups, PeerId, Transport, TransportCounters, TransportError,
    admission::{Role, Session},
    counters::add,
    frame::CHUNK_BYTES,
    handshakes::Handshakes,
    stream::carry,
    tls::Tls,
};
use crate::identity::Identity;

/// How long to leave the listener alone when the operating system has no sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that the operating system takes before it can send them. An urgent frame overtakes nothing of that, and the system
/// would take megabytes for a slow link.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_MAX: u32 = 256 << 10;
/// Keepalive counts in seconds: below this its parts come to nothing.
const UNANSWERED_MIN: Duration = Duration::from_secs(4);
/// Probes after which an idle connection ends.
const PROBES: u32 = 2;

/// How a [`TcpTransport`] listens, and what it puts up with.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Where to listen, `host:port`; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: String,
    /// What each link may hold.
    pub limits: LinkLimits,
    /// How long resolving a name and connecting may take. Default 5 s (a guess: a retransmitted SYN or two).
    pub dial_timeout: Duration,
    /// How long TLS and admission may take after that, for either role. Shorter frees places sooner that silent
    /// strangers hold, longer suits loaded machines. Default 5 s (a guess).
    pub handshake_timeout: Duration,
    /// How long the other end's machine may leave what was sent unacknowledged, or probes while nothing is sent, before the
    /// link ends: when it is gone, or cut off, without a goodbye. Also how long a peer may take nothing while its buffers are
    /// full. The time is exact on Linux and Android; elsewhere only idle links have it, and others the system's. Shorter
    /// notices a dead connection sooner, longer keeps links over outages of the network. Default 10 s (a guess: failure
    /// detection has judged the peer long before; this is to free what the link holds).
    pub unanswered_max: Duration,
    /// Inbound connections that may be in their handshake; for one more, the oldest is closed. As many may be finished and
    /// not yet taken by [`Transport::accept`]; then more wait in the operating system's backlog. Default 64 (a guess).
    pub handshakes_max: usize,
    /// How many of them may come from one remote address, this machine's own excepted. Default 16 (a guess: more members
    /// than that hardly start behind one address within a handshake's time).
    pub handshakes_per_address_max: usize,
    /// Whom to make links with.
    pub admission: Admission,
}

impl Default for TcpConfig {
    fn default() -> TcpConfig {
        TcpConfig {
            listen: "127.0.0.1:0".into(),
            limits: LinkLimits::default(),
            dial_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            unanswered_max: Duration::from_secs(10),
            handshakes_max: 64,
            handshakes_per_address_max: 16,
            admission: Admission::default(),
        }
    }
}

impl TcpConfig {
    fn validate(&self) -> Result<(), TransportError> {
        if self.unanswered_max < UNANSWERED_MIN {
            return Err(TransportError::Config { field: "unanswered_max", reason: "must be at least 4 s" });
        }
        if self.handshakes_max == 0 {
            return Err(TransportError::Config { field: "handshakes_max", reason: "must be at least 1" });
        }
        if self.handshakes_per_address_max == 0 {
            let field = "handshakes_per_address_max";
            return Err(TransportError::Config { field, reason: "must be at least 1" });
        }
        self.limits.validate()
    }
}

/// Links over TCP with mutual TLS 1.3. Dropping it stops listening; links that exist go on.
pub struct TcpTransport {
    shared: Arc<Shared>,
    local: SocketAddr,
    accepted: AsyncMutex<mpsc::Receiver<Link>>,
    /// Holds the listening task, which ends when this is dropped.
    _listening: JoinSet<()>,
}

/// What dialling and listening have in common.
struct Shared {
    node_id: PeerId,
    tls: Tls,
    limits: LinkLimits,
    dial_timeout: Duration,
    handshake_timeout: Duration,
    unanswered_max: Duration,
    lookups: Arc<Lookups>,
    admission: RwLock<Arc<Admission>>,
    counters: Arc<TransportCounters>,
}

/// Buffered below TLS, which would otherwise read 4 KiB at a time.
type Stream = TlsStream<BufReader<TcpStream>>;

impl TcpTransport {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`TransportError::Bind`] if the address cannot be had, [`TransportError::Config`] if a value is out of range.
    pub async fn bind(config: TcpConfig, identity: &Identity) -> Result<TcpTransport, TransportError> {
        config.validate()?;
        let bind = async || {
            let listener = TcpListener::bind(&config.listen).await?;
            let local = listener.local_addr()?;
            Ok((listener, local))
        };
        let (listener, local) =
            bind().await.map_err(|source| TransportError::Bind { address: config.listen.clone(), source })?;
        let (finished, accepted) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            node_id: identity.node_id(),
            tls: Tls::new(identity),
            limits: config.limits,
            dial_timeout: config.dial_timeout,
            handshake_timeout: config.handshake_timeout,
            unanswered_max: config.unanswered_max,
            lookups: Arc::default(),
            admission: RwLock::new(Arc::new(config.admission)),
            counters: Arc::default(),
        });
        let mut listening = JoinSet::new();
        let handshakes = Handshakes::new(config.handshakes_max, config.handshakes_per_address_max);
        listening.spawn(listen(listener, shared.clone(), handshakes, config.handshakes_max, finished));
        Ok(TcpTransport { shared, local, accepted: AsyncMutex::new(accepted), _listening: listening })
    }

    /// Changes whom to make links with, for handshakes that start from now on. Links that exist go on.
    pub fn set_admission(&self, admission: Admission) {
        *self.shared.admission.write() = Arc::new(admission);
    }

    /// Whom it makes links with.
    pub fn admission(&self) -> Arc<Admission> {
        self.shared.admission.read().clone()
    }

    /// Its lookups of names, for others who look up the same.
    pub(crate) fn lookups(&self) -> Arc<Lookups> {
        self.shared.lookups.clone()
    }

    /// What this transport has done so far.
    pub fn counters(&self) -> Arc<TransportCounters> {
        self.shared.counters.clone()
    }
}

impl Transport for TcpTransport {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        Box::pin(self.shared.dial(address))
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move { self.accepted.lock().await.recv().await.ok_or(TransportError::Closed) })
    }

    fn admits(&self, peer: &PeerId) -> bool {
        self.shared.admission.read().allowed.as_ref().is_none_or(|allowed| allowed.contains(peer))
    }

    fn local_address(&self) -> String {
        self.local.to_string()
    }
}

impl Shared {
    async fn dial(&self, address: &str) -> Result<Link, TransportError> {
        let connected = time::timeout(self.dial_timeout, self.connect(address)).await;
        let connected = connected.map_err(|_| timed_out(address, "connection", self.dial_timeout))?;
        let tcp = connected.map_err(|source| TransportError::Connect { address: address.into(), source })?;
        let (stream, peer) = self.secure(Role::Dialer, tcp, address).await?;
        add(&self.counters.dialed, 1);
        Ok(self.start(stream, peer, address.into()))
    }

    async fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let found = self.lookups.resolve(address, self.dial_timeout).await?;
        TcpStream::connect(&found[..]).await
    }

    async fn welcome(&self, tcp: TcpStream, remote: SocketAddr) -> Option<Link> {
        let remote = remote.to_string();
        match self.secure(Role::Acceptor, tcp, &remote).await {
            Ok((stream, peer)) => {
                add(&self.counters.accepted, 1);
                Some(self.start(stream, peer, remote))
            }
            Err(error) => {
                self.counters.refused(&error);
                tracing::warn!(%remote, %error, "inbound connection refused");
                None
            }
        }
    }

    /// TLS and admission, within the time allowed.
    async fn secure(
        &self,
        role: Role,
        tcp: TcpStream,
        remote: &str,
    ) -> Result<(Stream, PeerId), TransportError> {
        let limit = self.handshake_timeout;
        let secured = time::timeout(limit, self.handshake(role, tcp, remote)).await;
        secured.unwrap_or_else(|_| Err(timed_out(remote, "handshake", limit)))
    }

    async fn handshake(
        &self,
        role: Role,
        tcp: TcpStream,
        remote: &str,
    ) -> Result<(Stream, PeerId), TransportError> {
        let failed = |source| TransportError::Handshake { address: remote.into(), source };
        // Frames are coalesced before they are written, so waiting for more would only cost time.
        tcp.set_nodelay(true).map_err(failed)?;
        limit_silence(&tcp, self.unanswered_max).map_err(failed)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        SockRef::from(&tcp).set_tcp_notsent_lowat(UNSENT_MAX).map_err(failed)?;
        let tcp = BufReader::with_capacity(CHUNK_BYTES, tcp);
        let mut secured = match role {
            Role::Dialer => self.tls.connect(tcp).await,
            Role::Acceptor => self.tls.accept(tcp).await,
        }
        .map_err(failed)?;
        let session = Session { role, here: self.node_id, there: secured.peer, exporter: secured.exporter };
        let admission = self.admission.read().clone();
        let admitted = admission.admit(&mut secured.stream, &session).await;
        admitted.map_err(|refusal| refusal.into_error(remote, secured.peer))?;
        Ok((secured.stream, secured.peer))
    }

    /// Starts the task that carries a link; it ends with the link.
    fn start(&self, stream: Stream, peer: PeerId, remote: String) -> Link {
        let (link, endpoint) = Link::new(peer, remote.clone(), &self.limits);
        let counters = self.counters.clone();
        tokio::spawn(async move {
            let ended = carry(stream, endpoint, counters).await;
            tracing::debug!(%remote, cause = %ended, "link ended");
        });
        link
    }
}

/// Has the operating system end a connection whose other end does not acknowledge anything for so long: half of it without
/// a sign, and then probes.
fn limit_silence(tcp: &TcpStream, limit: Duration) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    let keepalive = TcpKeepalive::new().with_time(limit / 2).with_interval(limit / 2 / PROBES);
    socket.set_tcp_keepalive(&keepalive.with_retries(PROBES))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(limit))?;
    Ok(())
}

fn timed_out(address: &str, step: &'static str, limit: Duration) -> TransportError {
    TransportError::Timeout { address: address.into(), step, limit }
}

/// Takes connections for ever. Handshakes run beside each other, so that a slow or broken one disturbs nobody.
async fn listen(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut handshakes: Handshakes,
    links_max: usize,
    finished: mpsc::Sender<Link>,
) {
    let mut running = JoinSet::new();
    let mut links = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if links.len() < links_max => match accepted {
                Ok((tcp, remote)) => {
                    if let Some(ended) = handshakes.make_room(remote.ip()) {
                        add(&shared.counters.refused_crowded, 1);
                        tracing::debug!(remote = %ended, "a handshake is ended for a newer one");
                    }
                    let shared = shared.clone();
                    let handshake = running.spawn(async move { shared.welcome(tcp, remote).await });
                    handshakes.add(remote.ip(), handshake);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections, trying again");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = running.join_next() => links.extend(ended.ok().flatten()),
            Ok(place) = finished.reserve(), if !links.is_empty() => {
                place.send(links.pop_front().expect("asked above"));
            }
            // The transport is being dropped.
            else => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::transport::{ClusterSecret, Lane, SendError};

    async fn node(config: TcpConfig) -> (TcpTransport, PeerId) {
        let identity = Identity::generate();
        (TcpTransport::bind(config, &identity).await.unwrap(), identity.node_id())
    }

    fn with_secrets(secrets: &[u8]) -> Admission {
        let secrets = secrets.iter().map(|byte| ClusterSecret::from([*byte; 32])).collect();
        Admission { secrets, allowed: None }
    }

    async fn node_with_secrets(secrets: &[u8]) -> TcpTransport {
        node(TcpConfig { admission: with_secrets(secrets), ..TcpConfig::default() }).await.0
    }

    async fn linked(a: &TcpTransport, b: &TcpTransport) -> (Link, Link) {
        let address = b.local_address();
        let (dialed, accepted) = tokio::join!(a.dial(&address), b.accept());
        (dialed.unwrap(), accepted.unwrap())
    }

    /// Waits until a counter has reached a value, which a failing test never sees.
    async fn reached(counter: &AtomicU64, value: u64) {
        while counter.load(Ordering::Relaxed) < value {
            time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn large_and_small_frames_are_echoed_and_both_sides_know_each_other() {
        let ((a, id_a), (b, id_b)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let (mut at_a, mut at_b) = linked(&a, &b).await;
        assert_eq!((at_a.peer, at_b.peer), (id_b, id_a));
        let echo = tokio::spawn(async move {
            while let Some(frame) = at_b.incoming.recv().await {
                at_b.sender.try_send(Lane::Bulk, frame).unwrap();
            }
        });
        let mut sent = 0;
        for (byte, size) in (0u8..).zip([0, 1, 65_535, 65_536, 3 << 20, 7, 24 << 20]) {
            let frame = Bytes::from(vec![byte; size]);
            at_a.sender.try_send(Lane::Bulk, frame.clone()).unwrap();
            assert!(
                at_a.incoming.recv().await.unwrap() == frame,
                "the frame of {size} bytes came back changed"
            );
            sent += 4 + size as u64;
        }
        reached(&a.counters().bytes_out, sent).await;
        reached(&b.counters().frames_in, 7).await;
        assert_eq!(a.counters().bytes_in.load(Ordering::Relaxed), sent);
        drop(at_a);
        echo.await.unwrap();
    }

    #[tokio::test]
    async fn closing_one_side_ends_the_other_after_the_last_frame() {
        let ((a, _), (b, _)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let (at_a, mut at_b) = linked(&a, &b).await;
        // Unread input at the closing side must not destroy what it sent last.
        at_b.sender.try_send(Lane::Bulk, Bytes::from(vec![1; 1 << 20])).unwrap();
        at_a.sender.try_send(Lane::Urgent, "goodbye".into()).unwrap();
        at_a.sender.close();
        assert_eq!(at_b.incoming.recv().await.unwrap(), "goodbye");
        assert_eq!(at_b.incoming.recv().await, None);
        assert_eq!(at_b.sender.try_send(Lane::Bulk, Bytes::new()), Err(SendError::Closed));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_the_address() {
        let (first, _) = node(TcpConfig::default()).await;
        let listen = first.local_address();
        let config = TcpConfig { listen: listen.clone(), ..TcpConfig::default() };
        let error = TcpTransport::bind(config, &Identity::generate()).await.err().unwrap();
        assert!(error.to_string().contains(&listen), "{error}");
    }

    #[tokio::test]
    async fn names_are_resolved_and_failures_name_the_address() {
        let ((a, _), (b, _)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let (_, port) =
            b.local_address().rsplit_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
        let address = format!("localhost:{port}");
        assert_eq!(a.dial(&address).await.unwrap().remote, address);
        for nowhere in ["no port", "127.0.0.1:1"] {
            let error = a.dial(nowhere).await.unwrap_err();
            assert!(matches!(error, TransportError::Connect { .. }), "{error}");
            assert!(error.to_string().contains(nowhere));
        }
    }

    #[tokio::test]
    async fn a_wrong_or_missing_secret_is_refused_with_its_reason_and_counted() {
        let guarded = node_with_secrets(&[1]).await;
        let address = guarded.local_address();
        let wrong = node_with_secrets(&[2]).await.dial(&address).await.unwrap_err();
        assert!(matches!(wrong, TransportError::WrongSecret { .. }), "{wrong}");
        let missing = node_with_secrets(&[]).await.dial(&address).await.unwrap_err();
        assert!(matches!(missing, TransportError::NoSecretHere { .. }), "{missing}");
        let open = node_with_secrets(&[]).await;
        let unknown = guarded.dial(&open.local_address()).await.unwrap_err();
        assert!(matches!(unknown, TransportError::NoSecretThere { .. }), "{unknown}");
        reached(&guarded.counters().refused_secret, 2).await;
        linked(&node_with_secrets(&[1]).await, &guarded).await;
    }

    #[tokio::test]
    async fn a_secret_is_rotated_while_the_transports_run() {
        let (a, b) = (node_with_secrets(&[1]).await, node_with_secrets(&[1]).await);
        let (mut link, _at_b) = linked(&a, &b).await;
        for step in [&[1, 2][..], &[2, 1], &[2]] {
            a.set_admission(with_secrets(step));
            linked(&a, &b).await;
            linked(&b, &a).await;
            b.set_admission(with_secrets(step));
        }
        assert!(a.dial(&node_with_secrets(&[1]).await.local_address()).await.is_err());
        assert!(link.incoming.try_recv().is_err_and(|error| error == mpsc::error::TryRecvError::Empty));
    }

    #[tokio::test]
    async fn only_listed_nodes_are_let_in() {
        let ((friend, friend_id), (stranger, _)) =
            (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let admission = Admission { allowed: Some([friend_id].into()), ..Admission::default() };
        let (strict, _) = node(TcpConfig { admission, ..TcpConfig::default() }).await;
        linked(&friend, &strict).await;
        let error = stranger.dial(&strict.local_address()).await.unwrap_err();
        assert!(matches!(error, TransportError::NotAllowedThere { .. }), "{error}");
        reached(&strict.counters().refused_not_allowed, 1).await;
    }

    #[tokio::test]
    async fn an_announced_frame_above_the_limit_ends_only_that_link() {
        let ((a, _), (b, _)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let (at_a, mut at_b) = linked(&a, &b).await;
        let tcp = TcpStream::connect(b.local_address()).await.unwrap();
        let (mut raw, _) = a.shared.secure(Role::Dialer, tcp, "b").await.unwrap();
        let mut victim = b.accept().await.unwrap();
        raw.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        raw.flush().await.unwrap();
        assert_eq!(victim.incoming.recv().await, None);
        reached(&b.counters().oversized, 1).await;
        at_a.sender.try_send(Lane::Bulk, "still here".into()).unwrap();
        assert_eq!(at_b.incoming.recv().await.unwrap(), "still here");
    }

    #[tokio::test]
    async fn strangers_that_do_not_speak_tls_do_not_disturb_accepting() {
        let ((a, _), (b, _)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 5000], b""] {
            let mut tcp = TcpStream::connect(b.local_address()).await.unwrap();
            // The node may hang up before it has read everything.
            let _ = tcp.write_all(garbage).await;
            let _ = tcp.shutdown().await;
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        }
        reached(&b.counters().refused_handshake, 3).await;
        linked(&a, &b).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn both_ends_of_a_link_have_the_system_end_it_when_nothing_is_acknowledged_and_take_little_in_advance()
     {
        let ((a, _), (b, _)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let limit = Duration::from_secs(10);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialed = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (dialed, accepted) = tokio::join!(
            a.shared.secure(Role::Dialer, dialed, "b"),
            b.shared.secure(Role::Acceptor, accepted, "a")
        );
        for (stream, _) in [dialed.unwrap(), accepted.unwrap()] {
            let socket = SockRef::from(stream.get_ref().0.get_ref());
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(limit));
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_MAX);
            let idle = socket.tcp_keepalive_time().unwrap();
            let probes = socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
            assert!(idle + probes <= limit, "{idle:?} {probes:?}");
        }
    }

    #[tokio::test]
    async fn silent_connections_do_not_keep_others_out_however_long_they_may_stay() {
        let (a, _) = node(TcpConfig::default()).await;
        let handshake_timeout = Duration::from_secs(3_600);
        let (b, _) = node(TcpConfig { handshakes_max: 3, handshake_timeout, ..TcpConfig::default() }).await;
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(TcpStream::connect(b.local_address()).await.unwrap());
        }
        linked(&a, &b).await;
        reached(&b.counters().refused_crowded, 1).await;
        assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0, "the oldest was closed");
    }

    #[tokio::test]
    async fn silent_connections_lose_their_places_when_the_time_is_over() {
        let (a, _) = node(TcpConfig::default()).await;
        let handshake_timeout = Duration::from_millis(200);
        let (b, _) = node(TcpConfig { handshakes_max: 9, handshake_timeout, ..TcpConfig::default() }).await;
        let mut silent = Vec::new();
        for _ in 0..6 {
            silent.push(TcpStream::connect(b.local_address()).await.unwrap());
        }
        // One that is slow rather than silent: a byte now and then does not buy more time.
        let trickle = &mut silent[0];
        let slow = async {
            while trickle.write_all(&[22]).await.is_ok() {
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::join!(linked(&a, &b), slow);
        reached(&b.counters().refused_timeout, 5).await;
    }

    #[tokio::test]
    async fn a_silent_listener_does_not_hold_the_dialer_for_ever() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handshake_timeout = Duration::from_millis(50);
        let (a, _) = node(TcpConfig { handshake_timeout, ..TcpConfig::default() }).await;
        let address = silent.local_addr().unwrap().to_string();
        let error = a.dial(&address).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout { step: "handshake", .. }), "{error}");
    }

    #[tokio::test]
    async fn dropping_the_transport_stops_listening_and_leaves_links_alone() {
        let ((a, _), (b, _)) = (node(TcpConfig::default()).await, node(TcpConfig::default()).await);
        let (at_a, mut at_b) = linked(&a, &b).await;
        let address = b.local_address();
        drop(b);
        while a.dial(&address).await.is_ok() {
            time::sleep(Duration::from_millis(5)).await;
        }
        at_a.sender.try_send(Lane::Bulk, "still here".into()).unwrap();
        assert_eq!(at_b.incoming.recv().await.unwrap(), "still here");
    }
}
