//! `PeerAddress`: the name of a peer: a URL, or its id and places where it may be reached.
//!
//! `sixhop://ID/?at=HOST:PORT&at=…&relay=URL` names a node by its key. A holder of such an
//! address trusts no first meeting: the node at the other end has to show that id.
//!
//! # Invariants
//! - At most [`URL_MAX`] bytes, as given and as written, and [`AT_MAX`] places.
//! - A place is a [`PeerUrl`] without a path.
//! - Parameters that are not known are passed over: later versions may have more.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::characters::is_graphic;
use crate::limits::URL_MAX;
use crate::node_id::NodeId;
use crate::peer_url::{PeerUrl, UrlError};

/// Scheme of the address of a node.
const SCHEME: &str = "sixhop://";

/// Most places of one node.
pub const AT_MAX: usize = 4;

/// A node by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Its identity.
    pub id: NodeId,
    /// Places where it may be reached, the best first.
    pub at: Vec<PeerUrl>,
    /// The relay that reaches it, a URL.
    pub relay: Option<String>,
}

/// The name of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// By its URL.
    Url(PeerUrl),
    /// By its id.
    Node(NodeAddress),
}

/// The error of a text that names no peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The address of a node is too long.
    #[error("the address is longer than {URL_MAX} bytes")]
    TooLong,
    /// No id where it is to be.
    #[error("the address does not begin with sixhop:// and an id of 64 hex digits")]
    Id,
    /// Something beside the id and the parameters.
    #[error("the address has more than an id and its parameters")]
    Form,
    /// A place that is none.
    #[error("`at` is to be HOST:PORT: {0}")]
    Place(UrlError),
    /// No place where a call could go.
    #[error("the address names no place: add ?at=HOST:PORT")]
    NoPlace,
    /// More places than a node has.
    #[error("the address names more than {AT_MAX} places")]
    Places,
    /// A relay that is none.
    #[error("`relay` is to be one URL of a server, such as https://relay.example/")]
    Relay,
}

impl NodeAddress {
    /// Checks the address of a node.
    ///
    /// # Errors
    /// The first reason that applies.
    pub fn parse(text: &str) -> Result<NodeAddress, AddressError> {
        if text.len() > URL_MAX {
            return Err(AddressError::TooLong);
        }
        if text.contains(|c: char| c.is_whitespace() || !is_graphic(c) || c == '\\') {
            return Err(UrlError::ForbiddenCharacter.into());
        }
        if !is_node(text) {
            return Err(AddressError::Id);
        }
        let url = Url::parse(text).map_err(UrlError::Syntax)?;
        let id = url.host_str().and_then(|id| id.parse().ok());
        let id = id.ok_or(AddressError::Id)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_bare = matches!(url.path(), "" | "/") && url.port().is_none();
        if has_user || !is_bare || url.fragment().is_some() {
            return Err(AddressError::Form);
        }
        let mut address = NodeAddress {
            id,
            at: Vec::new(),
            relay: None,
        };
        for (name, value) in url.query_pairs() {
            match &*name {
                "at" => address.add_place(&value)?,
                "relay" => address.set_relay(&value)?,
                _ => {}
            }
        }
        if address.to_string().len() > URL_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(address)
    }

    fn add_place(&mut self, place: &str) -> Result<(), AddressError> {
        let url = PeerUrl::parse(&format!("http://{place}/")).map_err(AddressError::Place)?;
        if url.path() != "/" {
            return Err(AddressError::Form);
        }
        if !self.at.iter().any(|at| at.same_host(&url)) {
            self.at.push(url);
        }
        if self.at.len() > AT_MAX {
            return Err(AddressError::Places);
        }
        Ok(())
    }

    fn set_relay(&mut self, relay: &str) -> Result<(), AddressError> {
        let url = Url::parse(relay).map_err(|_| AddressError::Relay)?;
        let is_server = matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_server || self.relay.is_some() {
            return Err(AddressError::Relay);
        }
        self.relay = Some(url.into());
        Ok(())
    }
}

impl PeerAddress {
    /// Checks how a peer is named.
    ///
    /// # Errors
    /// Errors if it is neither a URL of a peer nor the address of a node.
    pub fn parse(text: &str) -> Result<PeerAddress, AddressError> {
        if is_node(text) {
            Ok(PeerAddress::Node(NodeAddress::parse(text)?))
        } else {
            Ok(PeerAddress::Url(PeerUrl::parse(text)?))
        }
    }

    /// Parses the text of a person: a host, a host and a port, or any address.
    ///
    /// # Errors
    /// As [`PeerAddress::parse`].
    pub fn from_person(text: &str) -> Result<PeerAddress, AddressError> {
        let text = text.trim();
        if is_node(text) {
            PeerAddress::parse(text)
        } else {
            Ok(PeerAddress::Url(PeerUrl::from_person(text)?))
        }
    }
}

fn is_node(text: &str) -> bool {
    let start = text.get(..SCHEME.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/", self.id)?;
        let mut separator = '?';
        for at in &self.at {
            write!(f, "{separator}at=")?;
            write_value(f, at.host())?;
            write!(f, ":{}", at.port())?;
            separator = '&';
        }
        if let Some(relay) = &self.relay {
            write!(f, "{separator}relay=")?;
            write_value(f, relay)?;
        }
        Ok(())
    }
}

