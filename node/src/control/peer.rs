//! Namespace `peer`.

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    peer::{Group, Peer, PeerDialect, PeerKind, PeerPath, PeerSource, PeerState, PeersServer},
    share::{LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, ShareFile},
};
use node_base::events::unix_millis;
use node_core::{browse::PeerFilesWanted, groups::GroupError};
use node_overlay::{Added, KnownFrom, Meeting, Overlay, PEERS_MAX, PeerEntry};
use node_wire::{
    AddressError, Dialect, NodeId, PeerAddress, PeerUrl, ShareName, escaped,
    peer_url::without_user, scope::Scope,
};

use super::{Owner, bad_name};

#[async_trait]
impl PeersServer for Owner {
    async fn list(&self) -> RpcResult<Vec<Peer>> {
        let peers = self.node.overlay().list();
        let overlay = self.node.overlay();
        let peers = peers.iter();
        Ok(peers.map(|peer| describe(peer, overlay)).collect())
    }

    async fn add(&self, url: String) -> RpcResult<Peer> {
        let overlay = self.node.overlay();
        let (id, places) = match parse_address(&url)? {
            PeerAddress::Url(url) => (None, vec![url]),
            PeerAddress::Node(node) => (Some(node.id), node.at),
        };
        let mut met = None;
        for url in &places {
            add(overlay, url, id)?;
        }
        // Whether it answered is in the entry. One place of a node that answers is enough.
        for url in &places {
            match overlay.introduce(url).await {
                Ok(Meeting::Ourselves) => return Err(ourselves(url).into()),
                Ok(Meeting::Known(known)) => met = Some(known),
                Ok(Meeting::Met) => met = Some(url.clone()),
                Err(_) => continue,
            }
            break;
        }
        let first = places.into_iter().next();
        let has_answered = met.is_some();
        let url = met.or(first).ok_or_else(|| no_place(&url))?;
        overlay.look_into(&url).await;
        // A node that is known under another URL has one entry, whoever met it first.
        let id = overlay.id_at(&url).filter(|_| has_answered);
        let list = overlay.list();
        let is_it = |entry: &&PeerEntry| entry.id.is_some() && entry.id == id;
        let entry = list.iter().find(|entry| entry.url.same_peer(&url));
        let entry = entry.or_else(|| list.iter().find(is_it)).cloned();
        let gone = || ApiError::new(ErrorCode::NotFound, format!("{url} was removed meanwhile"));
        let entry = entry.ok_or_else(gone)?;
        let mut peer = describe(&entry, overlay);
        let own = overlay
            .own_urls()
            .towards(entry.address.or_else(|| entry.url.ip()));
        let mut notice = too_near(&own, &entry.url);
        if notice.is_none() && peer.state == PeerState::Up {
            notice = overlay.called_back_by(&url).await;
        }
        peer.notice = notice.or(peer.notice);
        Ok(peer)
    }

    async fn remove(&self, url: String) -> RpcResult<bool> {
        Ok(self.node.remove_peer(&parse(&url)?))
    }

    async fn groups(&self) -> RpcResult<Vec<Group>> {
        let groups = self.node.groups().into_iter();
        Ok(groups.map(|(name, ids)| group(name, &ids)).collect())
    }

    async fn group_add(&self, name: String, nodes: Vec<String>) -> RpcResult<Group> {
        let ids = self.ids_of(&nodes)?;
        let added = self.node.add_to_group(&name, &ids).await;
        added.map_err(|error| not_grouped(&error))?;
        let mut groups = self.node.groups().into_iter();
        let now = groups.find(|(other, _)| *other == name);
        Ok(now.map_or_else(|| group(name, &[]), |(name, ids)| group(name, &ids)))
    }

    async fn group_remove(&self, name: String, nodes: Option<Vec<String>>) -> RpcResult<bool> {
        let ids = self.ids_of(nodes.as_deref().unwrap_or_default())?;
        if nodes.is_some() && ids.is_empty() {
            return Ok(false);
        }
        let removed = self.node.remove_from_group(&name, &ids).await;
        Ok(removed.map_err(|error| not_grouped(&error))?)
    }

