//! What can be the address of a contact.

/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 255;

/// Says what is wrong with an address. One of a transport of the application's own may have any form.
pub(crate) fn check(address: &str, any_form: bool) -> Result<(), &'static str> {
    if address.len() > ADDRESS_BYTES_MAX {
        return Err("an address has at most 255 bytes");
    }
    if address.is_empty() || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("an address is one word");
    }
    if any_form {
        return Ok(());
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err("the port is missing");
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    match port.parse::<u16>() {
        Err(_) | Ok(0) => Err("the port must be a number from 1 to 65535"),
        Ok(_) if host.is_empty() => Err("the host is missing"),
        Ok(_) if host.contains(':') && !bracketed => Err("an IPv6 address must stand in brackets"),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_unless_the_transport_is_the_applications_own() {
        for good in ["10.0.0.1:7400", "node-1.example.org:1", "[::1]:65535", "localhost:7400"] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        let long = format!("{}:7400", "x".repeat(251));
        for bad in
            ["", "host", "host:", ":7400", "host:0", "host:65536", "::1:7400", "a b:1", "a\u{7}:1", &long]
        {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        assert_eq!(check("radio/17", true), Ok(()));
        assert!(check("", true).is_err() && check("a b", true).is_err() && check(&long, true).is_err());
    }
}
