//! Three nodes whose frames the test moves, so that it can add some of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::Node;
use damson::identity::Identity;
use damson::transport::{ByoHandle, ByoLink, ByoTransport, LinkLimits};
use tokio::sync::{mpsc, oneshot};

use crate::stage::{linked, quick};

/// The receiving ends of all links, by the names of who sends and who receives.
type Ends = Arc<Mutex<Vec<(String, String, Arc<ByoLink>)>>>;

/// The wires between the nodes.
pub struct Wires {
    ends: Ends,
}

struct Knock {
    peer: [u8; 16],
    from: String,
    answer: oneshot::Sender<ByoLink>,
}

type Doors = Arc<BTreeMap<String, ([u8; 16], mpsc::Sender<Knock>)>>;

impl Wires {
    /// Three nodes, all linked to all.
    pub async fn three() -> ([Node; 3], Self) {
        let ends = Ends::default();
        let names = ["a", "b", "c"];
        let identities = names.map(|_| Identity::generate());
        let (mut doors, mut knocks) = (BTreeMap::new(), Vec::new());
        for (name, identity) in names.iter().zip(&identities) {
            let (door, knock) = mpsc::channel(8);
            doors.insert(name.to_string(), (identity.node_id(), door));
            knocks.push(knock);
        }
        let doors: Doors = Arc::new(doors);
        let mut nodes = Vec::new();
        for ((name, identity), knock) in names.into_iter().zip(identities).zip(knocks) {
            let (transport, handle) = ByoTransport::new(name, LinkLimits::default()).unwrap();
            tokio::spawn(serve(handle, name.to_string(), doors.clone(), knock, ends.clone()));
            let builder = quick(name).identity(identity).transport(transport);
            let builder = if name == "a" { builder } else { builder.join("a") };
            nodes.push(builder.start().await.unwrap());
        }
        let nodes: [Node; 3] = nodes.try_into().ok().expect("there are three");
        linked(&nodes).await;
        (nodes, Self { ends })
    }

    /// Gives a node a frame as if another had sent it, over all links that ever were between them.
    pub fn inject(&self, from: &str, to: &str, frame: &Bytes) {
        let ends = self.ends.lock().unwrap();
        let mut between = ends.iter().filter(|(sender, receiver, _)| sender == from && receiver == to);
        assert!(between.any(|(.., end)| end.receive(frame.clone()).is_ok()), "a link is open");
    }
}

async fn serve(
    mut handle: ByoHandle,
    name: String,
    doors: Doors,
    mut knocks: mpsc::Receiver<Knock>,
    ends: Ends,
) {
    loop {
        tokio::select! {
            dial = handle.next_dial() => {
                let Some(dial) = dial else { return };
                let (name, doors, ends) = (name.clone(), doors.clone(), ends.clone());
                tokio::spawn(async move {
                    let to = dial.address().to_string();
                    let (peer, door) = &doors[&to];
                    let (answer, answered) = oneshot::channel();
                    let knock = Knock { peer: doors[&name].0, from: name.clone(), answer };
                    door.send(knock).await.ok();
                    let Ok(there) = answered.await else { return };
                    let (here, there) = (Arc::new(dial.connected(*peer)), Arc::new(there));
                    ends.lock().unwrap().extend([
                        (name.clone(), to.clone(), there.clone()),
                        (to, name, here.clone()),
                    ]);
                    tokio::spawn(pump(here.clone(), there.clone()));
                    pump(there, here).await;
                });
            }
            Some(knock) = knocks.recv() => {
                knock.answer.send(handle.connected(knock.peer, knock.from)).ok();
            }
        }
    }
}

async fn pump(from: Arc<ByoLink>, to: Arc<ByoLink>) {
    while let Some(frame) = from.next_to_send().await {
        while to.receive(frame.clone()).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
