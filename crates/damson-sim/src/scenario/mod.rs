//! What happens to a cluster: a shuffled deck of cards, each an accident or a situation of some virtual seconds, with
//! writes going on. Between two cards everything is healed, but need not have come to agreement.
//!
//! The same deck is played with all rules in force and with one broken.

mod disks;
mod lies;
mod networks;
mod times;

use crate::network::Weather;
use crate::report::Progress;
use crate::workload::Taste;
use crate::world::{Habits, World};

/// One situation.
type Card = fn(&mut World<'_>);

/// Some are in it twice or more: what they are about is rare within them.
const DECK: &[Card] = &[
    networks::calm,
    networks::storm,
    networks::storm,
    networks::forgetful,
    networks::forgetful,
    networks::halves,
    networks::alone,
    networks::one_way,
    networks::chain,
    networks::chain,
    networks::relay,
    networks::relay,
    networks::relay,
    networks::relay,
    networks::counters,
    networks::counters,
    networks::counters,
    networks::counters,
    networks::conflicts,
    disks::crashes,
    disks::power,
    disks::lost_tail,
    disks::lost_tail,
    disks::restart,
    disks::forgotten,
    disks::forgotten,
    disks::unproven,
    disks::copy,
    disks::copy,
    disks::old_image,
    disks::wipe,
    disks::damage,
    disks::digest,
    times::steps,
    times::far_ahead,
    lies::liar,
    lies::liar,
];

/// Plays cards for as long as the options say.
pub(crate) fn play(world: &mut World<'_>, progress: &mut dyn FnMut(Progress)) {
    let planned_s = world.options.minutes * 60;
    let end = world.now.plus_ms(planned_s * 1_000);
    come_up(world);
    let mut deck: Vec<Card> = Vec::new();
    while world.now < end && !world.is_over() {
        if deck.is_empty() {
            deck = DECK.to_vec();
            world.dice.shuffle(&mut deck);
        }
        let card = deck.pop().expect("just refilled");
        card(world);
        recover(world);
        progress(Progress {
            virtual_s: world.now.0 / 1_000_000,
            planned_s,
            acked: world.oracle.acked(),
            violations: world.violations,
        });
    }
}

/// Heals everything, for good.
pub(crate) fn heal(world: &mut World<'_>) {
    world.habits.write_us = None;
    world.habits.truncate_us = None;
    repair(world);
}

fn come_up(world: &mut World<'_>) {
    for at in 0..world.hosts.len() {
        world.start(at, None);
        // Some write before they have met anyone.
        if world.dice.percent(30) {
            world.write_something(at);
        }
        let pause = world.dice.below(50);
        world.run_for(pause);
    }
    usual(world);
    world.run_for(2_000);
}

/// After a card: machines run, the network is whole; for a moment.
fn recover(world: &mut World<'_>) {
    repair(world);
    usual(world);
    let pause = world.dice.within((1_500, 4_000));
    world.run_for(pause);
    if world.options.nodes >= 4 && world.hosts.iter().all(|host| !host.gone) && world.dice.percent(3) {
        let at = some_node(world);
        world.bury(at);
    }
}

fn repair(world: &mut World<'_>) {
    world.network.heal();
    world.network.weather = Weather::fair();
    world.habits.flush_us = (200, 5_000);
    world.hosts.iter_mut().for_each(|host| host.clock.offset_ms = host.clock.offset_ms.clamp(-900, 900));
    for at in 0..world.hosts.len() {
        if world.hosts[at].process.is_none() && !world.hosts[at].gone {
            world.start(at, None);
        }
    }
}

fn usual(world: &mut World<'_>) {
    let large = world.options.nodes > 20;
    world.habits = Habits {
        write_us: Some(if large { (2_000, 60_000) } else { (5_000, 150_000) }),
        taste: world.dice.pick(&[
            Taste::Mixed,
            Taste::Mixed,
            Taste::Removals,
            Taste::Counters,
            Taste::Conflicts,
        ]),
        truncate_us: Some((200_000, 2_000_000)),
        flush_us: (200, 5_000),
    };
}

/// A running node.
fn some_node(world: &mut World<'_>) -> usize {
    let running = world.running();
    world.dice.pick(&running)
}

/// Most nodes that a card is about. In a large cluster the others look on: a doubt that everyone has about everyone costs
/// the cube of their number in frames.
const CAST_MAX: usize = 12;

/// The running nodes in random order, a few of them in a large cluster.
fn some_order(world: &mut World<'_>) -> Vec<usize> {
    let mut order = world.running();
    world.dice.shuffle(&mut order);
    order.truncate(CAST_MAX);
    order
}

/// Nothing passes between a node and all others.
fn cut_off(world: &mut World<'_>, at: usize) {
    (0..world.hosts.len()).filter(|other| *other != at).for_each(|other| world.network.cut(at, other));
}

/// A few transactions at one node, one after the other.
fn write_at(world: &mut World<'_>, at: usize, count: u64, pause_ms: u64) {
    for _ in 0..count {
        world.write_something(at);
        world.run_for(pause_ms);
    }
}