    async fn files(
        &self,
        url: String,
        limit: Option<u32>,
        folder: Option<String>,
        after: Option<String>,
    ) -> RpcResult<Vec<ShareFile>> {
        let folder = folder.filter(|folder| !folder.is_empty());
        let parsed = folder.map(|name| ShareName::parse(&name).map_err(|e| bad_name(&name, &e)));
        let wanted = PeerFilesWanted {
            folder: parsed.transpose()?,
            after,
            limit: limit.unwrap_or(LIST_LIMIT_DEFAULT).min(LIST_LIMIT_MAX) as usize,
        };
        let files = self.node.peer_files(&parse(&url)?, wanted).await;
        files.map_err(|error| ApiError::new(ErrorCode::Network, error.to_string()).into())
    }
}

impl Owner {
    /// Returns the ids of nodes that the owner names.
    fn ids_of(&self, nodes: &[String]) -> Result<Vec<NodeId>, ApiError> {
        nodes.iter().map(|node| self.id_of(node)).collect()
    }

    /// Returns the id of a node that the owner names by its id, an address, or the URL of a peer.
    fn id_of(&self, node: &str) -> Result<NodeId, ApiError> {
        if let Ok(id) = node.parse() {
            return Ok(id);
        }
        let url = match parse_address(node)? {
            PeerAddress::Node(address) => return Ok(address.id),
            PeerAddress::Url(url) => url,
        };
        let list = self.node.overlay().list();
        let entry = list.iter().find(|entry| entry.url.same_peer(&url));
        entry.and_then(|entry| entry.id).ok_or_else(|| {
            let text =
                format!("the id of {url} is not known; `ctl peers --json` shows those that are");
            ApiError::new(ErrorCode::NotFound, text)
        })
    }
}

fn group(name: String, ids: &[NodeId]) -> Group {
    Group {
        name,
        ids: ids.iter().map(ToString::to_string).collect(),
    }
}

fn not_grouped(error: &GroupError) -> ApiError {
    let code = match error {
        GroupError::Name(_) => ErrorCode::Usage,
        GroupError::Groups | GroupError::Members(_) => ErrorCode::NoSpace,
        GroupError::State(_) | GroupError::Disk => ErrorCode::Failed,
    };
    ApiError::new(code, error.to_string())
}

/// The notice for a Sixhop node that is spoken to in clear.
const IN_CLEAR: &str =
    "it is spoken to in clear; say `ctl hello` with the address that `ctl invite` prints there";

/// Returns the notice for a peer that is further away than the address `own`, which this node gives to it.
fn too_near(own: &PeerUrl, peer: &PeerUrl) -> Option<String> {
    (Scope::of_host(own) < Scope::of_host(peer)).then(|| {
        format!(
            "{peer} cannot call this node back at {own}, which is nearer than it is; {}",
            super::node::REACH_CURE
        )
    })
}

fn add(overlay: &Overlay, url: &PeerUrl, id: Option<NodeId>) -> Result<(), ApiError> {
    match overlay.add_as(url, id, KnownFrom::Owner) {
        Added::New | Added::Known => Ok(()),
        Added::Ourselves => Err(ourselves(url)),
        Added::Full | Added::Crowded | Added::Removed => {
            let text = format!(
                "{url} is not added: the table of peers is full ({PEERS_MAX}); remove one first"
            );
            Err(ApiError::new(ErrorCode::NoSpace, text))
        }
    }
}

fn no_place(text: &str) -> ApiError {
    no_peer(text, &AddressError::NoPlace)
}

fn no_peer(text: &str, error: &AddressError) -> ApiError {
    ApiError::new(
        ErrorCode::Usage,
        format!(
            "`{}` is no URL of a peer: {error}",
            escaped(&without_user(text))
        ),
    )
}

fn parse_address(text: &str) -> Result<PeerAddress, ApiError> {
    PeerAddress::from_person(text).map_err(|error| no_peer(text, &error))
}

