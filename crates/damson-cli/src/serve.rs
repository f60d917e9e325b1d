//! `damson serve`: one node, its Redis port and its HTTP port, until a signal.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use config::{Config, Environment, File};
use damson::{Node, NodeBuilder, Sync, SyncConfig};
use damson_server::{Server, ServerConfig};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Serve, duration};
use crate::progress::Progress;
use crate::{secret, size};

/// The file and the environment: everything optional, since flags may say it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: Option<String>,
    data_dir: Option<PathBuf>,
    listen: Option<String>,
    advertise: Option<String>,
    redis: Option<String>,
    http: Option<String>,
    #[serde(default)]
    join: Vec<String>,
    #[serde(default)]
    join_dns: Vec<String>,
    #[serde(default)]
    join_file: Vec<PathBuf>,
    realm: Option<String>,
    zone: Option<String>,
    #[serde(default)]
    cluster_secret_file: Vec<PathBuf>,
    trust_on_first_use: Option<PathBuf>,
    sync: Option<String>,
    sync_interval_ms: Option<u64>,
    #[serde(default)]
    scope_sync: Vec<String>,
    #[serde(default)]
    storage: Storage,
    /// Only a flag: what is accepted once must not be for ever.
    #[serde(skip)]
    accept_loss: bool,
    memory_max: Option<String>,
    #[serde(default)]
    scope_memory_max: Vec<String>,
    transfer_rate: Option<String>,
    write_patience: Option<String>,
}

/// `[storage]` in the file, with scopes of their own in `[storage.scopes]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Storage {
    sync: Option<String>,
    sync_interval_ms: Option<u64>,
    #[serde(default)]
    scopes: BTreeMap<String, String>,
}

/// The longest interval, in milliseconds.
const SYNC_INTERVAL_MS_MAX: u64 = 60_000;

/// The names in the file, and behind DAMSON_ in the environment.
const FIELDS: [&str; 20] = [
    "name",
    "data_dir",
    "listen",
    "advertise",
    "redis",
    "http",
    "join",
    "join_dns",
    "join_file",
    "realm",
    "zone",
    "cluster_secret_file",
    "trust_on_first_use",
    "sync",
    "sync_interval_ms",
    "scope_sync",
    "memory_max",
    "scope_memory_max",
    "transfer_rate",
    "write_patience",
];

/// Runs a node until SIGTERM or SIGINT.
pub fn run(args: Serve) -> anyhow::Result<ExitCode> {
    let settings = settings(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(settings));
    // The look-up of a name may hang, and nothing is left to wait for.
    runtime.shutdown_background();
    ended
}

async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    // Before anything else, so that an early signal is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        let (node, server) = begin(&settings).await?;
        let was_forgotten = tokio::select! {
            () = live(&node, &server) => true,
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
        };
        stop(node, server).await?;
        if !was_forgotten {
            return Ok(ExitCode::SUCCESS);
        }
        tracing::warn!("the other members have forgotten this one: it begins again, empty");
    }
}

/// The node, and what clients reach it by.
async fn begin(settings: &Settings) -> anyhow::Result<(Node, Server)> {
    let http = settings.http.clone().unwrap_or_else(|| "127.0.0.1:8500".into());
    let redis = settings.redis.clone().unwrap_or_else(|| "127.0.0.1:6400".into());
    let node = start(settings).await?;
    let front = ServerConfig { redis: Some(redis), http: Some(http), ..ServerConfig::default() };
    let server = match damson_server::start(node.clone(), front).await {
        Ok(server) => server,
        Err(error) => {
            node.stop().await?;
            return Err(error.into());
        }
    };
    if let Some(address) = server.http_address() {
        node.set_http_address(address.to_string());
    }
    Ok((node, server))
}

