//! A private network: the gate for its members.
//!
//! # Invariants
//! - It fails closed: in a private network, whatever is not open to strangers needs
//!   a right tag, from this machine too.
//! - What a tag is about is taken from the request as it came.
//! - Only a request with a right tag gets an answer with one: nobody is given a tag of
//!   a nonce that it chose, to try keys on.
//! - The owner's own programs have no key: they get a tag for one request, which asks
//!   this node for one file.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use node_wire::{
    Digest, methods as names,
    name::ShareName,
    network::{OWN_QUERY_PATH, own_blob_path, own_query, own_tree_path},
    peer_url::PeerUrl,
};

use super::{Context, front::Local};
use crate::{
    identity::random_nonce,
    network::{NETWORK_HEADER, Tag, Tagged},
};

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
    let tag = tag_of(request.headers());
    let is_post = request.method() == Method::POST;
    let (parts, body) = request.into_parts();
    let own = own_url(&context, &parts);
    let is_member = !is_post && is_member(&context, &parts, b"");
    if !is_post && !is_member {
        let text = "this node is of a private network\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_member = is_member || response.extensions().get::<ToMember>().is_some();
    match tag.filter(|_| is_member) {
        Some(tag) => with_tag(response, key.of_answer(tag.nonce, &own)),
        None => response,
    }
}

/// Marks the answer to a call whose tag was right.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToMember;

/// Returns true if a request comes from a member, or there is no private network.
pub(super) fn is_member(context: &Context, parts: &Parts, body: &[u8]) -> bool {
    let Some(key) = &context.network else {
        return true;
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let own = own_url(context, parts);
    // One that is not text is not in any tag that a member makes.
    let range = parts.headers.get(header::RANGE);
    let range = range.map(|range| range.to_str().unwrap_or_default());
    let is_right = |tag: Tag| {
        let about = Tagged {
            node: &own,
            method: parts.method.as_str(),
            path,
            range,
            body,
        };
        key.of_request(tag.nonce, about).is(&tag)
    };
    tag_of(&parts.headers).is_some_and(is_right)
}

/// Returns the URL under which this request came.
fn own_url(context: &Context, parts: &Parts) -> PeerUrl {
    let local = parts.extensions.get().map(|Local(local)| *local);
    context.overlay.own_urls().at(local)
}

impl Context {
    /// Returns the tag that the owner shows with its own call of `query` for a file, if this node
    /// is of a private network.
    #[must_use]
    pub(crate) fn tag_of_own_query(&self, name: &ShareName) -> Option<Tag> {
        let body = own_query(name.as_str());
        self.tag_of_own(&Method::POST, OWN_QUERY_PATH, &body)
    }

    /// Returns the tag for the owner's own request for content.
    #[must_use]
    pub(crate) fn tag_of_own_blob(&self, digest: &Digest) -> Option<Tag> {
        self.tag_of_own(&Method::GET, &own_blob_path(digest), &[])
    }

    /// Returns the tag for the owner's own request for the tree of content.
    #[must_use]
    pub(crate) fn tag_of_own_tree(&self, digest: &Digest) -> Option<Tag> {
        self.tag_of_own(&Method::GET, &own_tree_path(digest), &[])
    }

    fn tag_of_own(&self, method: &Method, path: &str, body: &[u8]) -> Option<Tag> {
        // The owner's program comes from this machine.
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let own = self.overlay.own_urls().towards(Some(here));
        let about = Tagged {
            node: &own,
            method: method.as_str(),
            path,
            range: None,
            body,
        };
        let key = self.network.as_ref()?;
        Some(key.of_request(random_nonce(), about))
    }
}

/// Returns true if strangers may call this.
pub(super) fn is_open(method: &str) -> bool {
    OPEN.contains(&method)
}

fn tag_of(headers: &HeaderMap) -> Option<Tag> {
    headers.get(NETWORK_HEADER)?.to_str().ok()?.parse().ok()
}

fn with_tag(mut response: Response, tag: Tag) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&tag.to_string()) {
        response.headers_mut().insert(NETWORK_HEADER, tag);
    }
    response
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
                names::MULTICALL,
            ]
        );
    }
}
