//! Rule 5 again: a batch that came over an open link and kills nothing unknown is part of the state at once, whatever
//! time it bears.

use damson_core::node::Node;
use damson_core::scope::ScopeName;
use damson_crdt::Batch;

use super::Finding;

const NAME: &str = "pushes_are_applied";

pub(crate) fn check(at: usize, node: &Node, scope: &ScopeName, batch: &Batch) -> Option<Finding> {
    let replica = node.replica(scope)?;
    let context = replica.context();
    let mut with_itself = context.clone();
    with_itself.insert_range(batch.range());
    let possible = batch.ops.iter().all(|op| with_itself.covers(&op.kills));
    let refused = possible && !context.contains_range(batch.range());
    refused.then(|| {
        Finding::at(at, NAME, format!("{:?} came, kills nothing unknown, and was not applied", batch.range()))
    })
}