/// Writes the value of a parameter; what would end it, or be read as something else, is escaped.
fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    for c in value.chars() {
        match c {
            '%' | '&' | '+' | '#' => write!(f, "%{:02X}", u32::from(c))?,
            _ => write!(f, "{c}")?,
        }
    }
    Ok(())
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Url(url) => url.fmt(f),
            PeerAddress::Node(node) => node.fmt(f),
        }
    }
}

impl From<PeerUrl> for PeerAddress {
    fn from(url: PeerUrl) -> PeerAddress {
        PeerAddress::Url(url)
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<NodeAddress, AddressError> {
        NodeAddress::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn address(rest: &str) -> Result<NodeAddress, AddressError> {
        NodeAddress::parse(&format!("sixhop://{ID}{rest}"))
    }

    #[test]
    fn an_address_has_an_id_places_and_a_relay() {
        let read =
            address("/?at=nas.example:4242&at=[2001:db8::7]:80&relay=https://r.example/x&new=1");
        let read = read.unwrap();
        assert_eq!(read.id.to_string(), ID);
        let at: Vec<&str> = read.at.iter().map(PeerUrl::as_str).collect();
        assert_eq!(at, ["http://nas.example:4242/", "http://[2001:db8::7]/"]);
        assert_eq!(read.relay.as_deref(), Some("https://r.example/x"));
        let written = format!(
            "sixhop://{ID}/?at=nas.example:4242&at=[2001:db8::7]:80&relay=https://r.example/x"
        );
        assert_eq!(read.to_string(), written);
        assert_eq!(address("").unwrap().to_string(), format!("sixhop://{ID}/"));
        let upper = NodeAddress::parse(&format!("SIXHOP://{}/", ID.to_uppercase()));
        assert_eq!(upper.unwrap().id, read.id);
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use AddressError as E;
        let long = format!("/?at={}.example:1", "a".repeat(200));
        for (rest, expected) in [
            ("0/", E::Id),
            (":80/", E::Form),
            ("/path", E::Form),
            ("/?at=h:1#f", E::Form),
            ("/?at=h:1/path", E::Form),
            ("/?at=a:1&at=b:1&at=c:1&at=d:1&at=e:1", E::Places),
            ("/?relay=nowhere", E::Relay),
            ("/?relay=https://a/&relay=https://b/", E::Relay),
            ("/?relay=https://u@a/", E::Relay),
            ("/?at=h:0", E::Place(UrlError::Port)),
            ("/?at=u@h:1", E::Place(UrlError::UserInfo)),
            ("/?at=%20h:1", E::Place(UrlError::ForbiddenCharacter)),
            ("/ ", E::Url(UrlError::ForbiddenCharacter)),
            (long.as_str(), E::TooLong),
        ] {
            assert_eq!(address(rest), Err(expected), "{rest}");
        }
        assert_eq!(NodeAddress::parse("sixhop://"), Err(E::Id));
        assert_eq!(NodeAddress::parse("http://h/"), Err(E::Id));
        assert!(matches!(
            address("/?at=169.254.1.1:80"),
            Err(E::Place(UrlError::Address { .. }))
        ));
        assert_eq!(address("/?at=h:1&at=H.:1").unwrap().at.len(), 1);
    }

    #[test]
    fn hosts_of_odd_characters_read_back() {
        for host in ["y=h%26", "a%2Bb", "a!$'()*,;~_b"] {
            let read = address(&format!("/?at={host}:1&at=h:2")).unwrap();
            assert_eq!(read.at.len(), 2, "{host}");
            assert_eq!(NodeAddress::parse(&read.to_string()), Ok(read), "{host}");
        }
    }

    #[test]
    fn people_name_peers_by_hosts_urls_and_ids() {
        let url = |text: &str| PeerAddress::Url(PeerUrl::parse(text).unwrap());
        assert_eq!(
            PeerAddress::from_person(" nas "),
            Ok(url("http://nas:4242/"))
        );
        assert_eq!(PeerAddress::parse("http://nas/x"), Ok(url("http://nas/x")));
        let node = PeerAddress::from_person(&format!(" sixhop://{ID}/?at=nas:4242 "));
        assert!(matches!(node, Ok(PeerAddress::Node(node)) if node.at.len() == 1));
    }

    proptest! {
        #[test]
        fn addresses_read_back(
            id in any::<[u8; 32]>(),
            hosts in prop::collection::btree_set("[a-z]{1,12}(\\.[a-z]{2,5})?", 0..4_usize),
            port in 1..=u16::MAX,
            relay in prop::option::of("https://[a-z]{1,9}\\.example/[a-z%&+]{0,4}"),
        ) {
            let place = |host: &String| PeerUrl::parse(&format!("http://{host}:{port}/")).unwrap();
            let address = NodeAddress {
                id: NodeId(id),
                at: hosts.iter().map(place).collect(),
                relay: relay.map(|relay| Url::parse(&relay).unwrap().into()),
            };
            let written = address.to_string();
            prop_assert_eq!(NodeAddress::parse(&written), Ok(address));
        }

        #[test]
        fn any_text_is_read_or_refused(rest in "\\PC{0,300}") {
            if let Ok(read) = address(&rest) {
                prop_assert!(read.at.len() <= AT_MAX);
                prop_assert!(read.to_string().len() <= URL_MAX);
                prop_assert_eq!(NodeAddress::parse(&read.to_string()), Ok(read));
            }
        }
    }
}
