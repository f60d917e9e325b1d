//! Flags of `damson exchanges`.

use clap::Args as ClapArgs;

use super::Query;

#[derive(Debug, ClapArgs)]
pub struct Exchanges {
    #[command(flatten)]
    pub query: Query,
    /// The member whose exchanges are listed; the node that is asked asks it [default: that node itself].
    #[arg(long, value_name = "NAME_OR_ID")]
    pub of: Option<String>,
    /// End some of the node that is asked, and list what was ended: all, peer=NAME_OR_ID, handler=NAME or
    /// reference=NUMBER. A cancelled comparison leaves the state as it was, and the next begins anew.
    #[arg(long, value_name = "WHICH", value_parser = which, conflicts_with = "of")]
    pub cancel: Option<Which>,
}

/// Which exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    All,
    /// A member's name or id.
    Peer(String),
    Handler(String),
    Reference(u64),
}

fn which(text: &str) -> Result<Which, String> {
    let wrong =
        || format!("{text:?} selects nothing; write all, peer=NAME, handler=NAME or reference=NUMBER");
    match text.split_once('=') {
        None if text == "all" => Ok(Which::All),
        Some(("peer", peer)) if !peer.is_empty() => Ok(Which::Peer(peer.into())),
        Some(("handler", handler)) if !handler.is_empty() => Ok(Which::Handler(handler.into())),
        Some(("reference", number)) => number.parse().map(Which::Reference).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_cancelled_is_said_in_one_of_four_ways() {
        assert_eq!(which("all"), Ok(Which::All));
        assert_eq!(which("peer=n=1"), Ok(Which::Peer("n=1".into())));
        assert_eq!(which("handler=~replica"), Ok(Which::Handler("~replica".into())));
        assert_eq!(which("reference=7"), Ok(Which::Reference(7)));
        for bad in ["", "All", "peer=", "reference=x", "7", "x=1"] {
            assert!(which(bad).is_err(), "{bad}");
        }
    }
}
