//! Pushes that are lost between nodes.

use damson_core::replica::Slot;
use damson_core::wire::Message;

use crate::bus::{Bus, Rows, scope};

/// Three in a row and a scope that nobody has seen yet. The last hears of its first write by announcement only.
#[test]
fn the_first_write_of_a_scope_is_asked_for_by_whoever_hears_of_it() {
    let mut bus = Bus::default();
    let [a, b, c] = [1, 2, 3].map(|n| bus.start(n, Rows::new(), None, u64::from(n)));
    for (x, y) in [(a, b), (b, c), (a, c)] {
        bus.link(x, y);
    }
    bus.run(2_000);
    bus.deaf.insert((a, c));
    bus.sent.clear();
    bus.write(a, |tx| {
        tx.put_register(&Slot::key(b"k".to_vec()), b"value".to_vec().into(), None).unwrap();
    });
    bus.run(200);
    assert!(bus.node(c).replica(&scope()).is_some());
    let asked = |(from, message): &(usize, Message)| *from == c && matches!(message, Message::Graft(_));
    assert!(bus.sent.iter().any(asked));
}
