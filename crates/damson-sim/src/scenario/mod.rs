use crate::report::Progress;
use crate::world::World;

pub(crate) fn play(world: &mut World<'_>, _: &mut dyn FnMut(Progress)) {
    for at in 0..world.hosts.len() { world.start(at, None); }
    world.habits.write_us = Some((10_000, 100_000));
    let ms = world.options.minutes * 60_000;
    world.run_for(ms);
}
pub(crate) fn heal(world: &mut World<'_>) {
    world.habits.write_us = None;
}
