//! The judge: from what happened to the figures. It sees events only, so that a dump is judged like a run.
//!
//! For each cell it keeps the states that are possible: an acknowledged command leads from each to the next, one whose
//! outcome is unknown may have happened or not. A cell has one writer between two looks at the nodes, and when they have
//! been looked at and are equal, what is there is certain. Counters to which all writers add are sums: what was
//! acknowledged at least, and with what is unknown at most.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Contents, Event, Held};
use super::op::{Cell, Op, State};

/// What has come out so far.
#[derive(Debug, Default)]
pub struct Judge {
    /// The states that are possible. What is certainly not there is left out.
    possible: BTreeMap<Cell, BTreeSet<State>>,
    /// Of shared counters the least and the greatest total that is possible.
    totals: BTreeMap<String, (u64, u64)>,
    pub tally: Tally,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub cycles: u32,
    pub acked: u64,
    pub unknown: u64,
    pub kills: u64,
    pub wipes: u64,
    /// Acknowledged and not there, or an older state in its place; a cell counts once for each node in each look.
    pub lost: u64,
    /// There, although nothing but a removal is possible, or nobody ever wrote it.
    pub resurrected: u64,
    /// Totals of counters that are not possible, and nodes that do not agree on one.
    pub counter_error: u64,
}

impl Judge {
    /// Takes an event. Returns what is wrong, in words.
    pub fn take(&mut self, event: &Event) -> Vec<String> {
        match event {
            Event::Began { .. } => {}
            Event::Sent { op, acked, .. } => self.sent(op, *acked),
            Event::Killed { nodes, wiped, .. } => {
                self.tally.kills += nodes.len() as u64;
                self.tally.wipes += u64::from(*wiped);
            }
            Event::Held { cycle, groups } => {
                self.tally.cycles = *cycle;
                return self.held(*cycle, groups);
            }
        }
        Vec::new()
    }

    fn sent(&mut self, op: &Op, acked: bool) {
        let tally = &mut self.tally;
        *if acked { &mut tally.acked } else { &mut tally.unknown } += 1;
        if op.cell.is_shared_counter() {
            let (least, most) = self.totals.entry(op.cell.key.clone()).or_default();
            *least += u64::from(acked);
            *most += 1;
            return;
        }
        let states = self.possible.entry(op.cell.clone()).or_insert_with(|| [None].into());
        let after: BTreeSet<State> = states.iter().map(|state| op.change.applied(state)).collect();
        if acked {
            *states = after;
        } else {
            states.extend(after);
        }
    }

    fn held(&mut self, cycle: u32, groups: &[(Vec<usize>, Contents)]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (at, (nodes, contents)) in groups.iter().enumerate() {
            let cells = cells_of(contents);
            self.check_cells(cycle, nodes, &cells, &mut wrong);
            self.check_totals(cycle, nodes, contents, &mut wrong);
            // What the first holds is certain from here on, for the others too; and a fault counts where it shows first.
            if at == 0 {
                self.settle(cells, contents);
            }
        }
        wrong
    }

    fn settle(&mut self, cells: BTreeMap<Cell, State>, contents: &Contents) {
        self.possible = cells.into_iter().map(|(cell, state)| (cell, [state].into())).collect();
        for (key, range) in &mut self.totals {
            let total = total(contents, key);
            *range = (total, total);
        }
    }

    fn check_cells(
        &mut self,
        cycle: u32,
        nodes: &[usize],
        cells: &BTreeMap<Cell, State>,
        wrong: &mut Vec<String>,
    ) {
        let known: BTreeSet<&Cell> = self.possible.keys().chain(cells.keys()).collect();
        for cell in known {
            let state = cells.get(cell).unwrap_or(&None);
            let nothing = BTreeSet::from([None]);
            let possible = self.possible.get(cell).unwrap_or(&nothing);
            if possible.contains(state) {
                continue;
            }
            let (count, what) = if *possible == nothing {
                (&mut self.tally.resurrected, "resurrected")
            } else {
                (&mut self.tally.lost, "lost")
            };
            *count += nodes.len() as u64;
            wrong.push(format!(
                "{what} at nodes {nodes:?} in cycle {cycle}: {cell:?} is {state:?}, possible {possible:?}"
            ));
        }
    }

    fn check_totals(&mut self, cycle: u32, nodes: &[usize], contents: &Contents, wrong: &mut Vec<String>) {
        for (key, (least, most)) in &self.totals {
            let total = total(contents, key);
            if !(*least..=*most).contains(&total) {
                self.tally.counter_error += nodes.len() as u64;
                wrong.push(format!(
                    "a wrong total at nodes {nodes:?} in cycle {cycle}: {key} is {total}, possible {least} to {most}"
                ));
            }
        }
    }
}

/// The cells that are there, but for shared counters.
fn cells_of(contents: &Contents) -> BTreeMap<Cell, State> {
    let cells = contents.iter().flat_map(|(key, held)| match held {
        Held::Value(value) => vec![(Cell::key(key.clone()), Some(value.clone()))],
        Held::Elements(elements) => {
            let cell = |element: &String| Cell { key: key.clone(), element: Some(element.clone()) };
            elements.iter().map(|element| (cell(element), Some(String::new()))).collect()
        }
    });
    cells.filter(|(cell, _)| !cell.is_shared_counter()).collect()
}

