//! Own writes gather while links are busy.

use damson_core::node::{Config, Effect, Input, LinkId};
use damson_core::replica::Slot;
use damson_core::time::{Now, Time};
use damson_core::wire::Message;

use crate::bus::{Bus, Rows, scope};

/// Two linked nodes, the link's end at the second, and the time.
fn linked() -> (Bus, LinkId, Now) {
    let mut bus = Bus::default();
    let (a, b) = (bus.start(1, Rows::new(), None, 1), bus.start(2, Rows::new(), None, 2));
    let (_, end) = bus.link(a, b);
    bus.run(5_000);
    let now = bus.now();
    (bus, end, now)
}

fn count_up(bus: &mut Bus, now: Now, times: usize) -> Vec<Effect> {
    let mut effects = Vec::new();
    for _ in 0..times {
        let written = bus.node(0).write(&scope(), now, &mut effects, |tx| tx.add(&Slot::key("n"), 1));
        written.unwrap();
    }
    effects
}

/// The sizes of the payloads that go out, but for the system's.
fn pushes(effects: &[Effect]) -> Vec<usize> {
    let pushed = effects.iter().filter_map(|effect| match effect {
        Effect::Send { frame, .. } => match Message::decode(frame) {
            Ok(Message::Push { scope: of, batches, .. }) if of == scope() => Some(batches.len()),
            _ => None,
        },
        _ => None,
    });
    pushed.collect()
}

#[test]
fn what_is_written_while_links_are_busy_leaves_as_one_payload_when_one_is_idle() {
    let (mut bus, link, now) = linked();
    let mut effects = count_up(&mut bus, now, 100);
    assert_eq!(pushes(&effects), [], "the links are busy");
    assert!(bus.node(0).is_gathering());
    bus.node(0).release(now, &mut effects);
    assert!(!bus.node(0).is_gathering());
    let [bytes] = pushes(&effects)[..] else { panic!("{effects:?}") };
    assert!(bytes < 100 * 50, "{bytes} bytes for a hundred operations");
    for effect in effects {
        if let Effect::Send { frame, .. } = effect {
            bus.input(1, Input::Frame { link, frame });
        }
    }
    let (a, b) = (bus.node(0).digest(), bus.node(1).digest());
    assert_eq!(a, b, "all of it has come");
}

#[test]
fn what_nobody_releases_leaves_by_itself_after_a_millisecond() {
    let (mut bus, _, now) = linked();
    count_up(&mut bus, now, 3);
    let due = bus.node(0).deadline();
    assert!(due <= now.time.plus_ms(1), "{due:?}");
    let mut effects = Vec::new();
    let later = Now { time: Time(now.time.0 + 1_000), ..now };
    bus.node(0).handle(Input::Tick, later, &mut effects);
    assert_eq!(pushes(&effects).len(), 1);
}

#[test]
fn no_more_gathers_than_a_payload_may_hold() {
    let (mut bus, _, now) = linked();
    let sizes = pushes(&count_up(&mut bus, now, 5_000));
    assert!(
        (4..50).contains(&sizes.len()),
        "1,024 operations at most, and few enough to be worth it: {sizes:?}"
    );
    assert!(sizes.iter().all(|bytes| *bytes <= 64 << 10), "{sizes:?}");
    let large = vec![7; 40 << 10];
    let mut effects = Vec::new();
    for n in 0..4_u8 {
        let slot = Slot::key(vec![n]);
        let written =
            bus.node(0).write(&scope(), now, &mut effects, |tx| tx.put_multi(&slot, large.clone().into()));
        written.unwrap();
    }
    assert_eq!(pushes(&effects).len(), 4, "two large values do not go together, nor with what came before");
}

#[test]
fn with_a_longer_time_to_gather_writes_wait_for_it_whether_links_are_idle_or_not() {
    let mut bus = Bus::default();
    for n in [1, 2] {
        let mut config = Config::new(format!("n{n}"), "test");
        config.broadcast.gather_ms = 1_000;
        bus.start_with(config, n, Rows::new(), None, u64::from(n));
    }
    bus.link(0, 1);
    bus.run(5_000);
    let now = bus.now();
    let mut effects = count_up(&mut bus, now, 100);
    assert!(!bus.node(0).is_gathering(), "a release for an idle link is not wanted");
    let after = |ms| Now { time: now.time.plus_ms(ms), wall_ms: now.wall_ms + ms };
    bus.node(0).handle(Input::Tick, after(700), &mut effects);
    assert_eq!(pushes(&effects), []);
    bus.node(0).handle(Input::Tick, after(1_300), &mut effects);
    assert_eq!(pushes(&effects).len(), 1, "all of it leaves together");
}
