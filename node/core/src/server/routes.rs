//! The routes of the peer port.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{Context, blobs, bundle, files, hosts, network, page, rpc, search, unread};
use crate::client::SERVER_NAME;

/// Headers of every answer.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::SERVER, HeaderValue::from_static(SERVER_NAME)),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
];

/// Returns the routes of the peer port.
pub(super) fn router(context: Arc<Context>) -> Router {
    let bound = axum::middleware::from_fn_with_state(Arc::clone(&context), unread::bound);
    let bounded = get(search::search).layer(bound);
    Router::new()
        .route("/", get(page::page).post(rpc::rpc))
        .route("/files/{*name}", get(files::file).post(rpc::rpc))
        .route("/blobs", post(bundle::bundle).fallback(other))
        .route("/blobs/{digest}", get(blobs::blob).post(rpc::rpc))
        .route("/blobs/{digest}/tree", get(blobs::tree).post(rpc::rpc))
        .route("/search", bounded.post(rpc::rpc))
        .fallback(other)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&context),
            network::guard,
        ))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&context),
            hosts::guard,
        ))
        .layer(axum::middleware::map_response(with_headers))
        .with_state(context)
}

/// Answers XML-RPC on any path.
async fn other(state: State<Arc<Context>>, request: Request) -> Response {
    if request.method() == Method::POST {
        rpc::rpc(state, request).await
    } else {
        (StatusCode::NOT_FOUND, "there is nothing here; see /\n").into_response()
    }
}

async fn with_headers(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}