fn ourselves(url: &PeerUrl) -> ApiError {
    ApiError::new(ErrorCode::Usage, format!("{url} is this node itself"))
}

fn parse(text: &str) -> Result<PeerUrl, ApiError> {
    PeerUrl::from_person(text).map_err(|error| no_peer(text, &error.into()))
}

/// Returns whether a peer answers.
pub(super) fn state(entry: &PeerEntry) -> PeerState {
    match (&entry.last_error, entry.last_answer) {
        (Some(_), _) => PeerState::Failing,
        (None, Some(_)) => PeerState::Up,
        (None, None) => PeerState::New,
    }
}

fn describe(entry: &PeerEntry, overlay: &Overlay) -> Peer {
    let path = overlay.path_to(&entry.url);
    Peer {
        url: entry.url.as_str().to_owned(),
        name: entry.name.as_ref().map(ToString::to_string),
        id: entry.id.map(|id| id.to_string()),
        path: match path {
            node_transport::PeerPath::Plain => PeerPath::Plain,
            node_transport::PeerPath::Tls => PeerPath::Tls,
        },
        dialect: match entry.dialect {
            None => PeerDialect::Unknown,
            Some(Dialect::Faults) => PeerDialect::Faults,
            Some(Dialect::Codes) => PeerDialect::Codes,
        },
        kind: match entry.kind {
            None => PeerKind::Unknown,
            Some(node_transport::PeerKind::Sixhop) => PeerKind::Sixhop,
            Some(node_transport::PeerKind::Book) => PeerKind::Chapter,
        },
        state: state(entry),
        source: match entry.source {
            KnownFrom::Settings => PeerSource::Settings,
            KnownFrom::Saved => PeerSource::Saved,
            KnownFrom::Owner => PeerSource::Owner,
            KnownFrom::Hello => PeerSource::Hello,
            KnownFrom::Exchange => PeerSource::Exchange,
            KnownFrom::Lan => PeerSource::Lan,
            KnownFrom::Dht => PeerSource::Dht,
            KnownFrom::Lost => PeerSource::Lost,
        },
        failures: entry.failures,
        last_answer: entry.last_answer.map(unix_millis),
        latency: entry
            .latency
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        rate: overlay.client().speeds().of(&entry.url),
        last_error: entry.last_error.clone(),
        notice: is_in_clear(entry, path).then(|| IN_CLEAR.to_owned()),
    }
}

/// Returns true for a Sixhop node that is not spoken to over TLS: it is old, or somebody on the path hides that it speaks
/// that.
pub(super) fn is_in_clear(entry: &PeerEntry, path: node_transport::PeerPath) -> bool {
    let is_sixhop = entry.kind == Some(node_transport::PeerKind::Sixhop) && entry.id.is_some();
    is_sixhop && path == node_transport::PeerPath::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_beyond_our_address_is_said_to_be_out_of_reach() {
        let url = |text: &str| PeerUrl::parse(text).unwrap();
        for (own, peer) in [
            ("http://127.0.0.1:4242/", "http://192.168.1.6:4242/"),
            ("http://127.0.0.1:4242/", "http://198.51.100.7:4242/"),
            ("http://192.168.1.5:4242/", "http://198.51.100.7:4242/"),
            ("http://[::1]:4242/", "http://nas.local:4242/"),
        ] {
            let notice = too_near(&url(own), &url(peer)).unwrap_or_default();
            for part in [own, peer, "--listen", "--url"] {
                assert!(notice.contains(part), "{part}: {notice}");
            }
        }
        for (own, peer) in [
            ("http://127.0.0.1:4242/", "http://127.0.0.1:4343/"),
            ("http://192.168.1.5:4242/", "http://192.168.1.6:4242/"),
            ("http://198.51.100.7:4242/", "http://192.168.1.6:4242/"),
        ] {
            assert_eq!(too_near(&url(own), &url(peer)), None, "{own} {peer}");
        }
    }
}
