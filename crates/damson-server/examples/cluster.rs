//! Some nodes in one process, each with its ports: to look at the dashboard, and to try clients.
//!
//! `cargo run --release -p damson-server --example cluster -- [NODES] [DATA_DIR] [REDIS_PORT] [HTTP_PORT] [CONTACT]`
//!
//! Without a directory (or with `-`) everything is in memory. Ports count up from those given; 0 takes free ones. With
//! a contact the nodes join the cluster of another process. Several nodes write a little, ten seconds of each twenty.

use damson::{Node, Scope};
use damson_server::{Server, ServerConfig, start};

type Failure = Box<dyn std::error::Error>;

struct Options {
    nodes: u16,
    data_dir: Option<String>,
    redis: u16,
    http: u16,
    contact: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut running: Vec<(Node, Server)> = Vec::new();
    for at in 0..options.nodes {
        let contact = options.contact.clone().or_else(|| running.first().map(|(node, _)| node.address()));
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
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |text| text.parse());
    Ok(Options {
        nodes: number(0, 3)?,
        data_dir: args.get(1).filter(|dir| *dir != "-").cloned(),
        redis: number(2, 6_400)?,
        http: number(3, 8_500)?,
        contact: args.get(4).cloned(),
    })
}

async fn launch(options: &Options, at: u16, contact: Option<String>) -> Result<(Node, Server), Failure> {
    let port = |first: u16| if first == 0 { 0 } else { first + at };
    let http = format!("127.0.0.1:{}", port(options.http));
    let name = if options.contact.is_some() { "guest" } else { "node" };
    let mut builder = Node::builder(format!("{name}-{}", at + 1)).http_address(&http);
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
    let status = node.status();
    let (redis, http) = (shown(server.redis_address()), shown(server.http_address()));
    println!("{} nodes {} redis {redis} dashboard http://{http}", status.name, status.address);
    Ok((node, server))
}

/// So that there is something to see.
async fn write_a_little(scope: Scope) {
    for n in 0_u64.. {
        // Whoever looks at the dashboard sees when it fails.
        let _ = scope.counter(format!("visits:{}", n % 50)).add(1).await;
        let pause = if n % 300 == 299 { 10_000 } else { 20 + n % 30 };
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
    }
}
