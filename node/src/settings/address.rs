//! Addresses as people write them.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use node_wire::peer_url::PORT_DEFAULT;
use serde::Deserialize;

/// The address to listen on for peers: `ADDR:PORT`, `NAME:PORT`, `:PORT` for all addresses, or
/// without a port, which then is [`PORT_DEFAULT`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Host {
    Address(IpAddr),
    /// A name, which is looked up when the node starts.
    Name(String),
}

/// The error of a text that is not an address to listen on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no address to listen on; such are 127.0.0.1:4242, localhost:4242, :4242 and 0.0.0.0")]
pub struct NoListenAddress;

impl ListenAddress {
    /// Returns the address of this machine that the text means.
    ///
    /// # Errors
    /// Errors if it is a name that has no address.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        match &self.host {
            Host::Address(address) => Ok(SocketAddr::new(*address, self.port)),
            Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
                Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port))
            }
            Host::Name(name) => (name.as_str(), self.port)
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::other("the name has no address")),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> ListenAddress {
        ListenAddress {
            host: Host::Address(address.ip()),
            port: address.port(),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = NoListenAddress;

    fn from_str(text: &str) -> Result<ListenAddress, NoListenAddress> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, PORT_DEFAULT).into());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => {
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = is_number.then(|| port.parse().ok()).flatten();
                (host, port.ok_or(NoListenAddress)?)
            }
            _ => (text, PORT_DEFAULT),
        };
        let host = match host {
            "" if text.is_empty() => return Err(NoListenAddress),
            "" | "*" => Host::Address(Ipv4Addr::UNSPECIFIED.into()),
            host => host_of(host).ok_or(NoListenAddress)?,
        };
        Ok(ListenAddress { host, port })
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = NoListenAddress;

    fn try_from(text: String) -> Result<ListenAddress, NoListenAddress> {
        text.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

fn host_of(text: &str) -> Option<Host> {
    if let Some(inside) = text.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Address(address.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    let is_right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A number would be an address that was written wrongly.
    let is_name = text.chars().all(is_right) && text.contains(|c: char| c.is_ascii_alphabetic());
    is_name.then(|| Host::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_an_address() {
        for (text, address) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("127.0.0.1", "127.0.0.1:4242"),
            ("0.0.0.0:4242", "0.0.0.0:4242"),
            ("0.0.0.0", "0.0.0.0:4242"),
            (":4242", "0.0.0.0:4242"),
            (":0", "0.0.0.0:0"),
            ("*:80", "0.0.0.0:80"),
            ("localhost", "127.0.0.1:4242"),
            ("LOCALHOST:5000", "127.0.0.1:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::]", "[::]:4242"),
            ("::1", "[::1]:4242"),
            (" 127.0.0.1:1 ", "127.0.0.1:1"),
        ] {
            let listen: ListenAddress = text.parse().unwrap();
            assert_eq!(listen.resolve().unwrap().to_string(), address, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "  ",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1:65536",
            "a b",
            "http://a:1",
            "[::1",
            "1.2.3:4",
            "4242",
            "a:1:2",
            "host:+1",
        ] {
            assert_eq!(
                text.parse::<ListenAddress>(),
                Err(NoListenAddress),
                "{text}"
            );
        }
    }
}
