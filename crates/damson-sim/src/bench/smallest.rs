//! The least that a put takes on the wire.

use bytes::Bytes;
use damson_crdt::codec::encode_batches;
use damson_crdt::{Actor, Batch, CellId, Hlc, Kills, Leaf, Life, NodeId, Operation, Path, Payload, Target};

/// Bytes by which a list of batches grows with one more put of a new key, a batch of its own, by the author of the one
/// before: the smallest form in which a put travels.
pub fn smallest_put_bytes(key_bytes: usize, value_bytes: usize) -> usize {
    let actor = Actor::new(NodeId([1; 16]), Life(1));
    let put = |seq: u64| {
        let cell = CellId::new(Bytes::from(vec![1; key_bytes]), Path::root().leaf(Leaf::Register));
        let payload = Some(Payload::value(vec![1; value_bytes]));
        let op = Operation { target: Target::Cell(cell), kills: Kills::default(), payload };
        Batch { actor, first: seq, hlc: Hlc(seq), ops: [op].into() }
    };
    let bytes = |batches: &[Batch]| {
        let mut out = Vec::new();
        encode_batches(&mut out, batches);
        out.len()
    };
    bytes(&[put(1), put(2)]) - bytes(&[put(1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_put_costs_at_most_16_bytes_beyond_key_and_value() {
        let bytes = smallest_put_bytes(16, 64);
        assert!((80..=96).contains(&bytes), "{bytes}");
    }
}
