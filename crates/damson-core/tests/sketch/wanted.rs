use damson_core::sketch::{Wanted, WantedError};
use rand_core::Rng;

use crate::sets::{items, random};

#[test]
fn what_is_wanted_is_asked_for() {
    let mut rng = random(1);
    for (wanted, of) in
        [(0, 0), (0, 5), (1, 1), (5, 10), (100, 100), (5, 1_000_000), (5_000, 20_000), (3, u64::MAX)]
    {
        let set = items(&mut rng, wanted);
        let sent = Wanted::new(&set, of);
        let read = Wanted::decode(&sent.encode(), wanted).unwrap();
        assert_eq!(read, sent);
        assert!(set.iter().all(|item| read.matches(*item)));
        let ranges: Vec<_> = read.ranges().collect();
        assert_eq!(ranges.len(), read.len());
        assert!(ranges.is_sorted_by(|a, b| a.end() < b.start()));
        assert!(set.iter().all(|item| ranges.iter().any(|range| range.contains(item))));
    }
}

#[test]
fn hardly_anything_else_is_asked_for() {
    let mut rng = random(1);
    let (set, others) = (items(&mut rng, 2_000), items(&mut rng, 100_000));
    let wanted = Wanted::new(&set, 102_000);
    let more = others.iter().filter(|item| wanted.matches(**item)).count();
    assert!(more < 2_000 / 32, "{more}");
    let in_ranges: usize =
        wanted.ranges().map(|range| others.iter().filter(|item| range.contains(item)).count()).sum();
    assert_eq!(in_ranges, more);
}

#[test]
fn it_takes_few_bytes() {
    let mut rng = random(1);
    for (wanted, bytes_max) in [(10, 4.0), (1_000, 3.75), (100_000, 3.75)] {
        let set = items(&mut rng, wanted);
        let bytes = Wanted::new(&set, 1_000_000).encode().len() as f64 / wanted as f64;
        assert!(bytes <= bytes_max, "{wanted}: {bytes}");
    }
}

#[test]
fn bytes_that_are_no_wanted_items_are_refused() {
    let bytes = Wanted::new(&items(&mut random(1), 50), 1_000).encode();
    assert_eq!(Wanted::decode(&bytes, 49), Err(WantedError::TooMany));
    assert_eq!(Wanted::decode(&bytes[..bytes.len() - 1], 50), Err(WantedError::Length));
    assert_eq!(Wanted::decode(&[&bytes[..], &[0]].concat(), 50), Err(WantedError::Length));
    assert_eq!(Wanted::decode(&[], 50), Err(WantedError::Length));
    assert_eq!(Wanted::decode(&[1, 65, 0], 50), Err(WantedError::Range));
    assert_eq!(Wanted::decode(&[0xff; 20], usize::MAX), Err(WantedError::Length));
    assert_eq!(Wanted::decode(&[0xff, 0xff, 0xff, 0x7f, 20, 0], usize::MAX), Err(WantedError::TooMany));
    // Two items of no bits at all, and a gap that leads beyond the last item.
    assert_eq!(Wanted::decode(&[2, 0, 0], 50), Err(WantedError::Range));
    assert_eq!(Wanted::decode(&[1, 2, 0b111], 50), Err(WantedError::Range));
}

#[test]
fn any_bytes_are_read_or_refused() {
    let mut rng = random(1);
    for _ in 0..20_000 {
        let mut bytes = vec![0; (rng.next_u64() % 24) as usize];
        rng.fill_bytes(&mut bytes);
        if let Some(len) = bytes.first_mut() {
            *len %= 32;
        }
        if let Some(bits) = bytes.get_mut(1) {
            *bits %= 70;
        }
        if let Ok(wanted) = Wanted::decode(&bytes, 1_000) {
            assert!(wanted.ranges().is_sorted_by(|a, b| a.end() < b.start()));
            assert_eq!(Wanted::decode(&wanted.encode(), 1_000), Ok(wanted));
        }
    }
}
