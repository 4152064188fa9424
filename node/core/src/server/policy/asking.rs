//! Who asks for what, in the words of the policy, and what comes of it.

use std::net::IpAddr;

use plugin_script::{FetchAsked, HitsAllowed, Policy, PolicyError, What};

use super::NAMES_MAX;
use crate::server::front::Remote;

/// Who asks at the peer port.
#[derive(Clone, Debug)]
pub(in crate::server) struct Asker {
    pub(super) address: IpAddr,
    /// The URL that it says it has; empty if it says none.
    pub(super) peer: String,
}

/// A file that an asker would have.
#[derive(Clone, Debug)]
pub(in crate::server) struct Wanted {
    /// Empty for content without a name.
    pub(in crate::server) name: String,
    pub(in crate::server) size: Option<u64>,
}

/// The hits that an asker may hear of.
#[derive(Debug)]
pub(in crate::server) struct HitsPermitted<T> {
    pub(in crate::server) hits: Vec<T>,
    /// Whether all were decided on, or as many allowed as were wanted.
    pub(in crate::server) is_whole: bool,
}

impl Asker {
    pub(in crate::server) fn at(remote: Remote) -> Asker {
        Asker {
            address: remote.0.ip().to_canonical(),
            peer: String::new(),
        }
    }

    /// The same, with the last node of a history, which is the one that asks.
    pub(in crate::server) fn with_history(self, history: &[String]) -> Asker {
        Asker {
            peer: history.last().cloned().unwrap_or_default(),
            ..self
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

pub(super) fn asked(asker: &Asker, digest: &str, wanted: Wanted, what: What) -> FetchAsked {
    FetchAsked {
        name: wanted.name,
        size: wanted.size,
        digest: digest.to_owned(),
        from: asker.address,
        peer: asker.peer.clone(),
        what,
    }
}

/// Whether one of the names may be had.
pub(super) fn any_allowed(
    policy: &Policy,
    asker: &Asker,
    digest: &str,
    names: Vec<Wanted>,
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

/// The hits that were allowed, and why a decision failed if one did.
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
