//! `GET /blobs/DIGEST`: content by its digest, and `GET /blobs/DIGEST/tree`:
//! what checks its pieces. From the share, else from the cache.

use std::{str::FromStr, sync::Arc};

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::Digest;
use tokio::task::spawn_blocking;

use super::{
    Context,
    content::{self, Asking, Content, Source},
    front::Remote,
};
use crate::pieces::PieceTree;

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
    let finder = Arc::clone(&context);
    let found = spawn_blocking(move || find(&finder, &digest)).await;
    let Ok(Some(source)) = found else {
        return absent();
    };
    let content = Content {
        source,
        digest: Some(digest),
        name: None,
    };
    let asking = Asking {
        method: &method,
        headers: &headers,
        remote,
    };
    content::respond(&context, content, asking).await
}

/// Answers `GET` and `HEAD` of the tree of content.
pub(super) async fn tree(
    State(context): State<Arc<Context>>,
    Path(digest): Path<String>,
) -> Response {
    let Ok(digest) = Digest::from_str(&digest) else {
        return malformed();
    };
    let found = spawn_blocking(move || find_tree(&context, &digest)).await;
    match found {
        Ok(Some(tree)) => {
            let kind = HeaderValue::from_static("application/octet-stream");
            ([(header::CONTENT_TYPE, kind)], tree.to_bytes()).into_response()
        }
        _ => absent(),
    }
}

fn find(context: &Context, digest: &Digest) -> Option<Source> {
    match context.digests.open_blob(digest) {
        Some(file) => Source::of(file).ok(),
        None => context.cache.open(digest).map(Source::Cached),
    }
}

fn find_tree(context: &Context, digest: &Digest) -> Option<PieceTree> {
    context.digests.tree(digest).or_else(|| {
        let blob = context.cache.open(digest)?;
        Some(blob.tree().clone())
    })
}

fn malformed() -> Response {
    let text = "a digest is 64 hexadecimal digits\n";
    (StatusCode::BAD_REQUEST, text).into_response()
}

fn absent() -> Response {
    let text = "there is no content with this digest here\n";
    (StatusCode::NOT_FOUND, text).into_response()
}
