//! The askers and their requests, in the words of the policy, and its decisions.

use std::net::{IpAddr, Ipv4Addr};

use node_wire::NodeId;
use plugin_api::{FetchAsked, HitsAllowed, Policy, PolicyError, QueryAsked, Reads, What};

use super::NAMES_MAX;
use crate::server::front::Remote;

/// The addresses of strangers: nobody has them, of three networks, so that none
/// of them is taken for a friend because of its network.
const STRANGERS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
];

/// The name that a policy gets as the handler of content by its digest.
pub(in crate::server) const DIGEST_HANDLER: &str = "digest";

/// A caller of the peer port.
#[derive(Clone, Debug)]
pub(in crate::server) struct Asker {
    pub(super) address: IpAddr,
    /// Its id, if its connection shows it.
    pub(super) id: Option<NodeId>,
    /// The groups of that id, once the gate has looked.
    pub(super) groups: Vec<String>,
    /// The URL that it says it has; empty if it says none.
    pub(super) peer: String,
}

/// All that a policy can tell of those who ask for a summary. They say no URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::server) struct Audience {
    address: Option<IpAddr>,
    id: Option<NodeId>,
    groups: Vec<String>,
}

/// A file that an asker would have.
#[derive(Clone, Debug)]
pub(in crate::server) struct FileAsked {
    /// Empty for content without a name.
    pub(in crate::server) name: String,
    pub(in crate::server) size: Option<u64>,
}

/// The hits that an asker may hear of.
#[derive(Debug)]
pub(in crate::server) struct HitsPermitted<T> {
    pub(in crate::server) hits: Vec<T>,
    /// True if all were decided on, or as many allowed as were wanted.
    pub(in crate::server) is_whole: bool,
}

impl Asker {
    pub(in crate::server) fn at(remote: Remote) -> Asker {
        Asker {
            id: remote.id,
            ..Asker::from(remote.ip())
        }
    }

    /// Returns the address it asks from.
    pub(in crate::server) fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns its id in hex; empty if it has shown none.
    fn shown_id(&self) -> String {
        self.id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// Returns its query, in the words of the policy.
    pub(super) fn query(&self, handler: String, text: String) -> QueryAsked {
        QueryAsked {
            handler,
            text,
            from: self.address,
            id: self.shown_id(),
            groups: self.groups.clone(),
            peer: self.peer.clone(),
        }
    }

    /// Returns all that a policy which reads this can tell of it.
    pub(super) fn audience(&self, reads: Reads) -> Audience {
        Audience {
            address: reads.from.then_some(self.address),
            id: self.id.filter(|_| reads.id),
            groups: if reads.groups {
                self.groups.clone()
            } else {
                Vec::new()
            },
        }
    }

    /// Returns an asker of whom nothing is known.
    pub(super) fn stranger() -> Asker {
        Asker::from(STRANGERS[0])
    }

    /// Returns the same asker, with the last node of a history, which is the one that asks.
    pub(in crate::server) fn with_history(self, history: &[String]) -> Asker {
        Asker {
            peer: history.last().cloned().unwrap_or_default(),
            ..self
        }
    }
}

impl From<IpAddr> for Asker {
    fn from(address: IpAddr) -> Asker {
        Asker {
            address: address.to_canonical(),
            id: None,
            groups: Vec::new(),
            peer: String::new(),
        }
    }
}

impl Audience {
    /// Returns true if any number of nodes may be of it, and only the owner decides which.
    pub(in crate::server) fn is_shared(&self) -> bool {
        self.address.is_none() && self.id.is_none()
    }

    /// Returns somebody of it.
    pub(in crate::server) fn member(&self) -> Asker {
        Asker {
            address: self.address.unwrap_or(STRANGERS[0]),
            id: self.id,
            groups: self.groups.clone(),
            peer: String::new(),
        }
    }
}

impl<T> HitsPermitted<T> {
    pub(super) fn none() -> HitsPermitted<T> {
        HitsPermitted {
            hits: Vec::new(),
            is_whole: false,
        }
    }
}

pub(super) fn asked(asker: &Asker, digest: &str, wanted: FileAsked, what: What) -> FetchAsked {
    FetchAsked {
        name: wanted.name,
        size: wanted.size,
        digest: digest.to_owned(),
        from: asker.address,
        id: asker.shown_id(),
        groups: asker.groups.clone(),
        peer: asker.peer.clone(),
        what,
    }
}

/// Returns true if one of the names may be had.
pub(super) fn any_allowed(
    policy: &dyn Policy,
    asker: &Asker,
    digest: &str,
    names: Vec<FileAsked>,
) -> Result<bool, PolicyError> {
    let mut failure = None;
    for wanted in names.into_iter().take(NAMES_MAX) {
        match policy.allows_fetch(&asked(asker, digest, wanted, What::Content)) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(false), Err)
}

/// Returns true if every stranger may do all that it takes to have content: ask for its digest, hear
/// that it is here, and get it, by one of its names.
///
/// # Errors
/// At the first decision that fails: it may not.
pub(super) fn strangers_may_have(
    policy: &dyn Policy,
    digest: &str,
    names: &[FileAsked],
) -> Result<bool, PolicyError> {
    for stranger in STRANGERS.map(Asker::from) {
        let query = stranger.query(DIGEST_HANDLER.to_owned(), digest.to_owned());
        let may = |digest: &str, what| {
            for name in names.iter().take(NAMES_MAX) {
                if policy.allows_fetch(&asked(&stranger, digest, name.clone(), what))? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        if !policy.allows_query(&query)? || !may("", What::Hit)? || !may(digest, What::Content)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the hits that were allowed, and the error if a decision failed.
pub(super) fn permitted<T>(
    hits: Vec<T>,
    decided: &HitsAllowed,
    most: usize,
    failure: Option<PolicyError>,
) -> (HitsPermitted<T>, Option<PolicyError>) {
    let is_all = decided.allowed.len() == hits.len();
    let pairs = hits.into_iter().zip(&decided.allowed);
    let hits: Vec<T> = pairs
        .filter_map(|(hit, is_allowed)| is_allowed.then_some(hit))
        .collect();
    let is_whole = is_all || hits.len() >= most;
    (HitsPermitted { hits, is_whole }, failure)
}
