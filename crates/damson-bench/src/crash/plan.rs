//! What happens in a cycle, drawn from the seed.

use std::time::Duration;

use super::chance::Chance;

/// Load before the kill, in milliseconds.
const LOAD_MS_MAX: u64 = 250;
/// How long the dead stay dead, in milliseconds: mostly no time at all.
const DEAD_MS_MAX: u64 = 150;
/// When one that starts again is killed once more, in milliseconds: it is ready after some tens of them.
const AGAIN_MS_MAX: u64 = 80;

/// One cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who is killed.
    pub victims: Vec<usize>,
    /// Is what the victim has on disk removed too? Then nobody writes at it: what it alone has acknowledged would be gone.
    pub wiped: bool,
    pub load: Duration,
    pub dead: Duration,
    /// Killed again so long after it was started.
    pub again: Option<Duration>,
    /// By how many places writers move on from node to node.
    pub shift: usize,
}

impl Plan {
    /// The plan of a cycle.
    pub fn of(seed: u64, cycle: u32, nodes: usize) -> Self {
        let mut chance = Chance::of(seed, &format!("cycle {cycle}"));
        let victim = chance.below(nodes as u64) as usize;
        let all = chance.percent(15);
        let wiped = !all && nodes > 1 && chance.percent(10);
        Self {
            victims: if all { (0..nodes).collect() } else { vec![victim] },
            wiped,
            load: chance.time_up_to(LOAD_MS_MAX),
            dead: if chance.percent(50) { Duration::ZERO } else { chance.time_up_to(DEAD_MS_MAX) },
            again: chance.percent(20).then(|| chance.time_up_to(AGAIN_MS_MAX)),
            shift: chance.below(nodes as u64) as usize,
        }
    }

    /// Where somebody may write.
    pub fn takes_writes(&self, at: usize) -> bool {
        !(self.wiped && self.victims.contains(&at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_from_the_seed_and_all_that_can_happen_happens() {
        let plans = |seed| (0..200).map(|cycle| Plan::of(seed, cycle, 3)).collect::<Vec<_>>();
        let all = plans(1);
        assert_eq!(all, plans(1));
        assert_ne!(all, plans(2));
        for at in 0..3 {
            assert!(all.iter().any(|plan| plan.victims == [at] && !plan.wiped));
        }
        assert!(all.iter().any(|plan| plan.victims.len() == 3));
        assert!(all.iter().any(|plan| plan.again.is_some() && plan.dead > Duration::ZERO));
        let wiped: Vec<&Plan> = all.iter().filter(|plan| plan.wiped).collect();
        assert!(!wiped.is_empty());
        assert!(wiped.iter().all(|plan| plan.victims.len() == 1 && !plan.takes_writes(plan.victims[0])));
    }

    #[test]
    fn a_node_alone_is_never_wiped() {
        assert!((0..200).all(|cycle| !Plan::of(1, cycle, 1).wiped));
    }
}
