//! The rules of the replica, tested against naive oracles through its public surface.
//!
//! `histories` throws everything at a few replicas and compares each with a log of all operations; `transfers` does the
//! same in slow motion; `mistakes` breaks each rule in turn and demands that these checks notice. The other modules are
//! small: what each type means, forks, restarts, the bounded buffer of waiting batches.

mod rules {
    mod cluster;
    mod counters;
    mod dice;
    mod disk;
    mod expiry;
    mod flags_and_max;
    mod forks;
    mod histories;
    mod memory;
    mod mistakes;
    mod oracle;
    mod picture;
    mod registers;
    mod restarts;
    mod salvage;
    mod seen;
    mod sets_and_maps;
    mod sketches;
    mod strings;
    mod transfers;
    mod type_conflicts;
    mod waiting;
    mod writes;
}
