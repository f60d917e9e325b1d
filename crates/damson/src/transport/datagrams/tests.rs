//! Two ends of a link over a network that loses, doubles and reorders, in virtual time; and the shell around them.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::flow::Flow;
use super::message::{Ack, Body, Piece};
use super::sending::Micros;
use std::time::Duration;

const MESSAGE_BYTES: usize = 1_200;
const SECOND: Micros = 1_000_000;

/// What the network does to messages.
#[derive(Debug, Clone, Copy)]
struct Weather {
    lost_pct: u64,
    doubled_pct: u64,
    delay_us: (Micros, Micros),
}

struct Net {
    rng: ChaCha8Rng,
    weather: Weather,
    now: Micros,
    sent: u64,
    ends: [Flow; 2],
    /// By time of arrival, and number: for which end.
    under_way: BTreeMap<(Micros, u64), (usize, Body)>,
}

impl Net {
    fn new(seed: u64, weather: Weather) -> Self {
        let flow = || Flow::new(MESSAGE_BYTES, 1 << 20, Duration::from_secs(5));
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { rng, weather, now: 0, sent: 0, ends: [flow(), flow()], under_way: BTreeMap::new() }
    }

    fn chance(&mut self, pct: u64) -> bool {
        self.rng.next_u64() % 100 < pct
    }

    /// Sends what both ends have to send.
    fn send(&mut self) {
        for end in 0..2 {
            while let Some(body) = self.ends[end].poll(self.now) {
                let copies = 1 + u64::from(self.chance(self.weather.doubled_pct));
                for _ in 0..copies {
                    self.sent += 1;
                    let (least, most) = self.weather.delay_us;
                    let arrives = self.now + least + self.rng.next_u64() % (most - least + 1);
                    if !self.chance(self.weather.lost_pct) {
                        self.under_way.insert((arrives, self.sent), (1 - end, body.clone()));
                    }
                }
            }
        }
    }

    /// Goes on to the next thing that happens. False when nothing will.
    fn step(&mut self) -> bool {
        self.send();
        let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.ends.iter().filter_map(Flow::deadline).min();
        let Some(next) = arrival.into_iter().chain(deadline).min() else { return false };
        self.now = next.max(self.now);
        while let Some(first) = self.under_way.first_entry()
            && first.key().0 <= self.now
        {
            let (end, body) = first.remove();
            match body {
                Body::Piece(piece, ack) => self.ends[end].on_piece(piece, &ack, self.now),
                Body::Ack(ack) => self.ends[end].on_ack(&ack, self.now),
                other => panic!("a flow sends no {other:?}"),
            }
        }
        true
    }

    /// Sends these frames from the first end to the second, and returns how long that took.
    fn carry(&mut self, frames: &[Bytes], until: Micros) -> Micros {
        let mut rest = frames.iter();
        let mut came = 0;
        while came < frames.len() {
            assert!(
                self.now < until,
                "{came} of {} frames after {} us, {:?}",
                frames.len(),
                self.now,
                self.weather
            );
            while self.ends[0].wants()
                && let Some(frame) = rest.next()
            {
                self.ends[0].write(frame.clone());
            }
            while let Some(frame) = self.ends[1].read().unwrap() {
                assert_eq!(frame, frames[came], "frame {came}, {:?}", self.weather);
                came += 1;
            }
            assert!(self.step() || came == frames.len(), "nothing happens any more, {:?}", self.weather);
        }
        self.now
    }
}

fn frames(seed: u64, count: usize, bytes_max: u64) -> Vec<Bytes> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut frame = || {
        let len = usize::try_from(rng.next_u64() % bytes_max).unwrap();
        Bytes::from(vec![rng.next_u64().to_le_bytes()[0]; len])
    };
    (0..count).map(|_| frame()).collect()
}

#[test]
fn frames_arrive_once_whole_and_in_order_whatever_the_network_does() {
    for seed in 0..30 {
        let weather = Weather { lost_pct: seed, doubled_pct: seed / 2, delay_us: (100, 100 + 400 * seed) };
        let mut net = Net::new(seed, weather);
        net.carry(&frames(seed, 300, 5_000), 120 * SECOND);
    }
}

