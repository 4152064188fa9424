//! `within(address, network)`: addresses as owners think of them.

use std::net::IpAddr;

use ipnet::IpNet;
use rhai::EvalAltResult;

/// Returns whether `address` is `network`, or in it if that is of the kind `192.168.0.0/16`.
///
/// # Errors
/// Errors if one of them is neither an address nor a network.
pub(super) fn within(address: &str, network: &str) -> Result<bool, Box<EvalAltResult>> {
    let address = parse(address)?;
    let Some((first, length)) = network.split_once('/') else {
        return Ok(parse(network)? == address);
    };
    // The addresses are read by the standard library: it takes none with leading zeros.
    let first = parse(first)?;
    let parsed = length.parse().ok();
    let parsed = parsed.and_then(|length| IpNet::new(first, length).ok());
    let bad = || format!("`{network}` is no address and no network such as 192.168.0.0/16");
    Ok(parsed.ok_or_else(bad)?.contains(&address))
}

fn parse(text: &str) -> Result<IpAddr, Box<EvalAltResult>> {
    let address: Result<IpAddr, _> = text.parse();
    match address {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(format!("`{text}` is no address").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_networks_that_it_is_in() {
        for (address, network, expected) in [
            ("192.168.3.4", "192.168.0.0/16", true),
            ("192.169.3.4", "192.168.0.0/16", false),
            ("192.168.3.4", "192.168.3.4", true),
            ("192.168.3.4", "192.168.3.5", false),
            ("192.168.3.4", "192.168.3.4/32", true),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("::ffff:10.1.2.3", "10.0.0.0/8", true),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("::1", "::/0", true),
            ("::1", "0.0.0.0/0", false),
            ("10.1.2.3", "::/0", false),
        ] {
            assert_eq!(
                within(address, network).unwrap(),
                expected,
                "{address} {network}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_an_error() {
        for network in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert!(within("10.1.2.3", network).is_err(), "{network}");
            assert!(within("::1", network).is_err(), "{network}");
        }
        assert!(within("", "10.0.0.0/8").is_err());
    }
}
