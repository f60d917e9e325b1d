//! A load whose outcome can be judged: every acknowledged write is remembered outside the cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use damson::{Node, Scope, Slot, WriteError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::Cluster;

/// How fast writers write.
#[derive(Clone, Copy)]
pub enum Pace {
    /// With this pause between writes.
    Steady(Duration),
    /// Some writes, then a pause in which the digests can be seen to agree.
    Bursts,
}

/// A running load.
pub struct Load {
    stop: watch::Sender<bool>,
    writers: Vec<JoinHandle<Written>>,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct Written {
    pub acked: u64,
    /// Strings that must be there, on every node.
    pub strings: Vec<(String, String)>,
    /// Elements that were added and not removed.
    pub present: BTreeSet<String>,
    /// Elements whose removal was acknowledged, each added once.
    pub removed: BTreeSet<String>,
    /// The sum of all acknowledged increments.
    pub counted: i64,
}

const RING: u64 = 5_000;

impl Load {
    /// One writer for each node.
    pub fn start(cluster: &Cluster, pace: Pace) -> Self {
        let (stop, stopped) = watch::channel(false);
        let writers = cluster.nodes.iter().enumerate();
        let writers =
            writers.map(|(at, node)| tokio::spawn(write(node.clone(), at, pace, stopped.clone()))).collect();
        Self { stop, writers }
    }

    /// Ends it, and says what was acknowledged.
    pub async fn stop(self) -> Written {
        self.stop.send_replace(true);
        let mut all = Written::default();
        for writer in self.writers {
            let Ok(written) = writer.await else { continue };
            all.acked += written.acked;
            all.strings.extend(written.strings);
            all.present.extend(written.present);
            all.removed.extend(written.removed);
            all.counted += written.counted;
        }
        all
    }
}

impl Pace {
    fn pause_after(self, n: u64) -> Duration {
        match self {
            Self::Steady(pause) => pause,
            Self::Bursts if n % 8 == 7 => Duration::from_secs(5),
            Self::Bursts => Duration::from_millis(150),
        }
    }
}

async fn write(node: Node, at: usize, pace: Pace, mut stopped: watch::Receiver<bool>) -> Written {
    let scope = node.scope("default").expect("a sound name");
    let mut written = Written::default();
    for n in 0_u64.. {
        if let Err(error) = step(&scope, at, n, &mut written).await {
            eprintln!("damson: n{}: {error}", at + 1);
        }
        if tokio::time::timeout(pace.pause_after(n), stopped.wait_for(|stop| *stop)).await.is_ok() {
            break;
        }
    }
    written
}

async fn step(scope: &Scope, at: usize, n: u64, written: &mut Written) -> Result<(), WriteError> {
    match n % 4 {
        0 => {
            let (key, value) = (format!("demo:n{}:{}", at + 1, n % RING), n.to_string());
            let (k, v) = (key.clone().into(), value.clone().into());
            scope.write(move |tx| tx.set_text(&k, v, None)).await?;
            written.strings.retain(|(known, _)| n < RING || *known != key);
            written.strings.push((key, value));
        }
        1 => {
            scope.write(|tx| tx.add(&Slot::key("demo:count"), 1)).await?;
            written.counted += 1;
        }
        2 => {
            let element = format!("n{}:{n}", at + 1);
            scope.write(|tx| tx.set_add(&Slot::key("demo:set"), element.as_bytes())).await?;
            written.present.insert(element);
        }
        _ => remove_or_show(scope, at, n, written).await?,
    }
    written.acked += 1;
    Ok(())
}

/// Every second element goes again, so that the set does not only grow.
async fn remove_or_show(scope: &Scope, at: usize, n: u64, written: &mut Written) -> Result<(), WriteError> {
    let element = format!("n{}:{}", at + 1, n.saturating_sub(5));
    if n % 8 == 7 && written.present.contains(&element) {
        scope.write(|tx| tx.set_remove(&Slot::key("demo:set"), element.as_bytes())).await?;
        written.present.remove(&element);
        written.removed.insert(element);
        return Ok(());
    }
    let field = format!("n{}", at + 1);
    let slot = Slot::key("demo:last").field(field.as_bytes());
    scope.write(|tx| tx.put_register(&slot, n.to_string().into(), None)).await
}
