//! What two members have seen, compared without sending all of it.
//!
//! The authors of a context are divided into shares by the hash of their bytes; of each share 16 bytes are told, the sum
//! of its entries' hashes. Who is asked answers with its entries of the shares that differ. In a scope of 10,000 authors
//! of whom a few have just written, that is 4 KiB to ask and about 1 KiB for each of the few to answer.

use damson_crdt::{Actor, Context, Intervals, codec};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Authors in a share, on average, until there are the most shares.
const AUTHORS_PER_SHARE: usize = 16;
/// Most shares.
pub(super) const SHARES_MAX: usize = 256;
/// Bytes of a share.
const SHARE_BYTES: usize = 16;

/// The shares of a context.
pub(super) fn shares(context: &Context) -> Vec<u8> {
    let count = (context.actors() / AUTHORS_PER_SHARE).clamp(1, SHARES_MAX);
    sums(context, count).into_iter().flat_map(u128::to_be_bytes).collect()
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Shares that cannot be.
    Impossible,
    /// It would be longer than permitted.
    TooLong,
}

/// The entries of the shares that differ from those told, if they have at most so many bytes.
pub(super) fn differing(context: &Context, told: &[u8], bytes_max: usize) -> Result<Context, Fault> {
    let (shares, rest) = told.as_chunks::<SHARE_BYTES>();
    if !rest.is_empty() || !(1..=SHARES_MAX).contains(&shares.len()) {
        return Err(Fault::Impossible);
    }
    let ours = sums(context, shares.len());
    let differs: Vec<bool> =
        shares.iter().zip(ours).map(|(told, ours)| u128::from_be_bytes(*told) != ours).collect();
    let (mut out, mut bytes) = (Context::default(), 0);
    for (actor, seen) in context.iter().filter(|(actor, _)| differs[share_of(*actor, shares.len())]) {
        // At most what the codec needs for it.
        bytes += Actor::BYTES + 11 + 18 * seen.pairs().len();
        if bytes > bytes_max {
            return Err(Fault::TooLong);
        }
        out.set(actor, seen.clone());
    }
    Ok(out)
}

/// A context's bytes.
pub(super) fn encoded(context: &Context) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode_context(&mut out, context);
    out
}

fn sums(context: &Context, count: usize) -> Vec<u128> {
    let mut sums = vec![0_u128; count];
    let mut bytes = Vec::new();
    for (actor, seen) in context.iter() {
        let sum = &mut sums[share_of(actor, count)];
        *sum = sum.wrapping_add(hash(actor, seen, &mut bytes));
    }
    sums
}

fn hash(actor: Actor, seen: &Intervals, bytes: &mut Vec<u8>) -> u128 {
    bytes.clear();
    bytes.extend_from_slice(&actor.to_bytes());
    let numbers = seen.pairs().iter().flat_map(|(first, last)| [*first, *last]);
    numbers.for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
    xxh3_128(bytes)
}

fn share_of(actor: Actor, count: usize) -> usize {
    (xxh3_64(&actor.to_bytes()) % count as u64) as usize
}

#[cfg(test)]
mod tests {
    use damson_crdt::{DotRange, Life, NodeId};
    use proptest::prelude::*;

    use super::*;

    fn context(entries: &[(u16, u64, u64)]) -> Context {
        let mut out = Context::default();
        for (n, first, len) in entries {
            let actor = Actor::new(NodeId([3; 16]), Life(u64::from(*n)));
            out.insert_range(DotRange { actor, first: *first, last: first + len });
        }
        out
    }

    fn entries() -> impl Strategy<Value = Vec<(u16, u64, u64)>> {
        prop::collection::vec((0..200_u16, 1..9_u64, 0..9_u64), 0..300)
    }

    proptest! {
        /// What the answer leaves out, the asker has.
        #[test]
        fn with_a_whole_answer_the_asker_knows_all_that_the_other_has_seen(a in entries(), b in entries()) {
            let (asker, other) = (context(&a), context(&b));
            let told = differing(&other, &shares(&asker), usize::MAX).unwrap();
            let mut known = asker.clone();
            known.union(&told);
            prop_assert!(other.minus(&known).is_empty());
            let same = differing(&asker, &shares(&asker), usize::MAX).unwrap();
            prop_assert!(same.is_empty());
        }
    }

    #[test]
    fn ten_thousand_authors_of_whom_three_have_written_cost_a_few_kilobytes() {
        let all: Vec<_> = (0..10_000).map(|n| (n, 1, 5)).collect();
        let asker = context(&all);
        let mut other = asker.clone();
        other.union(&context(&[(5, 6, 3), (700, 6, 3), (9_000, 6, 3)]));
        let question = shares(&asker);
        let told = differing(&other, &question, 64 << 10).unwrap();
        assert!(!told.is_empty());
        assert!(question.len() <= 4 << 10 && encoded(&told).len() < 6 << 10, "{}", encoded(&told).len());
    }

    #[test]
    fn an_answer_that_would_be_too_long_says_so_and_impossible_shares_are_refused() {
        let other = context(&(0..1_000).map(|n| (n, 1, 5)).collect::<Vec<_>>());
        assert_eq!(differing(&other, &[0; 16], 4 << 10), Err(Fault::TooLong));
        let most = differing(&other, &[0; 16], 64 << 10).unwrap();
        assert!(encoded(&most).len() <= 64 << 10);
        for wrong in [0, 1, 15, 17, 16 * (SHARES_MAX + 1)] {
            assert_eq!(differing(&other, &vec![0; wrong], 4 << 10), Err(Fault::Impossible));
        }
    }
}
