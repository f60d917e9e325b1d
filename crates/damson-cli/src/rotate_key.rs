//! `damson rotate-key`: a new key for the node of a data directory.

use std::process::ExitCode;

use damson::NodeId;
use damson::identity::rotate_data_dir;
use serde_json::json;

use crate::args::RotateKey;

pub fn run(args: &RotateKey) -> anyhow::Result<ExitCode> {
    let rotated = rotate_data_dir(&args.data_dir)?;
    let (former, id) = (NodeId(rotated.former), NodeId(rotated.identity.node_id()));
    if args.json {
        let facts = json!({ "data_dir": args.data_dir, "former": former.to_string(), "id": id.to_string() });
        println!("{facts}");
    } else {
        println!("{}: the node was {former}, and is {id} from its next start", args.data_dir.display());
        println!(
            "once it is a member: damson members forget {former}, and tell the new id to lists of allowed nodes"
        );
    }
    Ok(ExitCode::SUCCESS)
}
