//! `GET /blobs/DIGEST`: content by its digest, and `GET /blobs/DIGEST/tree`:
//! the values that check its pieces. From the share, else from the cache.

use std::{str::FromStr, sync::Arc};

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::{About, Digest};

use super::{
    Context,
    content::Content,
    front::Remote,
    passing,
    policy::{Asker, FetchPermit, FileAsked, NAMES_MAX},
    raw::{self, Asking, Representation},
    upload::{Encoder, Upload},
};

/// Places that are tried: content may be under several names and in the cache.
pub(super) const PLACES_MAX: usize = 4;

/// Answers `GET` and `HEAD` of content.
pub(super) async fn blob(
    State(context): State<Arc<Context>>,
    Path(digest): Path<String>,
    Extension(remote): Extension<Remote>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(digest) = Digest::from_str(&digest) else {
        return malformed();
    };
    let asking = Asking {
        method: &method,
        headers: &headers,
        remote,
    };
    if let Some(passed) = passing::blob(&context, digest, &asking).await {
        return passed;
    }
    let Some(permit) = permit(&context, remote, digest).await else {
        return absent();
    };
    for _ in 0..PLACES_MAX {
        let finder = Arc::clone(&context);
        let job = move || Some((find(&finder, &digest)?, about(&finder, &digest)));
        let Ok(Some(((content, size), about))) = context.disk.run(job).await else {
            return absent();
        };
        let representation = Representation {
            content,
            size,
            tag: Some(digest.to_string()),
            file: None,
            about,
        };
        let answer = raw::respond(&context, representation, &permit, &asking).await;
        if let Ok(response) = answer {
            return response;
        }
        // It is not there any more, and is looked for elsewhere.
    }
    absent()
}

/// Answers `GET` and `HEAD` of the tree of content.
pub(super) async fn tree(
    State(context): State<Arc<Context>>,
    Path(digest): Path<String>,
    Extension(remote): Extension<Remote>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(digest) = Digest::from_str(&digest) else {
        return malformed();
    };
    let asking = Asking {
        method: &method,
        headers: &headers,
        remote,
    };
    if let Some(passed) = passing::tree(&context, digest, &asking).await {
        return passed;
    }
    let Some(permit) = permit(&context, remote, digest).await else {
        return absent();
    };
    let finder = Arc::clone(&context);
    let found = context
        .disk
        .run(move || find_tree(&finder, digest, &permit));
    let Ok(Some(tree)) = found.await else {
        return absent();
    };
    let Ok(upload) = context.uploads.begin(remote, tree.length()).await else {
        return raw::busy();
    };
    tree_answer(upload, tree).await
}

/// Answers with the tree of content.
pub(super) async fn tree_answer(upload: Upload, tree: Content) -> Response {
    let length = tree.length();
    let mut response = upload.body(tree, Encoder::Raw).await.into_response();
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(length) = length {
        let length = HeaderValue::from(length);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    response
}

/// Asks the policy about all names of the content: one that may be given is
/// enough.
pub(super) async fn permit(
    context: &Arc<Context>,
    remote: Remote,
    digest: Digest,
) -> Option<FetchPermit> {
    let names = if context.policy.guards_fetch() {
        let reader = Arc::clone(context);
        let named = context.disk.run(move || names(&reader, &digest)).await;
        named.ok()?
    } else {
        Vec::new()
    };
    let asker = Asker::at(remote);
    context
        .policy
        .fetch(&asker, Some(digest.to_hex()), names)
        .await
}

fn names(context: &Context, digest: &Digest) -> Vec<FileAsked> {
    let mut names = shared_names(context, digest);
    if names.is_empty() {
        let size = context.cache.size_of(digest);
        names.extend(size.map(|size| FileAsked {
            name: String::new(),
            size: Some(size),
        }));
    }
    names
}

/// Returns the names that the content has in the share, as far as the policy is asked about
/// them. Blocks.
pub(super) fn shared_names(context: &Context, digest: &Digest) -> Vec<FileAsked> {
    let shared = context.digests.all_named(digest, NAMES_MAX).into_iter();
    shared
        .map(|(name, size)| FileAsked {
            name: name.as_str().to_owned(),
            size: Some(size),
        })
        .collect()
}

/// Returns whether the content is in the share or in the cache. Blocks.
pub(super) fn is_here(context: &Context, digest: &Digest) -> bool {
    find(context, digest).is_some()
}

/// Opens the content, and returns its size too. Blocks.
fn find(context: &Context, digest: &Digest) -> Option<(Content, u64)> {
    for _ in 0..PLACES_MAX {
        let Some(blob) = context.digests.open_blob(digest) else {
            break;
        };
        let size = blob.size();
        // A file that has changed is not found a second time.
        if let Ok(content) = Content::of_shared_blob(blob, context.uploads.memory()) {
            return Some((content, size));
        }
    }
    let blob = context.cache.open(digest)?;
    let size = blob.size();
    Some((Content::of_blob(blob), size))
}

/// Returns the metadata of the file that has the content, the first one if there are several.
/// Blocks.
fn about(context: &Context, digest: &Digest) -> About {
    let named = context.digests.all_named(digest, 1);
    let about = named
        .first()
        .and_then(|(name, _)| context.share.about(name).ok());
    about.unwrap_or_default().into()
}

/// Finds the tree of content. One of the share is read piece by piece. Blocks.
fn find_tree(context: &Context, digest: Digest, _permit: &FetchPermit) -> Option<Content> {
    if let Some(length) = context.digests.tree_length(&digest) {
        let digests = Arc::clone(&context.digests);
        return Some(Content::of_tree(digests, digest, length));
    }
    let blob = context.cache.open(&digest)?;
    Some(Content::of_cached_tree(blob.tree()))
}

fn malformed() -> Response {
    let text = "a digest is 64 hexadecimal digits\n";
    (StatusCode::BAD_REQUEST, text).into_response()
}

fn absent() -> Response {
    let text = "there is no content with this digest here\n";
    (StatusCode::NOT_FOUND, text).into_response()
}
