//! `damson tree`: over which links the writes of a member travel, as all members say together.

mod picture;
mod shape;
mod survey;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crate::args::Tree as Args;
use crate::http;

/// Prints the tree of a root.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let tree = http::wait_for(survey::survey(&args.query.http, args.root.as_deref()))?;
    let out = if args.query.json { format!("{}\n", tree.to_json()) } else { picture::draw(&tree) };
    match std::io::stdout().write_all(out.as_bytes()) {
        // Whoever reads may have seen enough: the picture of a large cluster is long.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