fn total(contents: &Contents, key: &str) -> u64 {
    match contents.get(key) {
        Some(Held::Value(value)) => value.parse().unwrap_or(u64::MAX),
        Some(Held::Elements(_)) => u64::MAX,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::op::Change;
    use super::*;

    fn put(value: &str) -> Change {
        Change::Put(value.into())
    }

    fn sent(key: &str, change: Change, acked: bool) -> Event {
        let op = Op { cell: Cell::key(key.into()), change };
        Event::Sent { writer: 0, node: 0, op, acked }
    }

    fn held(values: &[(&str, &str)]) -> (Vec<usize>, Contents) {
        let contents = values.iter().map(|(key, value)| ((*key).into(), Held::Value((*value).into())));
        (vec![0], contents.collect())
    }

    fn judged(events: &[Event], groups: Vec<(Vec<usize>, Contents)>) -> (u64, u64, u64) {
        let mut judge = Judge::default();
        events.iter().for_each(|event| assert!(judge.take(event).is_empty()));
        let wrong = judge.take(&Event::Held { cycle: 1, groups });
        let tally = judge.tally;
        assert_eq!(wrong.is_empty(), (tally.lost, tally.resurrected, tally.counter_error) == (0, 0, 0));
        (tally.lost, tally.resurrected, tally.counter_error)
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_or_is_older_is_lost() {
        let events = [sent("k", put("1"), true), sent("k", put("2"), true)];
        assert_eq!(judged(&events, vec![held(&[("k", "2")])]), (0, 0, 0));
        assert_eq!(judged(&events, vec![held(&[("k", "1")])]), (1, 0, 0));
        assert_eq!(judged(&events, vec![held(&[])]), (1, 0, 0));
    }

    #[test]
    fn what_is_unknown_may_have_happened_or_not() {
        let events =
            [sent("k", put("1"), true), sent("k", put("2"), false), sent("k", Change::Remove, false)];
        for contents in [held(&[("k", "1")]), held(&[("k", "2")]), held(&[])] {
            assert_eq!(judged(&events, vec![contents]), (0, 0, 0));
        }
        assert_eq!(judged(&events, vec![held(&[("k", "3")])]), (1, 0, 0));
    }

    #[test]
    fn what_was_deleted_or_never_written_and_is_there_is_resurrected() {
        let events = [sent("k", put("1"), true), sent("k", Change::Remove, true)];
        assert_eq!(judged(&events, vec![held(&[])]), (0, 0, 0));
        assert_eq!(judged(&events, vec![held(&[("k", "1")])]), (0, 1, 0));
        assert_eq!(judged(&events, vec![held(&[("x", "1")])]), (0, 1, 0));
    }

    #[test]
    fn what_has_been_seen_everywhere_is_certain_afterwards() {
        let mut judge = Judge::default();
        let look =
            |judge: &mut Judge, contents| judge.take(&Event::Held { cycle: 1, groups: vec![contents] }).len();
        judge.take(&sent("k", put("1"), false));
        assert_eq!(look(&mut judge, held(&[("k", "1")])), 0);
        assert_eq!(look(&mut judge, held(&[])), 1, "it was there");
        assert_eq!(look(&mut judge, held(&[("k", "1")])), 1, "it was gone");
        assert_eq!((judge.tally.lost, judge.tally.resurrected), (1, 1));
    }

    #[test]
    fn totals_lie_between_what_was_acknowledged_and_what_was_sent_and_are_the_same_everywhere() {
        let add = |acked| sent("total:1", Change::Increment, acked);
        let events = [add(true), add(true), add(false)];
        assert_eq!(judged(&events, vec![held(&[("total:1", "2")])]), (0, 0, 0));
        assert_eq!(judged(&events, vec![held(&[("total:1", "3")])]), (0, 0, 0));
        assert_eq!(judged(&events, vec![held(&[("total:1", "1")])]), (0, 0, 1));
        assert_eq!(judged(&events, vec![held(&[("total:1", "4")])]), (0, 0, 1));
        let both = vec![held(&[("total:1", "2")]), held(&[("total:1", "3")])];
        assert_eq!(judged(&events, both), (0, 0, 1));
    }

    #[test]
    fn a_counter_of_one_writer_is_exact_through_its_removals() {
        let events = [
            sent("n", Change::Increment, true),
            sent("n", Change::Remove, true),
            sent("n", Change::Increment, true),
            sent("n", Change::Increment, false),
        ];
        assert_eq!(judged(&events, vec![held(&[("n", "1")])]), (0, 0, 0));
        assert_eq!(judged(&events, vec![held(&[("n", "2")])]), (0, 0, 0));
        assert_eq!(judged(&events, vec![held(&[("n", "3")])]), (1, 0, 0));
    }

    #[test]
    fn nodes_that_differ_where_both_states_were_possible_are_found() {
        let events = [sent("k", put("1"), false)];
        assert_eq!(judged(&events, vec![held(&[("k", "1")]), held(&[])]), (1, 0, 0));
    }
}
