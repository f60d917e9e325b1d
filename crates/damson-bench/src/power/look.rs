//! A real node on what a power failure left.

use std::path::Path;

use anyhow::Context;
use damson::{Kind, Node, Slot, View};

use crate::crash::evidence::{Contents, Held};

/// What a start found.
#[derive(Debug)]
pub struct Found {
    pub contents: Contents,
    /// It goes on with the life of a clean stop.
    pub continued: bool,
    /// It took the database for damaged, and began with nothing.
    pub set_aside: bool,
}

/// Starts a node there, reads everything, and ends it without a clean stop.
pub async fn look(image: &Path) -> anyhow::Result<Found> {
    let node = Node::builder("subject").data_dir(image).start().await.context("the node does not start")?;
    let scope = node.scope("default")?;
    let contents = scope.read(|view| view.keys().filter_map(|(key, kind)| held(view, &key, kind)).collect());
    let continued = node.continued();
    node.abandon();
    let set_aside = image.join("damaged-1").exists();
    Ok(Found { contents, continued, set_aside })
}

fn held(view: View<'_>, key: &[u8], kind: Kind) -> Option<(String, Held)> {
    let slot = Slot::key(key.to_vec());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let held = match kind {
        Kind::Set => {
            let mut elements: Vec<String> = view.set_elements(&slot).map(text).collect();
            elements.sort_unstable();
            Held::Elements(elements)
        }
        _ => Held::Value(text(&view.text(&slot)?)),
    };
    Some((text(key), held))
}
