use damson_core::membership::OverlayConfig;

use crate::town::Town;

#[test]
fn a_cluster_that_fits_into_the_active_view_is_a_full_mesh() {
    for count in 2..=6 {
        let mut town = Town::of(count, OverlayConfig::default(), 1);
        town.run_cycles(3);
        assert!(town.living().iter().all(|at| town.view(*at).len() == count - 1), "{count} nodes");
    }
}

#[test]
fn joins_through_one_contact_make_a_connected_overlay_of_symmetric_links_with_full_views() {
    for seed in 1..=3 {
        let mut town = Town::of(500, OverlayConfig::default(), seed);
        town.run_cycles(20);
        assert!(town.is_connected(), "seed {seed}");
        assert_eq!(town.one_way(), [], "seed {seed}");
        assert!(town.degree_mean() > 4.95, "seed {seed}: {}", town.degree_mean());
        assert!(town.living().iter().all(|at| town.view(*at).len() <= 5));
    }
}

#[test]
fn neighbours_of_a_node_are_not_neighbours_of_each_other_where_there_is_a_choice() {
    let mut town = Town::of(1_000, OverlayConfig::default(), 4);
    town.run_cycles(20);
    assert!(town.clustering() < 0.002, "{}", town.clustering());
    assert!(town.degree_mean() > 4.97, "{}", town.degree_mean());
}

#[test]
fn the_same_seed_makes_the_same_overlay() {
    let run = |seed| {
        let mut town = Town::of(120, OverlayConfig::default(), seed);
        town.run_cycles(5);
        town.living().into_iter().map(|at| town.view(at)).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Walks once ended too near to where they began: paths were 0.7 % longer than those of a random regular graph of 1,000
/// nodes and degree five, whose mean is 4.697.
#[test]
fn paths_are_as_short_as_in_a_random_regular_graph() {
    let mut town = Town::of(1_000, OverlayConfig::default(), 2);
    town.run_cycles(30);
    let path = town.mean_path(100);
    assert!(path < 4.697 * 1.004, "{path}");
}
