//! The peer's column: iroh-gossip's own state machine (`iroh_gossip::proto`), as it comes, in a virtual network.
//!
//! It is a HyParView with a Plumtree. What its `OutEvent`s ask for is done, and links that break are told with
//! `InEvent::PeerDisconnected`, as by the network layer that the crate comes with.

mod components;
mod delay;
mod frame;
mod ledger;
mod network;
mod swarm;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use self::frame::FrameKind;
use self::network::NodeNo;
use self::swarm::Swarm;
use super::parameters::{Detect, Parameters};
use super::row::Row;

/// After the last message, in microseconds: as long as the peer keeps a payload for those who ask.
const END_US: u64 = 30_000_000;

/// Runs the experiment.
pub fn measure(parameters: &Parameters) -> Row {
    let mut dice = ChaCha8Rng::seed_from_u64(parameters.seed);
    let mut swarm = Swarm::new(parameters, &mut dice);
    form(&mut swarm, parameters);
    let degree_mean = swarm.degree_mean();
    if parameters.killed > 0 {
        kill(&mut swarm, parameters, &mut dice);
    }
    swarm.counts.clear();
    send(&mut swarm, parameters, &mut dice);
    row(&swarm, degree_mean)
}

/// All join through the first, one after the other, and the overlay settles.
fn form(swarm: &mut Swarm, parameters: &Parameters) {
    swarm.join(0, None);
    for node in 1..parameters.nodes {
        swarm.run_for(parameters.join_ms * 1_000);
        swarm.join(node, Some(0));
    }
    swarm.run_for(parameters.settle_s * 1_000_000);
}

fn kill(swarm: &mut Swarm, parameters: &Parameters, dice: &mut ChaCha8Rng) {
    let mut nodes: Vec<NodeNo> = (0..parameters.nodes).collect();
    for at in (1..nodes.len()).rev() {
        nodes.swap(at, index(dice, at + 1));
    }
    nodes.truncate(parameters.killed as usize);
    let after_us = match parameters.detect {
        Detect::Instant => 0,
        Detect::After(ms) => ms * 1_000,
    };
    swarm.kill(&nodes, after_us);
    // What is noticed at once is noticed before the first message.
    swarm.run_for(0);
}

fn send(swarm: &mut Swarm, parameters: &Parameters, dice: &mut ChaCha8Rng) {
    // The rate lies between 0 and 10,000: see the flags.
    let pause_us = (1e6 / parameters.rate).round() as u64;
    for number in 0..parameters.messages {
        if number > 0 {
            swarm.run_for(pause_us);
        }
        let living = swarm.living();
        swarm.broadcast(living[index(dice, living.len())]);
    }
    swarm.run_for(END_US);
}

fn index(dice: &mut ChaCha8Rng, below: usize) -> usize {
    usize::try_from(dice.next_u64() % below as u64).expect("an index")
}

fn row(swarm: &Swarm, degree_mean: f64) -> Row {
    let totals = swarm.ledger.totals();
    let (broadcasts, deliveries) = (totals.broadcasts as f64, totals.delivered as f64);
    let kinds = [FrameKind::IHave, FrameKind::Graft, FrameKind::Prune];
    let sent = |kind: FrameKind| swarm.counts.sent(kind) as f64;
    let control: f64 = kinds.map(sent).into_iter().sum();
    let (survivors, connected) = swarm.connected();
    Row {
        rmr: swarm.counts.payloads_received as f64 / deliveries - 1.0,
        last_hop_mean: totals.last_hops as f64 / broadcasts,
        last_hop_max: totals.last_hop_max,
        last_node_ms: totals.last_us as f64 / broadcasts / 1e3,
        control_per_broadcast: control / broadcasts,
        control_per_delivery: control / deliveries,
        control: kinds.map(|kind| (kind.name().into(), sent(kind) / broadcasts)).into(),
        delivered_10s_pct: 100.0 * totals.in_time as f64 / totals.expected as f64,
        delivered_pct: 100.0 * deliveries / totals.expected as f64,
        degree_mean,
        survivors,
        connected,
        stranded: survivors - connected,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::Dials;
    use super::*;

    fn parameters() -> Parameters {
        Parameters {
            nodes: 60,
            seed: 3,
            delay_ms: (1, 5),
            join_ms: 100,
            settle_s: 60,
            messages: 20,
            rate: 1.0,
            killed: 0,
            detect: Detect::Instant,
            dials: Dials::Told,
        }
    }

    #[test]
    fn a_healthy_swarm_delivers_everything_and_one_seed_gives_one_row() {
        let row = measure(&parameters());
        assert_eq!((row.delivered_10s_pct, row.delivered_pct), (100.0, 100.0));
        assert_eq!((row.survivors, row.connected, row.stranded), (60, 60, 0));
        // The first message floods, then there is a tree.
        assert!(row.rmr > 0.0 && row.rmr < 0.3, "{row:?}");
        assert!(row.last_hop_max >= 3 && row.last_node_ms >= 3.0, "{row:?}");
        assert!(row.control["ihave"] > 0.0 && row.control["prune"] > 0.0, "{row:?}");
        assert_eq!(row, measure(&parameters()));
        assert_ne!(row, measure(&Parameters { seed: 4, ..parameters() }));
    }

    #[test]
    fn what_is_noticed_late_is_missed() {
        let killed = Parameters { killed: 30, detect: Detect::After(5_000), ..parameters() };
        let row = measure(&killed);
        assert_eq!(row.survivors, 30);
        assert!(row.delivered_pct < 100.0 && row.delivered_pct > 20.0, "{row:?}");
        let early = measure(&Parameters { detect: Detect::Instant, ..killed });
        assert!(early.delivered_pct > row.delivered_pct, "{early:?} {row:?}");
    }
}
