//! The files that a peer shares.

use std::time::Duration;

use node_api::share::ShareFile;
use node_wire::{
    Find, FindHit, FindWanted, limits::FIND_HITS_MAX, name::ShareName, peer_url::PeerUrl,
};
use tokio::time::sleep;

use crate::{
    client::{CallError, Client, Destination},
    clock::now,
};

/// Longest time for one page.
const TIME: Duration = Duration::from_secs(8);

/// Most pages that are asked for: names that are not valid do not count as files.
const PAGES_MAX: usize = 64;

/// Most times that a page of a busy peer is asked for.
const TRIES: usize = 4;

/// Longest wait for a busy peer.
const BUSY: Duration = Duration::from_secs(4);

/// All names.
const EVERYTHING: &str = "name:**";

/// The reason why the files of a peer are not known.
#[derive(Debug, thiserror::Error)]
pub enum PeerFilesError {
    /// It did not answer.
    #[error("{peer} does not tell its files: {error}")]
    Call {
        /// The peer.
        peer: PeerUrl,
        /// The error of the call.
        #[source]
        error: CallError,
    },
    /// It answered something else.
    #[error(
        "{peer} does not tell its files: its answer is none; a peer of another kind cannot be listed"
    )]
    Answer {
        /// The peer.
        peer: PeerUrl,
    },
}

/// The files of a peer that are wanted.
#[derive(Clone, Debug)]
pub struct PeerFilesWanted {
    /// Only the file of this name, or those of the folder of this name.
    pub folder: Option<ShareName>,
    /// Only names behind this one, in the order of their bytes.
    pub after: Option<String>,
    /// Most files.
    pub limit: usize,
}

/// Asks a peer that the owner named for the files that it shares, in the order of their names. Fewer than the limit
/// are all of them. Leaves out a hit whose name is not valid in a share.
///
/// # Errors
/// Errors if the peer does not answer, or not as a Sixhop node.
pub async fn peer_files(
    client: &Client,
    peer: &PeerUrl,
    wanted: PeerFilesWanted,
) -> Result<Vec<ShareFile>, PeerFilesError> {
    let mut pages = Pages {
        client,
        peer: Destination::of_owner(peer.clone()),
        url: peer,
    };
    let PeerFilesWanted {
        folder,
        mut after,
        limit,
    } = wanted;
    let mut files = Vec::new();
    if let Some(name) = &folder
        && after.is_none()
    {
        let exact = pages
            .ask(FindWanted::Name(name.to_string()), None, 1)
            .await?;
        files.extend(exact.0.into_iter().filter(|hit| hit.name == name.as_str()));
    }
    // Names are sorted: what is in a folder stands together, behind the name of the folder.
    let inside = folder.map_or(String::new(), |name| format!("{name}/"));
    if after.as_ref().is_none_or(|after| *after < inside) && !inside.is_empty() {
        after = Some(inside.clone());
    }
    for _ in 0..PAGES_MAX {
        let most = limit.saturating_sub(files.len()).min(FIND_HITS_MAX);
        if most == 0 {
            return Ok(shared(files));
        }
        let everything = FindWanted::Query(EVERYTHING.to_owned());
        let (hits, more) = pages.ask(everything, after.clone(), most).await?;
        let all = hits.len();
        let hits: Vec<_> = hits
            .into_iter()
            .take_while(|hit| hit.name.starts_with(&inside))
            .collect();
        let is_end = hits.len() < all || !more || all == 0;
        after = hits.last().map(|hit| hit.name.clone());
        let valid = |hit: &FindHit| ShareName::parse(&hit.name).is_ok();
        files.extend(hits.into_iter().filter(valid));
        if is_end {
            return Ok(shared(files));
        }
    }
    Err(PeerFilesError::Answer { peer: peer.clone() })
}

/// The pages of one peer.
struct Pages<'a> {
    client: &'a Client,
    peer: Destination,
    url: &'a PeerUrl,
}

impl Pages<'_> {
    /// Asks for one page, again while the peer is busy. Returns its hits, and whether there are more.
    ///
    /// # Errors
    /// Errors if the peer does not answer, or if its hits are not behind `after` and in the order of their names.
    async fn ask(
        &mut self,
        wanted: FindWanted,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<FindHit>, bool), PeerFilesError> {
        let find = Find {
            wanted,
            after,
            limit,
            deadline: None,
            through: None,
        };
        let mut tries = 1;
        let found = loop {
            match self.client.find(&self.peer, &find, now() + TIME).await {
                Ok(answered) => break answered.value,
                Err(CallError::Busy(wait)) if tries < TRIES => {
                    tries += 1;
                    sleep(wait.min(BUSY)).await;
                }
                Err(CallError::Unknown(_)) => return Err(self.no_answer()),
                Err(error) => {
                    let peer = self.url.clone();
                    return Err(PeerFilesError::Call { peer, error });
                }
            }
        };
        let mut last = find.after.as_deref();
        for hit in &found.hits {
            if last.is_some_and(|last| *hit.name <= *last) {
                return Err(self.no_answer());
            }
            last = Some(&hit.name);
        }
        Ok((found.hits, found.more))
    }

    fn no_answer(&self) -> PeerFilesError {
        PeerFilesError::Answer {
            peer: self.url.clone(),
        }
    }
}

fn shared(files: Vec<FindHit>) -> Vec<ShareFile> {
    let shared = |hit: FindHit| ShareFile {
        name: hit.name,
        size: hit.size,
        modified: hit.modified,
        digest: hit.digest.map(|digest| digest.to_hex()),
    };
    files.into_iter().map(shared).collect()
}
