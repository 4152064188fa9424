//! A private network: the gate for its members.
//!
//! A connection over TLS is of a member once it has shown the key, with one request; this node
//! shows the key in its answer. What is open to strangers is open in clear too.
//!
//! # Invariants
//! - It fails closed: in a private network, whatever is not open to strangers needs a
//!   connection of a member, from this machine too.
//! - Only a right proof is answered with one: nobody is given one to try keys on.
//! - The owner's own programs have no key: they get [`Passes`](super::passes::Passes).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use node_transport::PeerStream;
use node_wire::{
    Digest, NodeId, Nonce, methods as names,
    name::ShareName,
    network::{MEMBER_HEADER, MEMBER_PATH},
};

use super::Context;
use crate::network::{Channel, MemberRole, NetworkKey};

/// The methods that strangers may call: to meet, and to learn that they may not.
const OPEN: [&str; 7] = [
    names::HELLO,
    names::INTRODUCE,
    names::FETCH,
    names::LIST_METHODS,
    names::METHOD_HELP,
    names::METHOD_SIGNATURE,
    names::GET_CAPABILITIES,
];

/// A connection, and whether its other end has shown that it is of a member.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// `None` in clear, where nothing can be shown.
    channel: Option<Channel>,
    is_shown: AtomicBool,
}

impl Membership {
    /// Creates the membership of a new connection to the node `own`, which has shown nothing.
    pub(super) fn of(stream: &PeerStream, own: Option<NodeId>) -> Membership {
        let channel = || {
            Some(Channel {
                caller: stream.id()?,
                answerer: own?,
                binding: stream.binding()?,
            })
        };
        Membership {
            channel: channel(),
            is_shown: AtomicBool::new(false),
        }
    }

    fn is_shown(&self) -> bool {
        self.is_shown.load(Ordering::Acquire)
    }

    /// Takes the proof of the other end and returns that of this one, if it is right.
    fn show(&self, key: &NetworkKey, shown: &Nonce) -> Option<Nonce> {
        let channel = self.channel.as_ref()?;
        if !key.is_shown(MemberRole::Caller, channel, shown) {
            return None;
        }
        self.is_shown.store(true, Ordering::Release);
        Some(key.proof(MemberRole::Answerer, channel))
    }
}

/// Lets members in, and shows them that this node is one. Calls are looked at when
/// their bodies are there.
pub(super) async fn guard(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(key) = &context.network else {
        return next.run(request).await;
    };
    if request.method() == Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && parts.uri.path() == MEMBER_PATH {
        return show(key, &parts).unwrap_or_else(refusal);
    }
    if !is_member(&context, &parts, b"") {
        return refusal();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Returns the answer to who is not of this network.
pub(super) fn refusal() -> Response {
    let text = "this node is of a private network\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// Answers a right proof with that of this node.
fn show(key: &NetworkKey, parts: &Parts) -> Option<Response> {
    let shown = parts.headers.get(MEMBER_HEADER)?.to_str().ok()?;
    let proof = membership(parts)?.show(key, &shown.parse().ok()?)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let proof = HeaderValue::from_str(&proof.to_string()).ok()?;
    response.headers_mut().insert(MEMBER_HEADER, proof);
    Some(response)
}

fn membership(parts: &Parts) -> Option<&Membership> {
    parts.extensions.get::<Arc<Membership>>().map(AsRef::as_ref)
}

/// Returns true if a request comes from a member or with a pass of the owner, or there is no
/// private network.
pub(super) fn is_member(context: &Context, parts: &Parts, body: &[u8]) -> bool {
    context.network.is_none()
        || membership(parts).is_some_and(Membership::is_shown)
        || context.passes.admit(parts, body)
}

impl Context {
    /// Returns a pass for the owner's own call of `query` for a file, if this node is of a
    /// private network.
    #[must_use]
    pub(crate) fn pass_for_query(&self, name: &ShareName) -> Option<Nonce> {
        self.network.is_some().then(|| self.passes.for_query(name))
    }

    /// Returns a pass for the owner's own request for content, if this node is of a private network.
    #[must_use]
    pub(crate) fn pass_for_blob(&self, digest: &Digest) -> Option<Nonce> {
        self.network.is_some().then(|| self.passes.for_blob(digest))
    }

    /// Returns a pass for the owner's own request for the tree of content, if this node is of a private network.
    #[must_use]
    pub(crate) fn pass_for_tree(&self, digest: &Digest) -> Option<Nonce> {
        self.network.is_some().then(|| self.passes.for_tree(digest))
    }
}

/// Returns true if strangers may call this.
pub(super) fn is_open(method: &str) -> bool {
    OPEN.contains(&method)
}

#[cfg(test)]
mod tests {
    use node_wire::methods::METHODS;

    use super::*;

    #[test]
    fn strangers_may_not_call_what_gives_or_names_files() {
        let closed = METHODS.iter().filter(|method| !is_open(method.name));
        let closed: Vec<_> = closed.map(|method| method.name).collect();
        assert_eq!(
            closed,
            [
                names::QUERY,
                names::FIND,
                names::MORE,
                names::SUMMARY,
                names::WATCH,
                names::MULTICALL,
            ]
        );
    }
}
