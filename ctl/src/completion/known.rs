//! Names, peers and fetches of the node, for completions.

use std::{collections::BTreeSet, time::Duration};

use node_api::share::ShareFile;
use tokio::{runtime::Handle, time::timeout};

use crate::{commands::Context, connection::Connection, error::CtlError};

/// Longest time in which the node may be asked.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Most peers that are asked for their files.
const PEERS_ASKED: usize = 8;

/// Most files of one peer that are looked at.
const FILES_OF_PEER: usize = 10_000;

/// The part of the node's knowledge that is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ValueKind {
    Here,
    Peers,
    HereAndPeers,
    AtPeers,
    Fetches,
    All,
}

/// The node's knowledge when it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Names of its own files.
    pub(crate) here: Vec<String>,
    /// Names of the files of its peers.
    pub(crate) at_peers: Vec<String>,
    /// URLs of its peers.
    pub(crate) peers: Vec<String>,
    /// Numbers and names of its fetches.
    pub(crate) fetches: Vec<(u64, String)>,
}

impl ValueKind {
    fn is(self, one: ValueKind) -> bool {
        self == one || self == ValueKind::All
    }
}

/// Asks the owner's node. What did not come in time is left out.
pub(crate) fn ask(context: &Context, runtime: &Handle, wanted: ValueKind) -> Known {
    let mut known = Known::default();
    if let Ok(node) = context.connect() {
        // The timer needs the runtime, of which this thread may not be.
        let asking = async { timeout(LONGEST_WAIT, gather(&node, wanted, &mut known)).await };
        let _ = runtime.block_on(asking);
    }
    known
}

async fn gather(node: &Connection, wanted: ValueKind, known: &mut Known) -> Result<(), CtlError> {
    if wanted.is(ValueKind::Fetches) {
        let fetches = node.transfers().await?.into_iter();
        known.fetches = fetches.map(|fetch| (fetch.id, fetch.name)).collect();
        let batches = node.batches().await?.into_iter();
        known
            .fetches
            .extend(batches.map(|batch| (batch.id, batch.query)));
    }
    if wanted.is(ValueKind::Here) || wanted == ValueKind::HereAndPeers {
        known.here = names(node.files(None).await?.files);
    }
    if !matches!(wanted, ValueKind::Here | ValueKind::Fetches) {
        let peers = node.peers().await?;
        known.peers = peers.into_iter().map(|peer| peer.url).collect();
    }
    if wanted.is(ValueKind::AtPeers) {
        for peer in known.peers.iter().take(PEERS_ASKED) {
            if let Ok(listing) = node.files_of_peer(peer, None, FILES_OF_PEER).await {
                known.at_peers.extend(names(listing.files));
            }
        }
        known.at_peers.sort();
        known.at_peers.dedup();
    }
    Ok(())
}

fn names(files: Vec<ShareFile>) -> Vec<String> {
    files.into_iter().map(|file| file.name).collect()
}

impl Known {
    /// Returns the arguments of `ls`: peers, folders and files.
    pub(super) fn listable(self) -> Vec<String> {
        let peers = self.peers.clone();
        peers.into_iter().chain(self.here_with_folders()).collect()
    }

    /// The files of the node and of its peers, each once.
    pub(super) fn files(self) -> Vec<String> {
        let files: BTreeSet<String> = self.here.into_iter().chain(self.at_peers).collect();
        files.into_iter().collect()
    }

    /// The files of the node, behind their folders.
    pub(super) fn here_with_folders(self) -> Vec<String> {
        folders(&self.here).into_iter().chain(self.here).collect()
    }

    /// The folders of the peers.
    pub(super) fn folders_at_peers(&self) -> Vec<String> {
        folders(&self.at_peers)
    }
}

/// The folders in which these files are, each once.
fn folders(names: &[String]) -> Vec<String> {
    let ends = |name: &String| -> Vec<String> {
        let slashes = name.match_indices('/');
        slashes.map(|(at, _)| name[..=at].to_owned()).collect()
    };
    let folders: BTreeSet<String> = names.iter().flat_map(ends).collect();
    folders.into_iter().collect()
}
