//! The commands that write sets.

use damson::{Kind, Tx};

use super::error::Outcome;
use super::spec::{Command, Run};
use super::{admit, check_elements, expect, slot};
use crate::resp::{Args, Reply};

pub(super) const SADD: Command =
    Command::new("sadd", -3, Run::Write(sadd)).key().fast().about("set", "Adds elements to a set");
pub(super) const SREM: Command =
    Command::new("srem", -3, Run::Write(srem)).key().fast().about("set", "Removes elements from a set");

fn sadd(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    let elements = args.from(2);
    check_elements(elements.iter())?;
    expect(tx.view(), &slot, Kind::Set)?;
    if elements.len() > 1 {
        admit(tx, elements)?;
    }
    let mut added = 0;
    for element in elements.iter() {
        added += usize::from(tx.set_add(&slot, element)?);
    }
    reply.count(added);
    Ok(())
}

fn srem(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    expect(tx.view(), &slot, Kind::Set)?;
    let mut removed = 0;
    for element in args.from(2).iter() {
        removed += usize::from(tx.set_remove(&slot, element)?);
    }
    reply.count(removed);
    Ok(())
}
