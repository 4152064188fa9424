//! Quotas at the peer port: the source of a request, and the answer to too many.

use std::time::Duration;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_overlay::Cause;
use node_wire::{Nonce, node_id::TOKEN_HEADER};

use super::{Context, front::Remote};

/// Returns the source of a request: its address, and its id if its connection shows it, or
/// in clear a valid token.
pub(super) fn cause_of(context: &Context, remote: Remote, headers: &HeaderMap) -> Cause {
    let by_token = || {
        headers.get(TOKEN_HEADER).and_then(|token| {
            let token: Nonce = token.to_str().ok()?.parse().ok()?;
            context.overlay.who(&token)
        })
    };
    Cause {
        address: remote.ip(),
        id: remote.id.or_else(by_token),
    }
}

/// Returns the answer to a caller that asks too much: not now, but after `wait`.
pub(super) fn refusal(context: &Context, wait: Duration) -> Response {
    context.counters.requests_over_quota.one();
    let seconds = wait.as_secs() + 1;
    let text = format!("too many requests; try again in {seconds} s\n");
    let mut response = (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests;
