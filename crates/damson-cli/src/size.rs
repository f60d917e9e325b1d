//! Sizes, as people write them, and limits of memory.

use anyhow::{Context, bail};
use damson::MemoryConfig;

/// The limits that flags name: one for the node, and some of `SIZE`, for each scope, or `SCOPE=SIZE`.
pub fn limits(node: Option<&str>, scopes: &[String]) -> anyhow::Result<MemoryConfig> {
    let mut limits = MemoryConfig { node_bytes_max: node.map(bytes).transpose()?, ..MemoryConfig::default() };
    for text in scopes {
        match text.split_once('=') {
            Some((scope, size)) => {
                let name = scope.parse().with_context(|| format!("the limit {text:?}"))?;
                limits.scopes.insert(name, Some(bytes(size)?));
            }
            None => limits.scope_bytes_max = Some(bytes(text)?),
        }
    }
    Ok(limits)
}

/// A number of bytes, with or without a unit.
pub fn bytes(text: &str) -> anyhow::Result<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => bail!("{text:?} is no size; write 500MB, 512MiB or 4GiB"),
    };
    let n: Option<u64> = text[..split].parse().ok();
    let bytes = n.and_then(|n| n.checked_mul(unit)).filter(|bytes| *bytes > 0);
    bytes.with_context(|| format!("{text:?} is no size; write 500MB, 512MiB or 4GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_nonsense_is_refused() {
        for (text, wanted) in
            [("1", 1), ("512MiB", 512 << 20), ("4 GiB", 4 << 30), ("5mb", 5_000_000), ("7kib", 7 << 10)]
        {
            assert_eq!(bytes(text).unwrap(), wanted, "{text}");
        }
        for text in ["", "GiB", "-1", "0", "1.5GiB", "9x", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_for_the_node_for_each_scope_and_for_one() {
        let limits = limits(Some("1GiB"), &["10MiB".into(), "big=100MiB".into()]).unwrap();
        assert_eq!(limits.node_bytes_max, Some(1 << 30));
        assert_eq!(limits.limit_of(&"small".parse().unwrap()), Some(10 << 20));
        assert_eq!(limits.limit_of(&"big".parse().unwrap()), Some(100 << 20));
        assert_eq!(limits.limit_of(&"~roster".parse().unwrap()), None);
        assert!(super::limits(None, &["a b=1MiB".into()]).is_err());
    }
}
