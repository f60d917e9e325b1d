//! A member that lies.

use super::some_node;
use crate::world::World;

/// One node of the cluster lies, by all means that there are, while the others go on.
pub(super) fn liar(world: &mut World<'_>) {
    world.count("liars");
    let at = some_node(world);
    world.begin_lying(at);
    let length = world.dice.within((6_000, 14_000));
    world.run_for(length);
    // Links that it loses make it greet, and lie in greetings.
    if world.dice.percent(50) {
        super::cut_off(world, at);
        world.break_severed();
        world.run_for(3_000);
        world.network.heal();
        world.run_for(5_000);
    }
    world.end_lying();
}
