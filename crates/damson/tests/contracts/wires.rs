//! Three nodes whose frames the test moves, so that it can add some of its own, lose and hold others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::Node;
use damson::identity::Identity;
use damson::transport::{ByoHandle, ByoLink, ByoTransport, DialRequest, LinkLimits};
use tokio::sync::{mpsc, oneshot};

use crate::stage::{linked, quick};

/// The receiving ends of all links, by the names of who sends and who receives.
type Ends = Arc<Mutex<Vec<(String, String, Arc<ByoLink>)>>>;

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    IsLost,
    /// It waits, and all behind it, until the rule says otherwise.
    Waits,
}

/// Says what becomes of a frame from one node to another.
type Rule = Box<dyn Fn(&str, &str, &Bytes) -> Fate + Send>;
type Rules = Arc<Mutex<Rule>>;

/// The wires between the nodes.
pub struct Wires {
    ends: Ends,
    rule: Rules,
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
        let rule: Rules = Arc::new(Mutex::new(Box::new(|_, _, _| Fate::Arrives)));
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
            tokio::spawn(serve(handle, name.to_string(), doors.clone(), knock, ends.clone(), rule.clone()));
            let builder = quick(name).identity(identity).transport(transport);
            let builder = if name == "a" { builder } else { builder.join("a") };
            nodes.push(builder.start().await.unwrap());
        }
        let nodes: [Node; 3] = nodes.try_into().ok().expect("there are three");
        linked(&nodes).await;
        (nodes, Self { ends, rule })
    }

    /// From now on this rule says what becomes of frames.
    pub fn rule(&self, rule: impl Fn(&str, &str, &Bytes) -> Fate + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Links that were ever made.
    pub fn links_made(&self) -> usize {
        self.ends.lock().unwrap().len() / 2
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
    rule: Rules,
) {
    loop {
        tokio::select! {
            dial = handle.next_dial() => {
                let Some(dial) = dial else { return };
                tokio::spawn(connect(dial, name.clone(), doors.clone(), ends.clone(), rule.clone()));
            }
            Some(knock) = knocks.recv() => {
                knock.answer.send(handle.connected(knock.peer, knock.from)).ok();
            }
        }
    }
}

/// Hands both nodes the ends of a link.
async fn connect(dial: DialRequest, from: String, doors: Doors, ends: Ends, rule: Rules) {
    let to = dial.address().to_string();
    let (peer, door) = &doors[&to];
    let (answer, answered) = oneshot::channel();
    let knock = Knock { peer: doors[&from].0, from: from.clone(), answer };
    door.send(knock).await.ok();
    let Ok(there) = answered.await else { return };
    let (here, there) = (Arc::new(dial.connected(*peer)), Arc::new(there));
    ends.lock()
        .unwrap()
        .extend([(from.clone(), to.clone(), there.clone()), (to.clone(), from.clone(), here.clone())]);
    tokio::spawn(pump((from.clone(), here.clone()), (to.clone(), there.clone()), rule.clone()));
    pump((to, there), (from, here), rule).await;
}

async fn pump(from: (String, Arc<ByoLink>), to: (String, Arc<ByoLink>), rule: Rules) {
    while let Some(frame) = from.1.next_to_send().await {
        let fate = || rule.lock().unwrap()(&from.0, &to.0, &frame);
        let mut said = fate();
        while said == Fate::Waits {
            tokio::time::sleep(Duration::from_millis(1)).await;
            said = fate();
        }
        while said == Fate::Arrives && to.1.receive(frame.clone()).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
