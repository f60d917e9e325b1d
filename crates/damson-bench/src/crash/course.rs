//! The course of a cycle: load, a kill, a start, more load, agreement, a look at everything.

use anyhow::Context;

use super::evidence::Event;
use super::nodes::Nodes;
use super::plan::Plan;
use super::writers::{Place, Writers};

/// Writers at each node.
const WRITERS: usize = 4;

/// Runs cycles one by one.
pub struct Course {
    seed: u64,
    nodes: Nodes,
}

impl Course {
    /// A course with nodes that hold nothing yet.
    pub fn start(seed: u64, nodes: Nodes) -> Self {
        Self { seed, nodes }
    }

    /// Runs a cycle, and returns what happened.
    pub fn cycle(&mut self, cycle: u32) -> anyhow::Result<Vec<Event>> {
        let plan = Plan::of(self.seed, cycle, self.nodes.count());
        let writers = self.writers(cycle, &plan)?;
        std::thread::sleep(plan.load);
        self.nodes.kill(&plan.victims)?;
        let restarted = self.bring_back(&plan);
        // Those at living nodes have written all the while.
        let mut events: Vec<Event> = writers.stop().collect();
        restarted.context("those that were killed do not come back")?;
        events.push(Event::Killed { cycle, nodes: plan.victims.clone(), wiped: plan.wiped });
        self.nodes.agree()?;
        events.push(Event::Held { cycle, groups: self.nodes.contents()? });
        events.extend(self.nodes.fence(cycle)?);
        Ok(events)
    }

    fn bring_back(&mut self, plan: &Plan) -> anyhow::Result<()> {
        if plan.wiped {
            plan.victims.iter().try_for_each(|at| self.nodes.wipe(*at))?;
        }
        std::thread::sleep(plan.dead);
        if let Some(until) = plan.again {
            self.nodes.start_in_vain(&plan.victims, until)?;
        }
        self.nodes.restart(&plan.victims)
    }

    /// All nodes hold the same when a cycle begins, so that a writer can go on at another node.
    fn writers(&self, cycle: u32, plan: &Plan) -> anyhow::Result<Writers> {
        let count = self.nodes.count();
        let places = (0..count * WRITERS).map(|writer| (writer, (writer + plan.shift) % count));
        let places = places.filter(|(_, node)| plan.takes_writes(*node)).map(|(writer, node)| {
            let address = self.nodes.redis(node)?.to_owned();
            Ok(Place { writer, node, address })
        });
        let places = places.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Writers::start(self.seed, cycle, places.into_iter()))
    }
}
