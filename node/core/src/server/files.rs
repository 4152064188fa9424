//! `GET /files/NAME`: a file of the share, whole or in part.
//!
//! Its `ETag` is its digest. A short file is read for it at once; a long one
//! whose digest is not known yet is answered without it, while the background
//! computes it.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use node_wire::name::ShareName;

use super::{
    Context,
    content::Content,
    front::Remote,
    policy::{Asker, FetchPermit, FileAsked},
    raw::{self, Asking, Representation},
};
use crate::share::{Known, ShareError};

/// Longest file that is read for its digest before it is answered, in bytes.
const READ_AT_ONCE: u64 = 16 << 20;

/// Times that a file is opened: one that has other bytes than its digest says is read
/// again.
pub(super) const ATTEMPTS: usize = 3;

/// Answers `GET` and `HEAD`.
pub(super) async fn file(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    Extension(remote): Extension<Remote>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(name)) = name else {
        return refused(StatusCode::BAD_REQUEST);
    };
    let name = match ShareName::parse(&name) {
        Ok(name) => name,
        Err(error) if error.leaves_share() => return refused(StatusCode::FORBIDDEN),
        Err(_) => return refused(StatusCode::NOT_FOUND),
    };
    let Some(permit) = permit(&context, remote, &name).await else {
        return refused(StatusCode::NOT_FOUND);
    };
    let asking = Asking {
        method: &method,
        headers: &headers,
        remote,
    };
    for _ in 0..ATTEMPTS {
        let representation = match open(&context, name.clone()).await {
            Ok(representation) => representation,
            Err(ShareError::NotFound(_)) => return refused(StatusCode::NOT_FOUND),
            Err(error) => {
                tracing::warn!(%error, "a shared file cannot be read");
                return refused(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        let answer = raw::respond(&context, representation, &permit, &asking).await;
        if let Ok(response) = answer {
            return response;
        }
    }
    tracing::warn!(%name, "a shared file changes faster than it is read");
    refused(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Asks the policy. A file that is not there needs no permit, but gets none.
async fn permit(context: &Arc<Context>, remote: Remote, name: &ShareName) -> Option<FetchPermit> {
    let size = if context.policy.guards_fetch() {
        let (reader, name) = (Arc::clone(context), name.clone());
        let stamp = context.disk.run(move || reader.share.stamp(&name)).await;
        Some(stamp.ok()?.ok()?.size)
    } else {
        None
    };
    let wanted = FileAsked {
        name: name.as_str().to_owned(),
        size,
    };
    let asker = Asker::at(remote);
    context.policy.fetch(&asker, None, vec![wanted]).await
}

/// Opens a file of the share, whoever asked for it.
///
/// # Errors
/// Errors if it is not there or cannot be read.
pub(super) async fn open(
    context: &Arc<Context>,
    name: ShareName,
) -> Result<Representation, ShareError> {
    let (opener, wanted) = (Arc::clone(context), name.clone());
    let job = move || {
        let known = digest(&opener, &wanted)?;
        let known = known.and_then(|known| {
            let blob = opener.digests.open_known(&wanted, &known)?;
            Some((
                known,
                Content::of_shared_blob(blob, opener.uploads.memory()).ok()?,
            ))
        });
        let (content, stamp, digest) = match known {
            Some((known, content)) => (content, known.stamp, Some(known.digest)),
            None => {
                let file = opener.share.read(&wanted)?;
                let stamp = file.stamp;
                let content = Content::of_file(file, opener.uploads.memory());
                let content = content.map_err(|error| ShareError::of(&wanted, error))?;
                (content, stamp, None)
            }
        };
        Ok(Representation {
            content,
            size: stamp.size,
            tag: digest.map(|digest| digest.to_string()),
            about: opener.share.about(&wanted).unwrap_or_default().into(),
            file: Some((wanted, stamp.modified())),
        })
    };
    let opened = context.disk.run(job).await;
    opened.unwrap_or_else(|error| Err(ShareError::of(&name, error.into())))
}

fn digest(context: &Context, name: &ShareName) -> Result<Option<Known>, ShareError> {
    if let Some(known) = context.digests.known(name) {
        return Ok(Some(known));
    }
    if context.share.stamp(name)?.size > READ_AT_ONCE {
        context.digests.read_soon(name);
        return Ok(None);
    }
    match context.digests.of(name) {
        Ok(known) => Ok(Some(known)),
        Err(ShareError::Changed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn refused(status: StatusCode) -> Response {
    let text = match status {
        StatusCode::FORBIDDEN => "this name is outside the share\n",
        StatusCode::NOT_FOUND => "there is no such file in the share\n",
        StatusCode::BAD_REQUEST => "the name is not UTF-8\n",
        _ => "the file cannot be read\n",
    };
    (status, text).into_response()
}
