//! A file that a peer is sending as the answer to `query`.
//!
//! The first part is read before the answer begins. If the file ends there, it
//! is known to be whole, and until then the next peer can take over. After
//! that, a peer that breaks off breaks off our answer too. What comes whole is
//! kept in the cache, beside its way.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use node_wire::{About, AnswerRate, Budget, ShareName, content::Payload, fault::MissReason};
use tokio::time::timeout_at;

use super::{Context, content::taken, policy::FetchPermit, tee::Tee, upload::Room};
use crate::{
    client::{CallError, RemoteFile},
    clock::now,
    overlay::Walk,
};

/// Most bytes that are read before the answer begins.
const BEGINNING: usize = 128 * 1024;

/// Longest time in which they are read; the answer begins with fewer then. Who
/// asks may wait ten seconds for the head of an answer.
const BEGINNING_TIME: Duration = Duration::from_secs(2);

/// The miss of a relay: nobody sends the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Miss {
    /// The reason.
    pub(super) reason: MissReason,
    /// The part of the budget that was not needed.
    pub(super) budget_left: Budget,
}

/// A file that a peer is sending.
#[derive(Debug)]
pub(super) struct Relay {
    remote: RemoteFile,
    /// Bytes that were read and not taken yet.
    ahead: Bytes,
    is_over: bool,
    tee: Tee,
    /// The walk stays open as long as the file is on its way.
    _walk: Walk,
}

impl Relay {
    /// Walks until a peer sends the beginning of the file `name`.
    pub(super) async fn find(
        context: &Arc<Context>,
        name: &ShareName,
        mut walk: Walk,
        _permit: &FetchPermit,
    ) -> Result<Relay, Miss> {
        while let Some(mut remote) = walk.next().await {
            let enough = BEGINNING.min(context.uploads.memory().chunk());
            match beginning(&mut remote, enough).await {
                Ok((beginning, is_over)) => {
                    let ahead = context.uploads.memory().hold(beginning);
                    let mut tee = Tee::begin(context, name);
                    tee.push(ahead.clone()).await;
                    if is_over {
                        tee.finish().await;
                    }
                    return Ok(Relay {
                        remote,
                        ahead,
                        is_over,
                        tee,
                        _walk: walk,
                    });
                }
                Err(error) => walk.broke_off(&remote, &error),
            }
        }
        Err(Miss {
            reason: walk.verdict(),
            budget_left: walk.budget_left(),
        })
    }

    /// Returns how the file travels.
    pub(super) fn payload(&self) -> Payload {
        self.remote.payload()
    }

    /// Returns how fast the peer says that it sends, if it limits its uploads.
    pub(super) fn rate(&self) -> Option<AnswerRate> {
        self.remote.rate()
    }

    /// Returns the metadata of the file by the word of the peer.
    pub(super) fn about(&self) -> About {
        self.remote.about
    }

    /// Returns all of a short file that has come whole.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        self.is_over.then(|| std::mem::take(&mut self.ahead))
    }

    /// Returns the next bytes, as many as there is room for, or `None` after the last one.
    pub(super) async fn next(&mut self, room: Room) -> io::Result<Option<Bytes>> {
        let most = room.size();
        while self.ahead.is_empty() && !self.is_over {
            match self.remote.next().await.map_err(io::Error::other)? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    self.tee.push(piece.clone()).await;
                    self.ahead = room.hold(piece);
                    break;
                }
                None => {
                    self.is_over = true;
                    self.tee.finish().await;
                }
            }
        }
        Ok(taken(&mut self.ahead, most))
    }
}

/// Reads about `enough` bytes of the beginning of a file, and says whether they are all of it.
async fn beginning(remote: &mut RemoteFile, enough: usize) -> Result<(Vec<u8>, bool), CallError> {
    let mut bytes = Vec::new();
    let deadline = now() + BEGINNING_TIME;
    while bytes.len() < enough {
        let next = if bytes.is_empty() {
            remote.next().await
        } else {
            match timeout_at(deadline.into(), remote.next()).await {
                Ok(next) => next,
                Err(_) => return Ok((bytes, false)),
            }
        };
        match next? {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return Ok((bytes, true)),
        }
    }
    Ok((bytes, false))
}
