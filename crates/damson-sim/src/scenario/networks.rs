//! Situations of the network, and of the writers in it.

use bytes::Bytes;
use damson_core::replica::Slot;

use super::{cut_off, some_node, some_order, write_at};
use crate::network::Weather;
use crate::workload::{Step, Taste};
use crate::world::World;

/// Nothing but writes.
pub(super) fn calm(world: &mut World<'_>) {
    world.run_for(5_000);
}

/// Frames are lost, doubled and overtaken.
pub(super) fn storm(world: &mut World<'_>) {
    world.count("storms");
    world.network.weather =
        Weather { loss: world.dice.within((5, 30)), doubled: 10, delay_us: (1_000, 250_000) };
    world.habits.write_us = Some((2_000, 60_000));
    world.run_for(10_000);
}

/// Much is lost, and removals are forgotten at once: nodes have to compare all that lives, while it changes.
pub(super) fn forgetful(world: &mut World<'_>) {
    world.count("storms without a memory");
    world.network.weather =
        Weather { loss: world.dice.within((15, 35)), doubled: 5, delay_us: (5_000, 200_000) };
    world.habits.truncate_us = Some((2_000, 20_000));
    world.habits.taste = Taste::Removals;
    world.habits.write_us = Some((5_000, 60_000));
    world.run_for(12_000);
}

/// The cluster falls in two.
pub(super) fn halves(world: &mut World<'_>) {
    world.count("partitions");
    let order = some_order(world);
    let (left, right) = order.split_at(1 + world.dice.index(order.len() - 1));
    left.iter().for_each(|a| right.iter().for_each(|b| world.network.cut(*a, *b)));
    world.break_severed();
    let length = world.dice.within((3_000, 14_000));
    world.run_for(length);
}

/// One node is alone, and a busy one.
pub(super) fn alone(world: &mut World<'_>) {
    world.count("isolated nodes");
    let at = some_node(world);
    cut_off(world, at);
    world.break_severed();
    write_at(world, at, 20, 100);
    let length = world.dice.within((1_000, 8_000));
    world.run_for(length);
}

/// Links that carry in one direction only.
pub(super) fn one_way(world: &mut World<'_>) {
    world.count("one-way cuts");
    let order = some_order(world);
    let (from, others) = order.split_first().expect("somebody runs");
    others.iter().take(2).for_each(|to| world.network.cut_one_way(*from, *to));
    world.run_for(7_000);
}

/// Everyone sees only two neighbours, over slow links, and forgets removals quickly: what travels far travels by
/// anti-entropy, and the cells behind it change on the way.
pub(super) fn chain(world: &mut World<'_>) {
    world.count("chains");
    let order = some_order(world);
    for (place, a) in order.iter().enumerate() {
        order.iter().skip(place + 2).for_each(|b| world.network.cut(*a, *b));
    }
    world.break_severed();
    world.network.weather = Weather { loss: 3, doubled: 2, delay_us: (10_000, 150_000) };
    world.habits.truncate_us = Some((20_000, 300_000));
    world.habits.taste = Taste::Removals;
    world.run_for(14_000);
}

/// One node learns what it missed over a slow link, from one that forgets removals meanwhile; then a second one learns
/// it from the first alone.
pub(super) fn relay(world: &mut World<'_>) {
    world.count("relays");
    let order = some_order(world);
    let [source, first, second, ..] = order[..] else { return };
    world.habits.truncate_us = None;
    world.habits.write_us = None;
    // What both have seen alive, and is removed behind their backs.
    (0..12).for_each(|n| element(world, source, Step::Insert, n));
    world.run_for(2_500);
    cut_off(world, first);
    cut_off(world, second);
    world.habits.taste = Taste::Removals;
    (0..9).for_each(|n| element(world, source, Step::Take, n));
    let count = world.dice.within((2, 8));
    write_at(world, source, count, 50);
    world.run_for(300);
    world.network.weather = Weather { loss: 0, doubled: 0, delay_us: (80_000, 400_000) };
    world.network.join(source, first);
    learn(world, source, first);
    world.network.cut(source, first);
    world.network.weather = Weather::fair();
    world.network.join(first, second);
    world.run_for(4_000);
}

fn element(world: &mut World<'_>, at: usize, step: fn(Slot, Bytes) -> Step, n: u64) {
    let scope = world.scopes[0].clone();
    world.write(at, &scope, &[step(Slot::key("set"), format!("e{n}").into())]);
    world.run_for(10);
}

/// A transfer runs. Its source forgets in the midst of it, or again and again, or goes on writing.
fn learn(world: &mut World<'_>, source: usize, sink: usize) {
    match world.dice.below(5) {
        0 => world.habits.truncate_us = Some((5_000, 40_000)),
        1 => world.habits.write_us = Some((50_000, 300_000)),
        _ => {
            world.network.awaited = Some((source, sink));
            let mut looks = 200;
            while looks > 0 && world.network.awaited.is_some() {
                world.run_for(20);
                looks -= 1;
            }
            world.network.awaited = None;
            world.forget_removals(source, 0);
        }
    }
    let length = world.dice.within((4_000, 8_000));
    world.run_for(length);
    world.habits.truncate_us = None;
    world.habits.write_us = None;
}

/// Counters are added to and reset in changing company.
pub(super) fn counters(world: &mut World<'_>) {
    world.count("counter duels");
    world.habits.taste = Taste::Counters;
    world.habits.write_us = Some((5_000, 40_000));
    for _ in 0..5 {
        disturb(world);
        let length = world.dice.within((700, 2_500));
        world.run_for(length);
    }
    if world.dice.percent(40) && world.running().len() > 2 {
        let at = some_node(world);
        world.crash(at);
        world.run_for(3_000);
    }
}

/// All write the same few cells in changing company.
pub(super) fn conflicts(world: &mut World<'_>) {
    world.count("duels over types and values");
    world.habits.taste = Taste::Conflicts;
    world.habits.write_us = Some((5_000, 60_000));
    for _ in 0..4 {
        disturb(world);
        world.run_for(2_000);
    }
    world.network.heal();
    world.habits.write_us = None;
    world.run_for(4_000);
}

/// Other pairs than before hear each other; their links outlive it.
fn disturb(world: &mut World<'_>) {
    world.network.heal();
    let order = some_order(world);
    for (place, a) in order.iter().enumerate() {
        for b in order.iter().skip(place + 1) {
            if world.dice.percent(55) {
                world.network.cut(*a, *b);
            }
        }
    }
}
