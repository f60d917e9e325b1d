use crate::grove::Grove;

#[test]
fn a_payload_that_was_lost_is_asked_for() {
    let mut grove = Grove::chords(30, |_, _| 2);
    // Node 5 hears no payload from its parent for the author 0, whichever that is.
    let parent = crate::grove::at(grove.nodes[5].broadcast.parent(crate::grove::id(0)).unwrap());
    grove.deaf.insert((parent, 5));
    let number = grove.write(0);
    grove.run(10_000);
    assert_eq!(grove.reached(0, number), 29);
    assert!(grove.frames.grafts >= 1);
}

/// The next one comes through and is what is announced: the hole before it must be seen.
#[test]
fn a_payload_that_was_lost_before_another_one_is_asked_for() {
    let mut grove = Grove::chords(30, |_, _| 2);
    let parent = crate::grove::at(grove.nodes[5].broadcast.parent(crate::grove::id(0)).unwrap());
    grove.deaf.insert((parent, 5));
    let number = grove.write(0);
    grove.run(50);
    grove.deaf.clear();
    grove.write(0);
    grove.run(15_000);
    assert_eq!(grove.reached(0, number), 29);
    assert_eq!(grove.nodes[5].synced, [0_usize; 0], "no anti-entropy was needed");
}

#[test]
fn one_announcement_names_many_payloads_and_crosses_a_link_one_way() {
    let mut grove = Grove::chords(30, |_, _| 2);
    for _ in 0..20 {
        for author in 0..30 {
            grove.write(author);
        }
        grove.run(100);
    }
    grove.run(10_000);
    let lazy_links = 90 - 29;
    // 600 payloads; each could have been announced over 61 links, in both directions.
    assert!(grove.frames.haves < 2 * 90 * 3, "{}", grove.frames.haves);
    assert!(grove.frames.haves >= lazy_links, "{}", grove.frames.haves);
    assert_eq!(grove.frames.grafts, 0);
    assert_eq!(grove.duplicates(), 0);
}

#[test]
fn what_was_written_without_any_link_is_announced_to_the_next_neighbour() {
    let mut grove = Grove::new(3);
    grove.link(1, 2, 1);
    grove.run(1_000);
    let number = grove.write(0);
    grove.run(1_000);
    grove.link(0, 1, 1);
    grove.run(1_000);
    assert_eq!(grove.reached(0, number), 2);
}

#[test]
fn half_of_the_nodes_fail_and_the_next_message_still_reaches_all_that_are_linked() {
    let mut grove = Grove::chords(100, |_, _| 1);
    for at in (0..100).filter(|at| at % 5 == 2) {
        grove.fell(at);
    }
    let number = grove.write(0);
    grove.run(2_000);
    let linked = (0..100).filter(|at| !grove.neighbors(*at).is_empty()).count();
    assert_eq!(grove.reached(0, number), linked - 1);
}
