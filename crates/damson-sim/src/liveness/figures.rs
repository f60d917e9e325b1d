//! From raw evidence to figures.

use std::collections::{BTreeMap, BTreeSet};

use damson_core::membership::MemberState;
use damson_core::time::Time;

use super::changes::Change;
use super::evidence::{Crash, Evidence};

/// All figures.
#[derive(Debug, PartialEq)]
pub(crate) struct Figures {
    /// Of living members, by member and incarnation.
    pub false_deaths: usize,
    pub suspicions: usize,
    pub refutations: usize,
    /// In microseconds, for each crash; absent when it did not happen.
    pub detected_us: Vec<Option<u64>>,
    pub agreed_us: Vec<Option<u64>>,
    pub members_agree: bool,
    pub bytes_per_node_per_s: f64,
}

/// An observer took a member for dead, from then until then.
#[derive(Debug, Clone, Copy)]
struct Spell {
    since: Time,
    /// Absent when it still does.
    until: Option<Time>,
}

impl Figures {
    pub fn of(evidence: &Evidence) -> Self {
        let deaths: BTreeMap<u32, Time> =
            evidence.crashes.iter().map(|crash| (crash.node, crash.at)).collect();
        let of_living = |state: MemberState| {
            distinct(&evidence.changes, |change| {
                let died = deaths.get(&change.member);
                change.state == Some(state) && died.is_none_or(|died| change.at < *died)
            })
        };
        let histories = histories(evidence, &deaths);
        let survivors = evidence.options.nodes - deaths.len();
        let known =
            evidence.crashes.iter().map(|crash| became_known(*crash, &histories[&crash.node], survivors));
        let (detected_us, agreed_us) = known.unzip();
        Self {
            false_deaths: of_living(MemberState::Dead),
            suspicions: of_living(MemberState::Suspect),
            refutations: distinct(&evidence.changes, |change| {
                change.observer == change.member && change.state == Some(MemberState::Alive)
            }),
            detected_us,
            agreed_us,
            members_agree: evidence.rosters.windows(2).all(|pair| pair[0].states == pair[1].states),
            bytes_per_node_per_s: evidence.bytes as f64 * 1e6 / evidence.node_us.max(1) as f64,
        }
    }

    /// Crashes that not all survivors know of in the end.
    pub fn not_agreed(&self) -> usize {
        self.agreed_us.iter().filter(|agreed| agreed.is_none()).count()
    }
}

/// The greatest of times in microseconds, as milliseconds. Absent when one of them did not happen, or there is none.
pub(crate) fn max_ms(times_us: &[Option<u64>]) -> Option<f64> {
    let all: Option<Vec<u64>> = times_us.iter().copied().collect();
    all?.into_iter().max().map(|us| us as f64 / 1e3)
}

/// Their mean; absent as above.
pub(crate) fn mean_ms(times_us: &[Option<u64>]) -> Option<f64> {
    let sum: u64 = times_us.iter().copied().sum::<Option<u64>>()?;
    (!times_us.is_empty()).then(|| sum as f64 / times_us.len() as f64 / 1e3)
}

/// How many pairs of a member and an incarnation there are among these changes.
fn distinct(changes: &[Change], is_meant: impl Fn(&Change) -> bool) -> usize {
    let meant = changes.iter().filter(|change| is_meant(change));
    meant.map(|change| (change.member, change.incarnation)).collect::<BTreeSet<_>>().len()
}

/// What survivors saw of each node that crashed, in the order of time.
fn histories<'a>(evidence: &'a Evidence, deaths: &BTreeMap<u32, Time>) -> BTreeMap<u32, Vec<&'a Change>> {
    let mut histories: BTreeMap<u32, Vec<&Change>> = deaths.keys().map(|node| (*node, Vec::new())).collect();
    for change in evidence.at_start.iter().chain(&evidence.changes) {
        if let Some(history) = histories.get_mut(&change.member)
            && !deaths.contains_key(&change.observer)
        {
            history.push(change);
        }
    }
    histories
}

/// Microseconds from a crash until the first survivor takes the node for dead, and until all do and go on doing so.
fn became_known(crash: Crash, history: &[&Change], survivors: usize) -> (Option<u64>, Option<u64>) {
    let spells = spells(history);
    let after_us = |spell: &Spell| spell.since.max(crash.at).0 - crash.at.0;
    let after_crash = spells.iter().filter(|spell| spell.until.is_none_or(|until| until > crash.at));
    let detected = after_crash.map(after_us).min();
    let lasting: Vec<u64> = spells.iter().filter(|spell| spell.until.is_none()).map(after_us).collect();
    let agreed = (lasting.len() == survivors).then(|| lasting.into_iter().max()).flatten();
    (detected, agreed)
}

/// When survivors took a member for dead.
fn spells(history: &[&Change]) -> Vec<Spell> {
    let (mut over, mut lasting) = (Vec::new(), BTreeMap::new());
    for change in history {
        if change.state == Some(MemberState::Dead) {
            lasting.entry(change.observer).or_insert(Spell { since: change.at, until: None });
        } else if let Some(spell) = lasting.remove(&change.observer) {
            over.push(Spell { until: Some(change.at), ..spell });
        }
    }
    over.extend(lasting.into_values());
    over
}

#[cfg(test)]
mod tests {
    use super::super::evidence::RosterHash;
    use super::super::options::LivenessOptions;
    use super::*;

    const BEGUN: Time = Time(10_000_000);

