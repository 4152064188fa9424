//! `PeerUrl`: where a peer says it lives, checked before anybody connects.
//!
//! The `url` crate is the only parser: it folds every disguise of an address
//! (`127.1`, `0x7f.1`, full-width digits) to the address itself, so that what
//! was checked is what is dialled. A host that is a name is checked again
//! after it is resolved: [`address_allowed`] is for the connector.
//!
//! Non-goals: resolving names, and whether loopback and private addresses may
//! be used: that is a setting of the node.
//!
//! # Invariants
//! - Scheme `http`, a host, a port from 1 to 65535, no user, query, fragment.
//! - At most [`URL_MAX`] bytes: as given, in the normal form, and with `/codes`.
//! - An address in the URL passes [`address_allowed`].

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use url::{Host, Url};

use crate::characters::is_graphic;
use crate::limits::URL_MAX;

/// The port of a node, unless another one is set.
pub const PORT_DEFAULT: u16 = 4242;

/// The URL of a peer in its normal form, such as `http://127.0.0.1:4242/`.
/// Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerUrl(Arc<Url>);

/// The error of a text that is not the URL of a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// More than [`URL_MAX`] bytes, as given or with `/codes` after it.
    #[error("the URL is longer than {URL_MAX} bytes")]
    TooLong,
    /// A space, tab, line break, other control character or backslash.
    #[error("the URL has a space, a control character or a backslash")]
    ForbiddenCharacter,
    /// Not a URL at all.
    #[error("not a URL: {0}")]
    Syntax(url::ParseError),
    /// `https`, which is not supported yet.
    #[error("https is not supported yet; use http")]
    Https,
    /// Neither `http` nor `https`, or no `//` after the scheme.
    #[error("the URL does not start with http://")]
    Scheme,
    /// A user name or password before the host.
    #[error("the URL has a user name or password")]
    UserInfo,
    /// A `?` part.
    #[error("the URL has a query")]
    Query,
    /// A `#` part.
    #[error("the URL has a fragment")]
    Fragment,
    /// Port 0.
    #[error("the URL has port 0")]
    Port,
    /// An address that is never a peer.
    #[error("the address {address} is {range}")]
    Address {
        /// The address that was refused, as it was written.
        address: IpAddr,
        /// The range it is in.
        range: RefusedRange,
    },
}

/// Ranges of addresses that are never a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedRange {
    /// `0.0.0.0/8` and `::`.
    Unspecified,
    /// `224.0.0.0/4` and `ff00::/8`.
    Multicast,
    /// `240.0.0.0/4` with the broadcast address.
    Broadcast,
    /// `169.254.0.0/16` and `fe80::/10`.
    LinkLocal,
}

impl fmt::Display for RefusedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast or reserved",
            Self::LinkLocal => "link-local",
        })
    }
}

impl PeerUrl {
    /// Reads the text of a person: a URL, or `HOST`, `HOST:PORT` or `HOST:PORT/PATH`, with
    /// [`PORT_DEFAULT`] where no port is said and no scheme either.
    ///
    /// # Errors
    /// As [`PeerUrl::parse`].
    pub fn from_person(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.contains("://") {
            return Self::parse(text);
        }
        let (host, path) = match text.split_once('/') {
            Some((host, path)) => (host, path),
            None => (text, ""),
        };
        // An IPv6 address as it stands.
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port {
            String::new()
        } else {
            format!(":{PORT_DEFAULT}")
        };
        Self::parse(&format!("http://{host}{port}/{path}"))
    }

