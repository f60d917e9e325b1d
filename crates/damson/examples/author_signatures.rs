//! What it would cost if authors signed their operations: `cargo run --release -p damson --example author_signatures`.
//!
//! Compares applying a small batch with signing and with checking it (Ed25519), and its bytes with and without a
//! signature. The decision that rests on it stands in ARCHITECTURE.md.

use std::hint::black_box;
use std::time::Instant;

use damson_core::crdt::{
    Actor, Batch, CellId, Hlc, Kills, Leaf, Life, NodeId, Operation, Path, Payload, Rules, Target, codec,
};
use damson_core::replica::{Replica, ReplicaConfig};
use damson_core::time::Time;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

const BATCHES: u64 = 20_000;

fn main() {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed");
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
    let batches: Vec<Batch> = (1..=BATCHES).map(batch).collect();
    let encoded: Vec<Vec<u8>> = batches.iter().map(|batch| encode(std::slice::from_ref(batch))).collect();
    let signatures: Vec<_> = encoded.iter().map(|bytes| key.sign(bytes)).collect();

    let apply = each(|| {
        let actor = Actor::new(NodeId([2; 16]), Life(1));
        let name = "bench".parse().expect("a scope name");
        let mut replica = Replica::new(name, actor, ReplicaConfig::default(), Rules::default());
        for batch in &batches {
            black_box(replica.apply(batch, NodeId([1; 16]), Time(0)));
        }
    });
    let sign = each(|| encoded.iter().for_each(|bytes| _ = black_box(key.sign(bytes))));
    let check = each(|| {
        for (bytes, signature) in encoded.iter().zip(&signatures) {
            public.verify(bytes, signature.as_ref()).expect("our own signature");
        }
    });
    let bytes = encode(&batches).len() as f64 / BATCHES as f64;
    println!("apply  {apply:8.2} us for each batch of one put");
    println!("sign   {sign:8.2} us, {:.0} x applying", sign / apply);
    println!("check  {check:8.2} us, {:.0} x applying, at every receiver", check / apply);
    println!("bytes  {bytes:8.1} in a list of batches; {:.1} with signatures", bytes + 64.0);
}

/// Microseconds for each batch: the best of five runs.
fn each(mut run: impl FnMut()) -> f64 {
    let timed = (0..5).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed().as_secs_f64() * 1e6 / BATCHES as f64
    });
    timed.fold(f64::MAX, f64::min)
}

fn batch(n: u64) -> Batch {
    let cell = CellId::new(format!("key:{n:012}"), Path::root().leaf(Leaf::Register));
    let payload = Some(Payload::value(format!("value:{n:058}")));
    let op = Operation { target: Target::Cell(cell), kills: Kills::default(), payload };
    Batch { actor: Actor::new(NodeId([1; 16]), Life(1)), first: n, hlc: Hlc(n << 16), ops: [op].into() }
}

fn encode(batches: &[Batch]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode_batches(&mut out, batches);
    out
}
