//! The files that a peer shares.

use std::time::Duration;

use node_api::share::ShareFile;
use node_wire::{Digest, name::ShareName, peer_url::PeerUrl};
use serde::Deserialize;

use crate::{
    client::{CallError, Client, Destination},
    clock::now,
};

/// The part that is read of an answer to `GET /search`.
#[derive(Deserialize)]
struct Listed {
    hits: Vec<ShareFile>,
}

/// Longest time for an answer.
const TIME: Duration = Duration::from_secs(8);

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

/// Asks a peer that the owner named for the files that it shares, at most `limit`. Leaves out a hit whose
/// name is not valid in a share.
///
/// # Errors
/// Errors if the peer does not answer, or not as a Sixhop node.
pub async fn peer_files(
    client: &Client,
    peer: &PeerUrl,
    limit: usize,
) -> Result<Vec<ShareFile>, PeerFilesError> {
    let query = format!("q=name%3A**&limit={limit}");
    let answer = client
        .search(&Destination::of_owner(peer.clone()), query, now() + TIME)
        .await;
    let answer = answer.map_err(|error| PeerFilesError::Call {
        peer: peer.clone(),
        error,
    })?;
    let Listed { hits: mut files } = serde_json::from_slice(&answer)
        .map_err(|_| PeerFilesError::Answer { peer: peer.clone() })?;
    files.retain(|file| ShareName::parse(&file.name).is_ok());
    files.truncate(limit);
    for file in &mut files {
        // What a peer calls a digest may be anything.
        file.digest = file
            .digest
            .take()
            .filter(|digest| Digest::from_hex(digest).is_ok());
    }
    Ok(files)
}
