//! All that a node holds, as a client sees it.

use std::io;

use super::evidence::{Contents, Held};
use super::op::SET;
use crate::processes::redis::Client;

/// Keys that are asked for at once.
const AT_ONCE: usize = 500;

/// Reads everything.
pub fn contents(address: &str) -> io::Result<Contents> {
    let mut client = Client::connect(address)?;
    let keys: Vec<String> = client.list(&["KEYS", "*"])?.into_iter().flatten().collect();
    let mut out = Contents::new();
    for keys in keys.chunks(AT_ONCE) {
        client.send(keys.iter().map(|key| read(key)))?;
        for key in keys {
            let held = match key.starts_with(SET) {
                true => {
                    let mut elements: Vec<String> = client.strings()?.into_iter().flatten().collect();
                    elements.sort_unstable();
                    Some(Held::Elements(elements))
                }
                false => client.reply()?.map(Held::Value),
            };
            out.extend(held.map(|held| (key.clone(), held)));
        }
    }
    Ok(out)
}

fn read(key: &str) -> Vec<&str> {
    vec![if key.starts_with(SET) { "SMEMBERS" } else { "GET" }, key]
}
