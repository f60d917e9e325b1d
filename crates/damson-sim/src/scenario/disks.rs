//! Situations of processes and their disks.

use super::{cut_off, some_node, some_order, write_at};
use crate::disk::Image;
use crate::invariants::{self, Twin};
use crate::world::World;

use damson_core::persist::Table;
use damson_crdt::Actor;

/// Processes crash, one after the other or together.
pub(super) fn crashes(world: &mut World<'_>) {
    let order = some_order(world);
    let count = 1 + world.dice.index(order.len() - 1);
    for at in order.into_iter().take(count) {
        world.crash(at);
        let pause = world.dice.below(3_000);
        world.run_for(pause);
        if world.dice.percent(50) {
            world.start(at, None);
        }
    }
    world.run_for(2_000);
}

/// The power fails while disks are slow.
pub(super) fn power(world: &mut World<'_>) {
    world.habits.flush_us = (50_000, 900_000);
    world.run_for(3_000);
    let order = some_order(world);
    let count = 1 + world.dice.index(order.len());
    order.into_iter().take(count).for_each(|at| world.power_failure(at));
    let pause = world.dice.below(5_000);
    world.run_for(pause);
}

/// The power fails, and takes with it what some peers have seen; the others meet the node first.
pub(super) fn lost_tail(world: &mut World<'_>) {
    let order = some_order(world);
    let [at, friend, ref strangers @ ..] = order[..] else { return };
    strangers.iter().for_each(|other| {
        world.network.cut(at, *other);
        world.network.cut(friend, *other);
    });
    world.habits.flush_us = (2_000_000, 4_000_000);
    world.run_for(200);
    write_at(world, at, 12, 40);
    world.power_failure(at);
    world.run_for(200);
    world.habits.flush_us = (200, 5_000);
    world.network.heal();
    cut_off(world, friend);
    world.start(at, None);
    world.run_for(2_500);
    write_at(world, at, 15, 40);
    world.run_for(500);
}

/// A member is away, and the others forget it. It comes back with what none of them has seen.
pub(super) fn forgotten(world: &mut World<'_>) {
    let order = some_order(world);
    let [at, judge, _, ..] = order[..] else { return };
    cut_off(world, at);
    write_at(world, at, 5, 50);
    match world.dice.below(3) {
        0 => world.crash(at),
        1 => _ = world.stop(at),
        // It goes on, and thinks that it is the others who are gone.
        _ => {}
    }
    let id = world.hosts[at].id;
    for _ in 0..60 {
        world.run_for(500);
        if world.call(judge, |node, now, fx| node.forget_member(id, now, fx)) == Some(true) {
            world.count("members forgotten");
            break;
        }
    }
    let pause = world.dice.within((100, 3_000));
    world.run_for(pause);
    world.network.heal();
    if world.hosts[at].process.is_none() {
        world.start(at, None);
    }
    world.run_for(5_000);
}

/// Clean stops and starts.
pub(super) fn restart(world: &mut World<'_>) {
    let order = some_order(world);
    for at in order.into_iter().take(3) {
        world.stop(at);
        let pause = world.dice.below(3_000);
        world.run_for(pause);
        if world.start(at, None) {
            world.count("lives that went on");
        }
        // Not a peer has said yet that the life is its own.
        world.write_something(at);
    }
    world.run_for(1_500);
}

/// A node that was stopped cleanly starts alone, writes, and comes to harm before it has met anyone.
pub(super) fn unproven(world: &mut World<'_>) {
    let at = some_node(world);
    world.stop(at);
    cut_off(world, at);
    world.start(at, None);
    write_at(world, at, 10, 60);
    match world.dice.below(4) {
        0 => world.crash(at),
        1 => world.power_failure(at),
        2 => _ = world.stop(at),
        _ => {}
    }
    if world.hosts[at].process.is_none() {
        world.start(at, None);
        write_at(world, at, 5, 60);
    }
    world.network.heal();
    world.run_for(1_500);
}

/// A copy of a cleanly stopped directory is started after the original has gone on.
pub(super) fn copy(world: &mut World<'_>) {
    world.run_for(1_000);
    let at = some_node(world);
    let Some(copy) = world.stop(at) else { return };
    let pause = world.dice.below(1_500);
    world.run_for(pause);
    world.start(at, None);
    write_at(world, at, 10, 50);
    world.run_for(3_000);
    if world.dice.percent(50) {
        world.crash(at);
    } else {
        world.stop(at);
    }
    world.run_for(500);
    if !world.is_outrun(at, &copy) {
        return;
    }
    world.count("copied directories");
    world.replace_disk(at, copy.image);
    cut_off(world, at);
    world.start(at, None);
    // What it writes now bears numbers that the original has given out.
    write_at(world, at, 15, 50);
    match world.dice.below(6) {
        0 => world.crash(at),
        1 => world.power_failure(at),
        _ => {}
    }
    if world.hosts[at].process.is_none() {
        world.start(at, None);
    }
    world.network.heal();
    world.run_for(3_000);
}

/// A disk is set back to what it was a while ago, while the node ran.
pub(super) fn old_image(world: &mut World<'_>) {
    let at = some_node(world);
    let image = Image { mark: None, ..world.hosts[at].disk.image() };
    write_at(world, at, 8, 60);
    world.run_for(2_000);
    world.crash(at);
    world.count("disks set back");
    world.replace_disk(at, image);
    let pause = world.dice.below(2_000);
    world.run_for(pause);
    world.start(at, None);
    world.run_for(1_500);
}

/// All data of a node are lost.
pub(super) fn wipe(world: &mut World<'_>) {
    let at = some_node(world);
    write_at(world, at, 6, 50);
    world.crash(at);
    world.count("wiped disks");
    world.replace_disk(at, Image::empty());
    let pause = world.dice.below(4_000);
    world.run_for(pause);
    world.start(at, None);
    write_at(world, at, 4, 50);
    world.run_for(2_500);
}

/// A node finds a damaged row when it starts.
pub(super) fn damage(world: &mut World<'_>) {
    world.run_for(1_500);
    let at = some_node(world);
    if world.dice.percent(50) {
        world.stop(at);
    } else {
        world.crash(at);
    }
    world.run_for(300);
    world.start_damaged(at);
    world.run_for(3_500);
}

/// The rows of a disk are read a second time, with a changed value.
pub(super) fn digest(world: &mut World<'_>) {
    for at in world.running() {
        let Some(node) = world.node(at) else { continue };
        let actor = Actor::new(node.id(), node.life());
        let scope = world.scopes[0].clone();
        let name =
            [&[u8::try_from(scope.as_str().len()).expect("short")], scope.as_str().as_bytes()].concat();
        let rows = world.hosts[at].disk.rows();
        let cells = rows.keys().filter(|(table, key)| *table == Table::Cells && key.starts_with(&name));
        let cells: Vec<_> = cells.cloned().collect();
        for row in cells.iter().take(12) {
            let (config, rules) = (&world.replica, world.rules);
            let twin = Twin { rows: world.hosts[at].disk.rows(), actor, config, rules, scope: &scope };
            let finding = invariants::check_digest(at, &twin, row);
            world.count("values changed on a second reading");
            finding.into_iter().for_each(|finding| world.find(finding));
        }
    }
    world.run_for(500);
}