    /// Checks a URL and brings it to its normal form.
    ///
    /// # Errors
    /// The first reason that applies.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        check_text(text)?;
        let url = Url::parse(text).map_err(UrlError::Syntax)?;
        check_scheme(&url, text)?;
        check_components(&url, text)?;
        check_host(&url)?;
        let url = Self(Arc::new(url));
        if url.as_str().len().max(url.codes().as_str().len()) > URL_MAX {
            return Err(UrlError::TooLong);
        }
        Ok(url)
    }

    /// Returns the normal form, such as `http://127.0.0.1:4242/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the host as in the URL: a name in its ASCII form, an IPv4 address, or
    /// an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().expect("a checked http URL has a host")
    }

    /// Returns the port, 1 to 65535; 80 if the URL names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0
            .port_or_known_default()
            .expect("http has a default port")
    }

    /// Returns host and port as in the URL, for the `Host` header; without a port if
    /// it is the default one.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Returns the path, starting with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Returns the address, if the host is one; an IPv4-mapped one as IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        address(&self.0).map(|address| address.to_canonical())
    }

    /// Returns true if the host is the name `localhost`.
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.host().trim_end_matches('.') == "localhost"
    }

    /// Returns the URL for the same peer in the dialect of codes: its path without
    /// `/RPC2` and the like, and `/codes` after it.
    #[must_use]
    pub fn codes(&self) -> Self {
        let mut url = Url::clone(&self.0);
        url.set_path(&format!("{}/codes", base_path(self.path())));
        Self(Arc::new(url))
    }

    /// Returns the key of the node, in any dialect and route: scheme, host, port, and the
    /// path without a trailing `/`, `/codes` or `/RPC2`. `localhost` is `127.0.0.1`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("http://{}{}", self.host_key(), base_path(self.path()))
    }

    /// Returns the place of the URL: host and port, in one spelling. `localhost` is
    /// `127.0.0.1`.
    #[must_use]
    pub fn host_key(&self) -> String {
        let host = match self.ip() {
            Some(IpAddr::V4(address)) => address.to_string(),
            _ if self.is_localhost() => Ipv4Addr::LOCALHOST.to_string(),
            _ => self.host().trim_end_matches('.').to_owned(),
        };
        format!("{host}:{}", self.port())
    }

    /// Returns true if both URLs name the same host and port, whatever the path.
    #[must_use]
    pub fn same_host(&self, other: &Self) -> bool {
        self.host_key() == other.host_key()
    }

    /// Returns true if both URLs name the same peer.
    #[must_use]
    pub fn same_peer(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

/// Refuses the addresses that are never a peer: unspecified, multicast,
/// broadcast, link-local, and IPv6 forms that carry one of those (mapped,
/// compatible, NAT64, 6to4). Loopback and private addresses pass.
///
/// A connector calls this for every address a name resolves to.
///
/// # Errors
/// [`UrlError::Address`] with the range.
pub fn address_allowed(address: IpAddr) -> Result<(), UrlError> {
    let range = match address {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    };
    range.map_or(Ok(()), |range| Err(UrlError::Address { address, range }))
}

fn refused_v4(address: Ipv4Addr) -> Option<RefusedRange> {
    match address.octets() {
        [0, ..] => Some(RefusedRange::Unspecified),
        [169, 254, ..] => Some(RefusedRange::LinkLocal),
        [224..=239, ..] => Some(RefusedRange::Multicast),
        [240..=255, ..] => Some(RefusedRange::Broadcast),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<RefusedRange> {
    if address.is_unspecified() {
        return Some(RefusedRange::Unspecified);
    }
    if address.is_multicast() {
        return Some(RefusedRange::Multicast);
    }
    if address.is_unicast_link_local() {
        return Some(RefusedRange::LinkLocal);
    }
    if address.is_loopback() {
        return None;
    }
    carried_v4(address).and_then(refused_v4)
}

/// Returns the IPv4 address that an IPv6 address stands for, if it is of such a form.
#[must_use]
pub fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let joined = |high, low| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Compatible, mapped, translated.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        // NAT64, well-known and local.
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => Some(joined(high, low)),
        // Teredo, which flips the bits.
        [0x2001, 0, _, _, _, _, high, low] => Some(joined(!high, !low)),
        _ => None,
    }
}

/// Returns a URL for messages: as it was given, without a user name and password.
#[must_use]
pub fn without_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("http://…@{host}"),
        None => text.to_owned(),
    }
}

fn check_text(text: &str) -> Result<(), UrlError> {
    if text.len() > URL_MAX {
        return Err(UrlError::TooLong);
    }
    // What cannot be seen, such as a change of direction, disguises a URL.
    let forbidden = |c: char| c.is_whitespace() || !is_graphic(c) || c == '\\';
    if text.contains(forbidden) {
        return Err(UrlError::ForbiddenCharacter);
    }
    Ok(())
}

fn check_scheme(url: &Url, text: &str) -> Result<(), UrlError> {
    match url.scheme() {
        "http" if starts_with_ignoring_case(text, "http://") => Ok(()),
        "https" => Err(UrlError::Https),
        _ => Err(UrlError::Scheme),
    }
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    let head = text.get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Checks a host: an address must be allowed; a name must not have empty labels, which would
/// give one peer many names.
fn check_host(url: &Url) -> Result<(), UrlError> {
    if let Some(address) = address(url) {
        return address_allowed(address);
    }
    let name = url.host_str().unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.split('.').any(str::is_empty) {
        return Err(UrlError::Syntax(url::ParseError::EmptyHost));
    }
    Ok(())
}

fn check_components(url: &Url, text: &str) -> Result<(), UrlError> {
    let after_scheme = &text["http://".len()..];
    // More slashes would be skipped, and hide what comes before the host.
    if after_scheme.starts_with('/') {
        return Err(UrlError::Syntax(url::ParseError::EmptyHost));
    }
    let authority = after_scheme.split(['/', '?', '#']).next();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || authority.is_some_and(|authority| authority.contains('@')) {
        return Err(UrlError::UserInfo);
    }
    if url.query().is_some() {
        return Err(UrlError::Query);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    if url.port() == Some(0) {
        return Err(UrlError::Port);
    }
    Ok(())
}

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// Returns the path without the part that selects a dialect.
fn base_path(path: &str) -> &str {
    let mut base = path.trim_end_matches('/');
    while let Some(shorter) = base.strip_suffix("/codes").or(base.strip_suffix("/RPC2")) {
        base = shorter.trim_end_matches('/');
    }
    base
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerUrl({})", self.as_str())
    }
}

impl AsRef<str> for PeerUrl {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for PeerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for PeerUrl {
    type Error = UrlError;

    fn try_from(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}
