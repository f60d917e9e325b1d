//! What stands behind the question mark.

use percent_encoding::percent_decode_str;

/// Names and values, decoded. The error says what is wrong, for people.
pub(super) fn pairs<'a>(query: &'a str, names: &[&str]) -> Result<Vec<(&'a str, String)>, String> {
    let known = || names.iter().map(|name| format!("{name}=")).collect::<Vec<_>>().join(", ");
    let all = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) =
            pair.split_once('=').filter(|(name, _)| names.contains(name)).ok_or_else(|| {
                format!(
                    "{:?} is none of the parameters: {}",
                    pair.chars().take(80).collect::<String>(),
                    known()
                )
            })?;
        let value = percent_decode_str(value).decode_utf8();
        Ok((name, value.map_err(|_| format!("the value of {name} is no text in UTF-8"))?.into_owned()))
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_anything_unknown_is_refused() {
        let of = |query| pairs(query, &["peer", "handler"]);
        assert_eq!(of(""), Ok(vec![]));
        let both = of("peer=n%201%26%C3%A9&handler=~replica").unwrap();
        assert_eq!(both, [("peer", "n 1&é".into()), ("handler", "~replica".into())]);
        for bad in ["peer", "Peer=n1", "peer=%FF", "peer=a&x=1"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(of("x=1").unwrap_err(), "\"x=1\" is none of the parameters: peer=, handler=");
    }
}
