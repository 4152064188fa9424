//! A file that a peer is sending as the answer to `query`.
//!
//! The first part is read before the answer begins. If the file ends there, it
//! is known to be whole, and until then the next peer can take over. After
//! that, a peer that breaks off breaks off our answer too. What comes whole is
//! kept in the cache, beside its way.

use std::{io, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use node_wire::{
    Budget, ShareName, Value, content::QueryAnswerWriter, dialect::Dialect, fault::MissReason,
};

use super::{Context, answer, local, policy::FetchPermit, tee::Tee};
use crate::{
    client::{CallError, RemoteFile},
    counters::Counters,
    overlay::Walk,
};

/// Bytes that are read before the answer begins.
const BEGINNING: usize = 128 * 1024;

/// Nobody sends the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Miss {
    /// Why.
    pub(super) reason: MissReason,
    /// What was not needed of the budget.
    pub(super) budget_left: Budget,
}

/// A file that a peer is sending, with its beginning.
#[derive(Debug)]
pub(super) struct RelayedFile {
    remote: RemoteFile,
    beginning: Bytes,
    whole: bool,
    tee: Tee,
    /// The walk stays open as long as the file is on its way.
    _walk: Walk,
}

struct Relaying {
    file: RelayedFile,
    writer: QueryAnswerWriter,
    head: Vec<u8>,
    counters: Arc<Counters>,
}

impl RelayedFile {
    /// Walks until a peer sends the beginning of the file `name`.
    pub(super) async fn find(
        context: &Arc<Context>,
        name: &ShareName,
        mut walk: Walk,
        _permit: &FetchPermit,
    ) -> Result<RelayedFile, Miss> {
        while let Some(mut remote) = walk.next().await {
            match beginning(&mut remote).await {
                Ok((beginning, whole)) => {
                    let beginning = Bytes::from(beginning);
                    let mut tee = Tee::begin(context, name);
                    tee.push(beginning.clone()).await;
                    if whole {
                        tee.finish().await;
                    }
                    return Ok(RelayedFile {
                        remote,
                        beginning,
                        whole,
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

    /// The content as a value, if it is small.
    pub(super) fn into_value(self) -> Option<Value> {
        self.whole
            .then(|| local::value(self.remote.payload(), self.beginning.into()))
    }

    /// The answer that carries it.
    pub(super) fn response(mut self, context: &Arc<Context>, dialect: Dialect) -> Response {
        context.counters.files_served.one();
        context
            .counters
            .bytes_served
            .add(self.beginning.len() as u64);
        let (mut writer, mut head) = answer::writer(dialect, self.remote.payload());
        writer.push(&std::mem::take(&mut self.beginning), &mut head);
        if self.whole {
            writer.finish(&mut head);
            return answer::xml(head);
        }
        let relaying = Relaying {
            file: self,
            writer,
            head,
            counters: Arc::clone(&context.counters),
        };
        answer::xml(Body::from_stream(stream::try_unfold(Some(relaying), relay)))
    }
}

async fn beginning(remote: &mut RemoteFile) -> Result<(Vec<u8>, bool), CallError> {
    let mut bytes = Vec::new();
    while bytes.len() < BEGINNING {
        match remote.next().await? {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return Ok((bytes, true)),
        }
    }
    Ok((bytes, false))
}

async fn relay(relaying: Option<Relaying>) -> io::Result<Option<(Bytes, Option<Relaying>)>> {
    let Some(mut relaying) = relaying else {
        return Ok(None);
    };
    let mut out = std::mem::take(&mut relaying.head);
    match relaying
        .file
        .remote
        .next()
        .await
        .map_err(io::Error::other)?
    {
        Some(piece) => {
            relaying.writer.push(&piece, &mut out);
            relaying.file.tee.push(piece.clone()).await;
            relaying.counters.bytes_served.add(piece.len() as u64);
            Ok(Some((out.into(), Some(relaying))))
        }
        None => {
            relaying.file.tee.finish().await;
            relaying.writer.finish(&mut out);
            Ok(Some((out.into(), None)))
        }
    }
}
