//! Situations of wall clocks.

use super::{some_node, write_at};
use crate::world::World;

/// An hour.
const FAR_MS: i64 = 3_600_000;

/// Wall clocks step in both directions.
pub(super) fn steps(world: &mut World<'_>) {
    for _ in 0..4 {
        world.count("clock steps");
        let at = some_node(world);
        world.hosts[at].clock.offset_ms = world.dice.between(-6_000, 6_000);
        world.run_for(1_500);
    }
}

/// One clock is far ahead, and its node writes.
pub(super) fn far_ahead(world: &mut World<'_>) {
    world.count("clocks far ahead");
    let at = some_node(world);
    world.hosts[at].clock.offset_ms = FAR_MS;
    write_at(world, at, 25, 100);
    world.run_for(2_000);
}
