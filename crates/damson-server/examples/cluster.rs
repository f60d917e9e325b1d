//! Some nodes in one process, each with its ports: to look at the dashboard, and to try clients.
//!
//! `cargo run --release -p damson-server --example cluster -- [NODES] [DATA_DIR] [REDIS_PORT] [HTTP_PORT]`
//!
//! Without a directory (or with `-`) everything is in memory. Ports count up from those given; 0 takes free ones.

use damson::{Node, Scope};
use damson_server::{Server, ServerConfig, start};

type Failure = Box<dyn std::error::Error>;

struct Options {
    nodes: u16,
    data_dir: Option<String>,
    redis: u16,
    http: u16,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut running: Vec<(Node, Server)> = Vec::new();
    for at in 0..options.nodes {
        let contact = running.first().map(|(node, _)| node.address());
        running.push(launch(&options, at, contact).await?);
    }
    if options.nodes > 1 {
        let scope = running[0].0.scope("default")?;
        tokio::spawn(write_a_little(scope));
    }
    tokio::signal::ctrl_c().await?;
    for (node, server) in running {
        server.stop().await;
        node.stop().await?;
    }
    Ok(())
}

fn options() -> Result<Options, Failure> {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().map_or(Ok(default), |text| text.parse());
    let nodes = number(3)?;
    let data_dir = std::env::args().nth(2).filter(|dir| dir != "-");
    let _ = number(0);
    Ok(Options { nodes, data_dir, redis: number(6_400)?, http: number(8_500)? })
}

async fn launch(options: &Options, at: u16, contact: Option<String>) -> Result<(Node, Server), Failure> {
    let port = |first: u16| if first == 0 { 0 } else { first + at };
    let http = format!("127.0.0.1:{}", port(options.http));
    let mut builder = Node::builder(format!("node-{}", at + 1)).http_address(&http);
    if let Some(contact) = contact {
        builder = builder.join(contact);
    }
    if let Some(dir) = &options.data_dir {
        builder = builder.data_dir(format!("{dir}/{at}"));
    }
    let node = builder.start().await?;
    let redis = Some(format!("127.0.0.1:{}", port(options.redis)));
    let server =
        start(node.clone(), ServerConfig { redis, http: Some(http), ..ServerConfig::default() }).await?;
    let shown = |address: Option<std::net::SocketAddr>| {
        address.map(|address| address.to_string()).unwrap_or_default()
    };
    println!(
        "{} redis {} dashboard http://{}",
        node.status().name,
        shown(server.redis_address()),
        shown(server.http_address())
    );
    Ok((node, server))
}

/// So that there is something to see.
async fn write_a_little(scope: Scope) {
    for n in 0_u64.. {
        // Whoever looks at the dashboard sees when it fails.
        let _ = scope.counter(format!("visits:{}", n % 50)).add(1).await;
        tokio::time::sleep(std::time::Duration::from_millis(20 + n % 30)).await;
    }
}
