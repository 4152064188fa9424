//! An XML-RPC request: read, call, answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use node_overlay::{Cause, Cost};
use node_wire::{
    Charset, Fault, MethodCall,
    asking::{self, Asking},
    budget::{self, Budget},
    dialect::Dialect,
    limits::REQUEST_BODY_MAX,
    methods::MULTICALL,
    query_id::{self, QueryId},
    request,
};
use tokio::time::timeout;

use super::{
    Context, answer,
    front::{Local, Remote},
    methods, network,
    query_budget::QueryBudget,
    quotas::{self, cause_of},
};

/// Memory for long bodies and their parsed forms, in KiB.
pub(super) const BODY_BUDGET: usize = 32 * 1024;

/// A body up to this many bytes needs no budget: the number of connections
/// bounds them.
const SHORT_BODY: usize = 16 * 1024;

/// Longest body of a multicall, in bytes.
const MULTICALL_BODY_MAX: usize = 64 * 1024;

/// The memory that a body takes when it is decoded and read, times its length.
const GROWTH: usize = node_wire::gate::GROWTH_MAX + 3;

/// Longest wait for budget.
const BUDGET_WAIT: Duration = Duration::from_secs(5);

/// A caller, and its headers.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The address of the caller.
    pub(super) remote: Remote,
    /// The address of this machine to which it came, if that is known.
    pub(super) local: Option<SocketAddr>,
    /// True if it is a member of the private network, if there is one.
    pub(super) is_member: bool,
    /// The cause that the call is charged to.
    pub(super) cause: Cause,
    /// The dialect of the answer.
    pub(super) dialect: Dialect,
    /// The walk that a query belongs to, if the caller says so.
    pub(super) walk: Option<QueryId>,
    /// The peers that are asked anyway.
    pub(super) asking: Asking,
    /// The number of calls that the query may cause.
    pub(super) budget: QueryBudget,
}

/// Answers a request that is a POST, on any path.
pub(super) async fn rpc(State(context): State<Arc<Context>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(mut caller) = Caller::of(&context, &mut parts).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if let Err(wait) = context.quotas.take(caller.cause, Cost::Call) {
        return quotas::refusal(&context, wait);
    }
    let length = body_length(&parts.headers);
    let Some(_budget) = budget(&context, length).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "busy, try again later\n").into_response();
    };
    let Ok(body) = Limited::new(body, REQUEST_BODY_MAX).collect().await else {
        return (StatusCode::BAD_REQUEST, "the body did not come whole\n").into_response();
    };
    let body = body.to_bytes();
    caller.is_member = network::is_member(&context, &parts, &body);
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let charset = Charset::of_content_type(content_type.and_then(|value| value.to_str().ok()));
    respond(&context, &caller, &body, charset).await
}

async fn respond(
    context: &Arc<Context>,
    caller: &Caller,
    body: &Bytes,
    charset: Charset,
) -> Response {
    match request::read_sent(body, charset).and_then(|call| checked(call, body.len())) {
        Ok(call) => {
            let answered = methods::call(context, caller, &call).await;
            if let Err(fault) = &answered {
                tracing::debug!(from = %caller.remote, method = %node_wire::escaped(&call.method), code = fault.code, "fault");
            }
            let is_miss = answered.is_err();
            let mut response = answer::response(caller.dialect, &call.method, answered).await;
            if is_miss {
                caller.budget.tell(response.headers_mut());
            }
            response
        }
        Err(fault) => {
            tracing::debug!(from = %caller.remote, code = fault.code, "no call: {}", fault.message);
            context.counters.requests_refused.one();
            answer::fault(&fault)
        }
    }
}

/// Refuses a multicall that is too long: it holds its calls until its answer is out.
fn checked(call: MethodCall, length: usize) -> Result<MethodCall, Fault> {
    if call.method == MULTICALL && length > MULTICALL_BODY_MAX {
        return Err(Fault::invalid_request("A multicall is at most 64 KiB long"));
    }
    Ok(call)
}

impl Caller {
    async fn of(context: &Context, parts: &mut Parts) -> Option<Caller> {
        let axum::Extension(remote) = axum::Extension::<Remote>::from_request_parts(parts, &())
            .await
            .ok()?;
        let text = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let cause = cause_of(context, remote, &parts.headers);
        // A stranger can say what it likes, and has no more than who says nothing.
        let most = cause.id.map_or(Budget::UNSAID, |_| Budget::WHOLE);
        Some(Caller {
            remote,
            local: parts.extensions.get().map(|Local(local)| *local),
            is_member: false,
            cause,
            dialect: dialect(parts.uri.path()),
            walk: text(query_id::HEADER).and_then(|id| QueryId::from_hex(id).ok()),
            asking: text(asking::HEADER)
                .map(Asking::from_header)
                .unwrap_or_default(),
            budget: QueryBudget::new(text(budget::HEADER), most),
        })
    }
}

/// Returns the dialect of a path: `/codes` and the paths below it speak that of codes.
fn dialect(path: &str) -> Dialect {
    match path.strip_prefix("/codes") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Dialect::Codes,
        _ => Dialect::Faults,
    }
}

fn body_length(headers: &HeaderMap) -> usize {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    length
        .and_then(|length| length.parse().ok())
        .unwrap_or(REQUEST_BODY_MAX)
}

/// Takes memory for a long body; `None` when there is none for too long.
async fn budget(
    context: &Context,
    length: usize,
) -> Option<Option<tokio::sync::SemaphorePermit<'_>>> {
    if length <= SHORT_BODY {
        return Some(None);
    }
    let amount = u32::try_from(length.saturating_mul(GROWTH).div_ceil(1024)).ok()?;
    match timeout(BUDGET_WAIT, context.bodies.acquire_many(amount)).await {
        Ok(Ok(permit)) => Some(Some(permit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spoken_below_their_path_only() {
        for path in ["/codes", "/codes/", "/codes/RPC2"] {
            assert_eq!(dialect(path), Dialect::Codes, "{path}");
        }
        for path in ["/", "/RPC2", "/codesx", "/a/codes", "/files/codes"] {
            assert_eq!(dialect(path), Dialect::Faults, "{path}");
        }
    }
}
