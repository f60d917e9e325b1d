//! A copy of a cleanly stopped directory goes on with the actor of the original. As soon as a peer knows better it takes
//! a new life, and what it wrote since the start must be as if the new life had written it from the beginning.
//!
//! The oracle is a twin: the same image, started as the new life, with the same writes.

use damson_core::persist::Table;
use damson_core::replica::ReplicaConfig;
use damson_crdt::{Actor, Rules};

use super::cluster::{Cluster, actor, key};
use super::dice::{Dice, seeds};
use super::disk::Disk;
use super::picture::picture;
use super::restarts::check_round_trip;
use super::writes::Write;

/// Members of the cluster: the original, a peer, the copy.
const ORIGINAL: usize = 0;
const PEER: usize = 1;
const COPY: usize = 2;

const NEXT_LIFE: u64 = 99;

/// Two worlds with the same past: in one the copy takes a new life late, in the other the twin has it from the start.
struct Fork {
    dice: Dice,
    late: Cluster,
    early: Cluster,
}

/// Runs one fork and says what is wrong.
pub fn run(seed: u64, rules: Rules) -> Result<(), String> {
    fork(seed, rules).map_err(|fault| format!("RULES_SEED={seed}: {fault}"))
}

fn fork(seed: u64, rules: Rules) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut late = Cluster::with(3, rules, ReplicaConfig::default());
    share_a_past(&mut late, &mut dice)?;
    let image = late.members[ORIGINAL].disk.clone();
    original_goes_on(&mut late, &mut dice)?;
    let early = second_world(&late)?;
    let mut fork = Fork { dice, late, early };
    fork.start_copies(&image)?;
    for _ in 0..1 + fork.dice.below(12) {
        fork.write()?;
        fork.disturb()?;
    }
    fork.meet_a_peer()?;
    for _ in 0..fork.dice.below(4) {
        fork.write()?;
    }
    fork.compare("after the new life")?;
    fork.merge()
}

fn share_a_past(cluster: &mut Cluster, dice: &mut Dice) -> Result<(), String> {
    for _ in 0..dice.below(30) {
        let at = dice.below(2);
        random_write(cluster, at, dice)?;
        if dice.percent(20) {
            cluster.pull(at, 1 - at, 4_096)?;
        }
        if dice.percent(10) {
            cluster.absorb(at);
        }
    }
    cluster.members[ORIGINAL].disk.sync();
    Ok(())
}

/// The original lives on, and the peer hears of it, so that its actor is ahead of the image.
fn original_goes_on(cluster: &mut Cluster, dice: &mut Dice) -> Result<(), String> {
    cluster.write(ORIGINAL, |tx| tx.set_add(&key("seen"), b"x"));
    for _ in 0..dice.below(8) {
        let at = dice.below(2);
        random_write(cluster, at, dice)?;
    }
    cluster.pull(PEER, ORIGINAL, 4_096)
}

fn random_write(cluster: &mut Cluster, at: usize, dice: &mut Dice) -> Result<(), String> {
    let write = Write::random(dice, cluster.wall_ms);
    cluster.wall_ms += 1;
    cluster.transact(at, |tx| write.perform(tx)).0
}

fn second_world(world: &Cluster) -> Result<Cluster, String> {
    let mut other = Cluster::with(3, world.rules, world.config.clone());
    other.wall_ms = world.wall_ms;
    for at in [ORIGINAL, PEER] {
        let member = &mut other.members[at];
        member.disk = world.members[at].disk.clone();
        member.disk.sync();
        member.clock = world.members[at].clock.clone();
        member.replica = member.disk.load(actor(at, 1), &world.config, world.rules)?;
    }
    Ok(other)
}

fn next_life() -> Actor {
    actor(ORIGINAL, NEXT_LIFE)
}

impl Fork {
    fn start_copies(&mut self, image: &Disk) -> Result<(), String> {
        for world in [&mut self.late, &mut self.early] {
            world.members[COPY].disk = image.clone();
            world.start(COPY, next_life())?;
        }
        self.late.members[COPY].replica.continue_as(actor(ORIGINAL, 1));
        Ok(())
    }

    /// The same write at the same time in both worlds.
    fn write(&mut self) -> Result<(), String> {
        let write = Write::random(&mut self.dice, self.late.wall_ms);
        let again = self.dice.percent(20).then(|| Write::random(&mut self.dice, self.late.wall_ms));
        for world in [&mut self.late, &mut self.early] {
            world.wall_ms += 10;
            world
                .transact(COPY, |tx| {
                    write.perform(tx)?;
                    again.as_ref().map_or(Ok(()), |write| write.perform(tx))
                })
                .0?;
        }
        self.compare("after a write")
    }

