//! Broadcast over an overlay, two columns: a peer's protocol and Damson's, in the same virtual network.
//!
//! The course is the same for both: nodes join one after the other through one contact; the overlay settles; with `--kill` a
//! part of the nodes dies at one instant; from that instant on messages of 100 bytes go out from random living nodes. There
//! are no messages before those that are measured, so the first of them meets a tree that no payload has shaped yet: Plumtree
//! floods it, and prunes.

mod damson;
mod parameters;
#[cfg(feature = "peers")]
mod peer;
mod print;
mod row;

use std::process::ExitCode;

pub use parameters::{Detect, Dials};

use self::parameters::Parameters;
use self::row::Row;
use crate::args::Overlay;

/// Measures both columns and prints them. Fails when neither could be measured.
pub fn run(args: &Overlay) -> anyhow::Result<ExitCode> {
    let parameters = Parameters::of(args)?;
    let peer = peer_column(&parameters);
    let damson = damson::damson_column(&parameters);
    if args.json {
        println!("{}", print::json(&parameters, &peer, &damson));
    } else {
        print!("{}", print::table(&parameters, &peer, &damson));
    }
    Ok(if peer.is_err() && damson.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(feature = "peers")]
fn peer_column(parameters: &Parameters) -> Result<Row, String> {
    Ok(peer::measure(parameters))
}

#[cfg(not(feature = "peers"))]
fn peer_column(_: &Parameters) -> Result<Row, String> {
    Err("not built: run it with --features peers".into())
}