/// Ends when the node was forgotten.
async fn live(node: &Node, server: &Server) {
    let tell = async {
        node.ready().await;
        if let Err(error) = say_ready(node, server) {
            tracing::warn!(%error, "cannot say that the node is ready");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = node.forgotten() => {}
        () = tell => {}
    }
}

async fn start(settings: &Settings) -> anyhow::Result<Node> {
    let Some(name) = &settings.name else { bail!("give the node a name: --name NAME") };
    let Some(data_dir) = &settings.data_dir else { bail!("say where to keep the data: --data-dir DIR") };
    let listen = settings.listen.clone().unwrap_or_else(|| "127.0.0.1:7400".into());
    let mut builder = Node::builder(name).data_dir(data_dir).listen(listen).accept_loss(settings.accept_loss);
    builder = durability(builder, settings)?;
    builder = builder.memory(size::limits(settings.memory_max.as_deref(), &settings.scope_memory_max)?);
    if let Some(path) = &settings.trust_on_first_use {
        builder = builder.trust_on_first_use(path);
    } else if settings.cluster_secret_file.is_empty() {
        tracing::info!("no cluster secret: listening on loopback only, for nodes of this machine");
    }
    if let Some(rate) = &settings.transfer_rate {
        let bytes_per_s_max = size::bytes(rate).context("transfer_rate")?;
        builder = builder.anti_entropy(SyncConfig { bytes_per_s_max, ..SyncConfig::default() });
    }
    if let Some(patience) = &settings.write_patience {
        let patience = duration(patience).map_err(|reason| anyhow!("write_patience: {reason}"))?;
        builder = builder.write_patience(patience);
    }
    for path in &settings.cluster_secret_file {
        builder = builder.cluster_secret(secret::read(path)?);
    }
    for contact in &settings.join {
        builder = builder.join(contact);
    }
    for name in &settings.join_dns {
        builder = builder.join_dns(name);
    }
    for path in &settings.join_file {
        builder = builder.join_file(path);
    }
    if let Some(realm) = &settings.realm {
        builder = builder.realm(realm);
    }
    if let Some(zone) = &settings.zone {
        builder = builder.zone(zone);
    }
    if let Some(address) = &settings.advertise {
        builder = builder.advertise(address);
    }
    let progress = Arc::new(Mutex::new(Progress::new()));
    let tells = progress.clone();
    builder = builder.on_recovery(move |at| {
        tells.lock().part("reading what is stored", at.rows, at.rows_about, &format!("{} rows", at.rows));
    });
    let started = builder.start().await;
    progress.lock().end();
    Ok(started?)
}

/// What stands in `[storage]` counts where no flag or variable says otherwise.
fn durability(mut builder: NodeBuilder, settings: &Settings) -> anyhow::Result<NodeBuilder> {
    let Storage { sync, sync_interval_ms, scopes } = &settings.storage;
    if let Some(when) = settings.sync.as_ref().or(sync.as_ref()) {
        builder = builder.sync(sync_named(when).context("sync")?);
    }
    if let Some(ms) = settings.sync_interval_ms.or(*sync_interval_ms) {
        ensure!(
            (1..=SYNC_INTERVAL_MS_MAX).contains(&ms),
            "sync_interval_ms is 1 to {SYNC_INTERVAL_MS_MAX}, not {ms}"
        );
        builder = builder.sync_interval(Duration::from_millis(ms));
    }
    let flags = settings
        .scope_sync
        .iter()
        .map(|flag| flag.split_once('=').ok_or_else(|| anyhow!("scope_sync is SCOPE=WHEN, not {flag:?}")));
    let table = scopes.iter().map(|(scope, when)| Ok((scope.as_str(), when.as_str())));
    for named in table.chain(flags) {
        let (scope, when) = named?;
        let name = scope.parse().with_context(|| format!("the scope {scope:?}"))?;
        builder = builder.sync_scope(name, sync_named(when).with_context(|| format!("the scope {scope:?}"))?);
    }
    Ok(builder)
}

fn sync_named(when: &str) -> anyhow::Result<Sync> {
    match when {
        "interval" => Ok(Sync::Interval),
        "always" => Ok(Sync::Always),
        "never" => Ok(Sync::Never),
        other => bail!("always, interval or never, not {other:?}"),
    }
}

fn say_ready(node: &Node, server: &Server) -> anyhow::Result<()> {
    let status = node.status();
    let shown = |address: Option<std::net::SocketAddr>| address.map_or("none".into(), |a| a.to_string());
    let mut out = std::io::stdout();
    writeln!(
        out,
        "ready name={} id={} realm={} listen={} redis={} http={} members={}",
        status.name,
        status.id,
        status.realm,
        status.address,
        shown(server.redis_address()),
        shown(server.http_address()),
        status.members,
    )?;
    Ok(out.flush()?)
}

async fn stop(node: Node, server: Server) -> anyhow::Result<()> {
    tracing::info!("stopping");
    server.stop().await;
    node.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

fn settings(args: Serve) -> anyhow::Result<Settings> {
    let mut sources = Config::builder();
    if let Some(path) = &args.config {
        // Named explicitly, so it must be there; the format does not depend on its ending.
        sources = sources.add_source(File::from(path.as_path()).format(config::FileFormat::Toml));
    }
    // Only what we know: other variables that begin alike are somebody else's business.
    let known = FIELDS.iter().map(|field| format!("DAMSON_{}", field.to_uppercase()));
    let set = known.filter_map(|name| std::env::var(&name).ok().map(|value| (name, value))).collect();
    let lists = Environment::with_prefix("DAMSON")
        .source(Some(set))
        .try_parsing(true)
        .list_separator(",")
        .with_list_parse_key("join")
        .with_list_parse_key("join_dns")
        .with_list_parse_key("join_file")
        .with_list_parse_key("cluster_secret_file")
        .with_list_parse_key("scope_sync")
        .with_list_parse_key("scope_memory_max");
    let read = sources.add_source(lists).build().context("cannot read the configuration")?;
    let from_sources: Settings = read.try_deserialize().context("the configuration is not right")?;
    Ok(over(args, from_sources))
}

/// Flags win.
fn over(args: Serve, base: Settings) -> Settings {
    Settings {
        name: args.name.or(base.name),
        data_dir: args.data_dir.or(base.data_dir),
        listen: args.listen.or(base.listen),
        advertise: args.advertise.or(base.advertise),
        redis: args.redis.or(base.redis),
        http: args.http.or(base.http),
        join: list(args.join, base.join),
        join_dns: list(args.join_dns, base.join_dns),
        join_file: list(args.join_file, base.join_file),
        realm: args.realm.or(base.realm),
        zone: args.zone.or(base.zone),
        cluster_secret_file: list(args.cluster_secret_file, base.cluster_secret_file),
        trust_on_first_use: args.trust_on_first_use.or(base.trust_on_first_use),
        sync: args.sync.or(base.sync),
        sync_interval_ms: args.sync_interval_ms.or(base.sync_interval_ms),
        scope_sync: list(args.scope_sync, base.scope_sync),
        storage: base.storage,
        accept_loss: args.accept_loss,
        memory_max: args.memory_max.or(base.memory_max),
        scope_memory_max: list(args.scope_memory_max, base.scope_memory_max),
        transfer_rate: args.transfer_rate.or(base.transfer_rate),
        write_patience: args.write_patience.or(base.write_patience),
    }
}

fn list<T>(flags: Vec<T>, base: Vec<T>) -> Vec<T> {
    if flags.is_empty() { base } else { flags }
}