    /// Things that happen to the copy alone, and that nobody should see.
    fn disturb(&mut self) -> Result<(), String> {
        match self.dice.below(10) {
            0 => self.late.members[COPY].replica.truncate_removals(self.dice.below(2)),
            1 => _ = self.late.absorb(COPY),
            2 | 3 => self.restart()?,
            _ => {}
        }
        self.late.members[COPY].persist();
        self.compare("after a disturbance")
    }

    fn restart(&mut self) -> Result<(), String> {
        self.late.members[COPY].persist();
        self.late.members[COPY].disk.sync();
        check_round_trip(&mut self.late, COPY)?;
        let clock = self.late.members[COPY].clock.clone();
        self.late.go_on(COPY)?;
        self.late.members[COPY].clock = clock;
        if self.late.replica(COPY).actor() == next_life() {
            self.late.members[COPY].replica.confirm();
        }
        Ok(())
    }

    fn meet_a_peer(&mut self) -> Result<(), String> {
        let copy = self.late.replica(COPY).actor();
        let known = self.late.replica(PEER).context().top(copy);
        if self.late.replica(COPY).is_forked_by(known) {
            let hlc = self.late.tick(COPY);
            self.early.tick(COPY);
            let wall_ms = self.late.wall_ms;
            self.late.members[COPY].replica.take_new_life(next_life(), hlc, wall_ms);
        } else {
            self.late.members[COPY].replica.confirm();
        }
        self.late.members[COPY].persist();
        if self.dice.percent(50) {
            self.restart()?;
        }
        self.compare("after meeting a peer")
    }

    fn compare(&self, when: &str) -> Result<(), String> {
        for at in 0..3 {
            let (late, early) = (self.late.replica(at), self.early.replica(at));
            let (late, early) = (picture(late, self.late.wall_ms), picture(early, self.early.wall_ms));
            if late != early {
                return Err(format!("{when}, {at} shows {late:?}, should show {early:?}"));
            }
        }
        Ok(())
    }

    /// By contexts where possible, whoever comes first.
    fn merge(&mut self) -> Result<(), String> {
        let first = self.dice.below(2);
        for world in [&mut self.late, &mut self.early] {
            world.pull(first, COPY, 4_096)?;
            world.heal()?;
            (0..3).for_each(|at| _ = world.absorb(at));
            world.heal()?;
        }
        self.compare("after merging")?;
        self.late.members[COPY].disk.sync();
        if self.late.members[COPY].disk.rows(Table::Meta).count() > 0 {
            return Err("the disk still speaks of unconfirmed writes".into());
        }
        check_round_trip(&mut self.late, COPY)
    }
}

#[test]
fn a_copy_that_takes_a_new_life_is_as_if_it_had_had_it_from_the_start() {
    for seed in seeds(700) {
        run(seed, Rules::default()).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

fn stopped_and_started() -> Cluster {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.members[0].disk.sync();
    cluster.go_on(0).unwrap();
    cluster
}

#[test]
fn a_copy_that_wrote_nothing_is_forked_by_any_later_operation() {
    let cluster = stopped_and_started();
    assert!(!cluster.replica(0).is_forked_by(1));
    assert!(cluster.replica(0).is_forked_by(2));
    assert_eq!(cluster.replica(0).unconfirmed(), 0);
}

#[test]
fn own_unconfirmed_writes_do_not_hide_that_the_original_went_on() {
    let mut cluster = stopped_and_started();
    cluster.write(0, |tx| tx.add(&key("n"), 1));
    cluster.write(0, |tx| tx.add(&key("n"), 1));
    assert_eq!(cluster.replica(0).unconfirmed(), 2);
    assert!(cluster.replica(0).is_forked_by(2) && !cluster.replica(0).is_forked_by(1));
}

#[test]
fn a_confirmed_actor_goes_on_and_leaves_no_row_about_it() {
    let mut cluster = stopped_and_started();
    cluster.write(0, |tx| tx.add(&key("n"), 1));
    cluster.members[0].disk.sync();
    assert!(cluster.members[0].disk.rows(Table::Meta).count() > 0);
    cluster.members[0].replica.confirm();
    cluster.members[0].persist();
    cluster.members[0].disk.sync();
    assert_eq!(cluster.members[0].disk.rows(Table::Meta).count(), 0);
    assert_eq!((cluster.replica(0).unconfirmed(), cluster.replica(0).actor()), (0, actor(0, 1)));
    cluster.pull(1, 0, 4_096).unwrap();
    assert_eq!(cluster.view(1).counter(&key("n")), Some(6));
}

#[test]
fn a_removal_that_a_copy_wrote_and_forgot_reaches_its_peers_after_the_new_life() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.members[0].replica.begin_unconfirmed();
    cluster.write(0, |tx| tx.set_remove(&key("set"), b"a"));
    cluster.members[0].replica.truncate_removals(0);
    let hlc = cluster.tick(0);
    let wall_ms = cluster.wall_ms;
    cluster.members[0].replica.take_new_life(actor(0, 2), hlc, wall_ms);
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.check_equal(0, 1).unwrap();
}