    fn change(ms: u64, observer: u32, member: u32, incarnation: u64, state: MemberState) -> Change {
        Change { at: BEGUN.plus_ms(ms), observer, member, incarnation, state: Some(state), judged_by: None }
    }

    /// Four nodes; node 3 crashes after 5 seconds.
    fn evidence(changes: Vec<Change>) -> Evidence {
        Evidence {
            options: LivenessOptions { nodes: 4, minutes: 1, ..LivenessOptions::default() },
            settled: true,
            begun: BEGUN,
            ended: BEGUN.plus_ms(60_000),
            at_start: Vec::new(),
            changes,
            crashes: vec![Crash { at: BEGUN.plus_ms(5_000), node: 3 }],
            starved: Vec::new(),
            rosters: (0..3).map(|observer| RosterHash { observer, states: 7 }).collect(),
            bytes: 185_000,
            node_us: 185_000_000,
            frames_dropped: 0,
            events: 0,
            trace_hash: String::new(),
        }
    }

    #[test]
    fn a_crash_is_detected_by_the_first_and_agreed_with_the_last_survivor() {
        use MemberState::{Dead, Suspect};
        let figures = Figures::of(&evidence(vec![
            change(6_000, 1, 3, 1, Suspect),
            change(7_000, 1, 3, 1, Dead),
            change(7_002, 0, 3, 1, Dead),
            change(7_500, 2, 3, 1, Dead),
        ]));
        assert_eq!((figures.false_deaths, figures.suspicions, figures.refutations), (0, 0, 0));
        assert_eq!(figures.detected_us, [Some(2_000_000)]);
        assert_eq!(figures.agreed_us, [Some(2_500_000)]);
        assert_eq!((figures.not_agreed(), figures.members_agree), (0, true));
        assert_eq!(figures.bytes_per_node_per_s, 1_000.0);
    }

    #[test]
    fn a_survivor_that_does_not_know_or_forgets_prevents_agreement() {
        use MemberState::{Alive, Dead};
        let known = |changes: Vec<Change>| Figures::of(&evidence(changes));
        let two = vec![change(7_000, 0, 3, 1, Dead), change(7_100, 1, 3, 1, Dead)];
        assert_eq!(known(two.clone()).agreed_us, [None]);
        assert_eq!(known(two.clone()).detected_us, [Some(2_000_000)]);
        let all = [two, vec![change(7_200, 2, 3, 1, Dead)]].concat();
        assert_eq!(known(all.clone()).agreed_us, [Some(2_200_000)]);
        let wavers = [all, vec![change(8_000, 1, 3, 2, Alive)]].concat();
        assert_eq!(known(wavers.clone()).not_agreed(), 1);
        let again = [wavers, vec![change(9_000, 1, 3, 2, Dead)]].concat();
        assert_eq!(known(again.clone()).agreed_us, [Some(4_000_000)], "when it lasts");
        assert_eq!(known(again).detected_us, [Some(2_000_000)]);
        assert_eq!(known(Vec::new()).detected_us, [None]);
    }

    #[test]
    fn judgements_of_the_living_count_once_for_each_incarnation() {
        use MemberState::{Alive, Dead, Suspect};
        let figures = Figures::of(&evidence(vec![
            change(1_000, 0, 2, 1, Suspect),
            change(1_001, 1, 2, 1, Suspect),
            change(1_002, 2, 2, 1, Suspect),
            change(1_002, 2, 2, 2, Alive),
            change(1_003, 0, 2, 2, Alive),
            change(2_000, 0, 2, 2, Suspect),
            change(3_000, 0, 2, 2, Dead),
            change(3_001, 1, 2, 2, Dead),
            change(3_002, 2, 2, 2, Dead),
            change(3_002, 2, 2, 3, Alive),
            change(4_999, 0, 3, 1, Suspect),
        ]));
        assert_eq!((figures.suspicions, figures.false_deaths, figures.refutations), (3, 1, 2));
    }

    #[test]
    fn a_false_death_that_becomes_true_is_known_at_once() {
        let dead = |ms, observer| change(ms, observer, 3, 1, MemberState::Dead);
        let figures = Figures::of(&evidence(vec![dead(4_000, 0), dead(4_010, 1), dead(5_300, 2)]));
        assert_eq!(figures.false_deaths, 1);
        assert_eq!((figures.detected_us, figures.agreed_us), (vec![Some(0)], vec![Some(300_000)]));
    }

    #[test]
    fn what_was_not_settled_counts_for_agreement_only() {
        let mut evidence = evidence(vec![change(6_000, 1, 3, 1, MemberState::Dead)]);
        evidence.at_start =
            vec![change(0, 0, 3, 1, MemberState::Dead), change(0, 2, 3, 1, MemberState::Dead)];
        evidence.rosters[1].states = 8;
        let figures = Figures::of(&evidence);
        assert_eq!((figures.false_deaths, figures.members_agree), (0, false));
        assert_eq!(figures.agreed_us, [Some(1_000_000)]);
    }

    #[test]
    fn a_maximum_or_mean_is_of_all_or_it_is_none() {
        assert_eq!(
            (max_ms(&[Some(1_000), Some(3_000)]), mean_ms(&[Some(1_000), Some(3_000)])),
            (Some(3.0), Some(2.0))
        );
        assert_eq!((max_ms(&[Some(1_000), None]), mean_ms(&[Some(1_000), None])), (None, None));
        assert_eq!((max_ms(&[]), mean_ms(&[])), (None, None));
    }
}
