//! Every mistake is caught: with one rule broken, some check fails within a number of seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use damson_core::replica::ReplicaConfig;
use damson_crdt::{Rule, Rules};

use super::cluster::{Cluster, actor, key};
use super::{counters, forks, histories, transfers};

/// Decided outside the replica, by the node that owns it.
const ELSEWHERE: &[Rule] = &[Rule::ClockDecides, Rule::FutureAbsorbed, Rule::DamageBelieved];

const SEEDS: u64 = 300;

/// How a broken rule showed: by which check, and after how many seeds.
fn caught(rule: Rule) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| checks(seed, Rules::breaking(rule)).err().map(|fault| (seed, fault)))
}

fn checks(seed: u64, rules: Rules) -> Result<(), String> {
    let all = || {
        if seed == 1 {
            transfers::log_cut_during_a_transfer(rules)?;
            counters::a_reset_keeps_what_earlier_resets_saw(rules)?;
            digests_cover_what_dots_say(rules)?;
        }
        histories::run(seed, rules, histories::MIXES)?;
        histories::run(seed, rules, transfers::MIXES)?;
        forks::run(seed, rules)
    };
    catch_unwind(AssertUnwindSafe(all)).unwrap_or_else(|_| Err(format!("seed {seed}: a panic")))
}

/// A fork that went unseen: one dot says two things.
fn digests_cover_what_dots_say(rules: Rules) -> Result<(), String> {
    let mut cluster = Cluster::with(2, rules, ReplicaConfig::default());
    cluster.start(1, actor(0, 1))?;
    cluster.write(0, |tx| tx.put_register(&key("reg"), "one".into(), None));
    cluster.write(1, |tx| tx.put_register(&key("reg"), "two".into(), None));
    let same = cluster.replica(0).digest() == cluster.replica(1).digest();
    if same { Err("two contents have one digest".into()) } else { Ok(()) }
}

#[test]
fn digests_tell_a_fork() {
    digests_cover_what_dots_say(Rules::default()).unwrap();
}

#[test]
fn every_mistake_is_caught() {
    let here = Rule::ALL.iter().filter(|rule| !ELSEWHERE.contains(rule));
    let mut missed = Vec::new();
    for rule in here {
        match caught(*rule) {
            Some((seed, fault)) => println!("{:<22} seed {seed:>3}: {fault:.160}", rule.name()),
            None => missed.push(rule.name()),
        }
    }
    assert!(missed.is_empty(), "not caught within {SEEDS} seeds: {missed:?}");
}