#[test]
fn a_tenth_lost_costs_less_than_three_times_the_time_and_a_quarter_of_the_messages() {
    let over = |lost_pct| {
        let mut net = Net::new(7, Weather { lost_pct, doubled_pct: 0, delay_us: (5_000, 6_000) });
        let took = net.carry(&frames(1, 2_000, 2_000), 120 * SECOND);
        (took, net.sent)
    };
    let (calm, loss_1, loss_10) = (over(0), over(1), over(10));
    assert!(loss_1.0 < 2 * calm.0 && loss_10.0 < 3 * calm.0, "{calm:?} {loss_1:?} {loss_10:?}");
    assert!(loss_10.1 < calm.1 * 5 / 4, "{calm:?} {loss_1:?} {loss_10:?}");
}

#[test]
fn nothing_is_sent_twice_over_a_network_that_loses_nothing() {
    let mut net = Net::new(3, Weather { lost_pct: 0, doubled_pct: 0, delay_us: (30_000, 30_000) });
    net.carry(&frames(3, 500, 3_000), 60 * SECOND);
    assert_eq!(net.ends[0].repeated(), 0);
}

#[test]
fn the_end_of_the_stream_arrives_behind_its_last_frame() {
    let mut net = Net::new(5, Weather { lost_pct: 30, doubled_pct: 10, delay_us: (100, 9_000) });
    net.ends[0].write("goodbye".into());
    net.ends[0].finish();
    while !net.ends[1].has_ended() {
        assert!(net.step() && net.now < 20 * SECOND);
    }
    assert_eq!(net.ends[1].read().unwrap().unwrap(), "goodbye");
    assert_eq!(net.ends[1].read().unwrap(), None);
    while !net.ends[0].is_done() {
        assert!(net.step() && net.now < 40 * SECOND);
    }
}

#[test]
fn a_peer_that_reads_nothing_is_sent_a_window_is_not_silent_and_goes_on_when_it_reads() {
    let mut net = Net::new(9, Weather { lost_pct: 5, doubled_pct: 0, delay_us: (500, 800) });
    let all = frames(9, 200, 2_000);
    let mut rest = all.iter();
    while net.now < 20 * SECOND {
        while net.ends[0].wants()
            && let Some(frame) = rest.next()
        {
            net.ends[0].write(frame.clone());
        }
        net.step();
        assert!(!net.ends[0].is_silent(net.now));
    }
    assert!(rest.len() > 50, "it would have been sent all");
    // The last try has just been refused.
    net.step();
    while !net.under_way.is_empty() {
        net.step();
    }
    let mut came = 0;
    let began = net.now;
    // Should the word that there is room get lost, it is heard at the next try.
    net.weather.lost_pct = 0;
    while came < all.len() {
        while let Some(frame) = net.ends[1].read().unwrap() {
            assert_eq!(frame, all[came]);
            came += 1;
        }
        while net.ends[0].wants()
            && let Some(frame) = rest.next()
        {
            net.ends[0].write(frame.clone());
        }
        net.step();
    }
    assert!(net.now - began < SECOND / 5, "{} us", net.now - began);
}

#[test]
fn a_peer_that_answers_nothing_is_noticed_after_the_configured_time_and_not_before() {
    let mut net = Net::new(1, Weather { lost_pct: 100, doubled_pct: 0, delay_us: (1, 1) });
    net.ends[0].write("anybody there?".into());
    while !net.ends[0].is_silent(net.now) {
        assert!(net.now < 5 * SECOND);
        net.step();
    }
    assert_eq!(net.now, 5 * SECOND);
    assert!(net.sent < 20, "{} messages into the void", net.sent);
}

proptest! {
    #[test]
    fn what_a_peer_makes_up_costs_no_panic_and_no_memory(
        messages in prop::collection::vec(
            (0u64..300, any::<u64>(), any::<u8>(), any::<u32>(), any::<bool>(), prop::option::of(any::<u64>())),
            0..200,
        ),
    ) {
        let mut flow = Flow::new(MESSAGE_BYTES, 1_000, Duration::from_secs(5));
        flow.write(Bytes::from(vec![1; 10_000]));
        for (at, (number, beyond, room, echo, last, far)) in (0..).step_by(1_000).zip(messages) {
            let next = far.unwrap_or(number / 2);
            let ack = Ack { next, beyond, room, echo };
            let number = far.map_or(number, |far| u64::MAX - far % 5);
            let piece = Piece { number, stamp: echo, last, bytes: Bytes::from_static(b"\0\0\0\x01x") };
            flow.on_piece(piece, &ack, at);
            while flow.poll(at).is_some() {}
            if echo % 3 == 0 {
                let _ = flow.read();
            }
            let _ = flow.deadline();
        }
    }
}
