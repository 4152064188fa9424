//! `hello(url)`: a peer introduces itself, or another.
//!
//! The answer says that the URL was heard, no more: it counts when who lives
//! there has answered a call of this node.

use node_wire::{AddressError, Fault, Hello, PeerAddress, Value, escape::escaped};

use crate::{
    overlay::{Added, KnownFrom},
    server::{
        Context,
        answer::{Answer, Answered},
        rpc::Caller,
    },
};

pub(super) fn answer(context: &Context, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.hellos_received.one();
    let hello = Hello::from_params(params)?;
    let address = PeerAddress::parse(&hello.url)
        .map_err(|error| Fault::invalid_params(&error.to_string()))?;
    let (id, places) = match address {
        // Over TLS it is the caller itself, and its connection shows who is to be there.
        PeerAddress::Url(url) => (caller.remote.id, vec![url]),
        PeerAddress::Node(node) => (Some(node.id), node.at),
    };
    if places.is_empty() {
        return Err(Fault::invalid_params(&AddressError::NoPlace.to_string()));
    }
    let from = caller.remote.ip();
    for url in places {
        let heard = context.overlay.hear_as(&url, id, KnownFrom::Hello, from);
        let added = heard.map_err(|error| Fault::invalid_params(&error.to_string()))?;
        if matches!(added, Added::Full | Added::Crowded) {
            tracing::debug!(url = %escaped(url.as_str()), "no room for one more peer");
        }
    }
    Ok(Answer::Value(Value::Int(caller.dialect.success_code())))
}
