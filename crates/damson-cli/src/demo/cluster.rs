//! The nodes of the demonstration, each with its own links, store, Redis port and HTTP port.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::bail;
use damson::Node;
use damson::identity::Identity;
use damson::transport::{TcpConfig, TcpTransport};
use damson_server::{Server, ServerConfig};
use tempfile::TempDir;

use super::partition::{Cuts, CuttableTransport};

const REDIS_FROM: u16 = 6_401;
const HTTP_FROM: u16 = 8_501;

/// A running cluster.
pub struct Cluster {
    pub nodes: Vec<Node>,
    servers: Vec<Server>,
    ids: Vec<[u8; 16]>,
    cuts: Cuts,
    /// Removed when the demonstration ends.
    _data: TempDir,
}

impl Cluster {
    /// Starts nodes that join through the first.
    pub async fn start(count: u16) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("damson-demo-").tempdir()?;
        let mut cluster = Self {
            nodes: Vec::new(),
            servers: Vec::new(),
            ids: Vec::new(),
            cuts: Cuts::default(),
            _data: data,
        };
        let (mut redis, mut http) = (REDIS_FROM, HTTP_FROM);
        for at in 0..count {
            redis = free_port(redis)?;
            http = free_port(http)?;
            cluster.start_node(at, redis, http).await?;
            (redis, http) = (redis + 1, http + 1);
        }
        Ok(cluster)
    }

    async fn start_node(&mut self, at: u16, redis: u16, http: u16) -> anyhow::Result<()> {
        let (redis, http) = (format!("127.0.0.1:{redis}"), format!("127.0.0.1:{http}"));
        let identity = Identity::generate();
        let own = identity.node_id();
        let tcp = TcpTransport::bind(TcpConfig::default(), &identity).await?;
        let counters = tcp.counters();
        let transport = CuttableTransport::new(tcp, own, self.cuts.clone());
        let name = format!("n{}", at + 1);
        let mut builder = Node::builder(&name)
            .realm("demo")
            .identity(identity)
            .transport(transport)
            .transport_counters(counters)
            .data_dir(self._data.path().join(&name));
        if let Some(first) = self.nodes.first() {
            builder = builder.join(first.address());
        }
        let node = builder.start().await?;
        let config = ServerConfig { redis: Some(redis), http: Some(http), ..ServerConfig::default() };
        let server = damson_server::start(node.clone(), config).await?;
        if let Some(address) = server.http_address() {
            node.set_http_address(address.to_string());
        }
        self.servers.push(server);
        self.nodes.push(node);
        self.ids.push(own);
        Ok(())
    }

    /// Waits until every node is linked with every other.
    pub async fn all_linked(&self, within: Duration) -> anyhow::Result<()> {
        let others = self.nodes.len() - 1;
        if !wait_for(within, || self.nodes.iter().all(|node| node.status().links == others)).await {
            bail!("the nodes did not link within {} s", within.as_secs());
        }
        Ok(())
    }

    /// Waits until all digests agree.
    pub async fn all_agree(&self, within: Duration) -> bool {
        wait_for(within, || {
            let first = self.nodes[0].digest();
            self.nodes.iter().all(|node| node.digest() == first)
        })
        .await
    }

    /// Cuts the smaller half off.
    pub fn cut(&self) {
        self.cuts.cut(self.ids[..self.ids.len() / 2].iter().copied().collect::<BTreeSet<_>>());
    }

    /// Ends the cut.
    pub fn heal(&self) {
        self.cuts.heal();
    }

    /// Tells people where to look and what to try.
    pub fn say_what_to_try(&self) {
        println!("{} nodes are running, each with its own links and its own disk:\n", self.nodes.len());
        println!("  node  redis            dashboard");
        for (node, server) in self.nodes.iter().zip(&self.servers) {
            let shown =
                |address: Option<std::net::SocketAddr>| address.map_or(String::new(), |a| a.to_string());
            let (redis, http) = (shown(server.redis_address()), shown(server.http_address()));
            println!("  {:<5} {redis:<16} http://{http}/", node.status().name);
        }
        let port = |at: usize| self.servers.get(at).and_then(Server::redis_address).map_or(0, |a| a.port());
        println!("\nTry, in another terminal:\n");
        println!("  redis-cli -p {} set greeting hello        # write on one node", port(0));
        println!("  redis-cli -p {} get greeting              # read on another", port(1));
        println!("  redis-cli -p {} incr visits               # count on each: the sum is exact", port(1));
        println!("  redis-cli -p {} hgetall demo:last         # the load that runs here", port(0));
        println!(
            "\nCtrl-C stops. `damson demo --headless --for 20s --json` also cuts the network and judges the result."
        );
    }

    /// Stops everything.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
        for node in self.nodes {
            if let Err(error) = node.stop().await {
                eprintln!("damson: {error}");
            }
        }
    }
}

async fn wait_for(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < within {
        if is_so() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    is_so()
}

/// The first port from here on that nobody has.
fn free_port(from: u16) -> anyhow::Result<u16> {
    match (from..=u16::MAX).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
        Some(port) => Ok(port),
        None => bail!("no free port from {from} on"),
    }
}
