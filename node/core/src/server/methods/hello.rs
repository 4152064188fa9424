//! `hello(url)`: a peer introduces itself, or another.

use node_wire::{Fault, Hello, PeerUrl, Value, escape::escaped};

use crate::{
    overlay::{Added, Source},
    server::{
        Context,
        answer::{Answer, Answered},
        rpc::Caller,
    },
};

pub(super) fn answer(context: &Context, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.hellos_received.one();
    let hello = Hello::from_params(params)?;
    let url =
        PeerUrl::parse(&hello.url).map_err(|error| Fault::invalid_params(&error.to_string()))?;
    if is_this_machine(&url) && !caller.remote.0.ip().to_canonical().is_loopback() {
        return Err(Fault::invalid_params(
            "This URL names the machine of whoever reads it",
        ));
    }
    if context.overlay.add(&url, Source::Hello) == Added::Full {
        tracing::debug!(url = %escaped(url.as_str()), "no room for one more peer");
    }
    Ok(Answer::Value(Value::Int(caller.dialect.success_code())))
}

/// A stranger elsewhere must not point us at our own machine.
fn is_this_machine(url: &PeerUrl) -> bool {
    let host = url.host().trim_end_matches('.');
    url.ip().is_some_and(|ip| ip.is_loopback())
        || host == "localhost"
        || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_this_machine_are_recognised() {
        for text in [
            "http://127.0.0.1/",
            "http://127.9.9.9:1/",
            "http://[::1]:80/",
            "http://localhost:1/",
            "http://a.localhost./",
        ] {
            assert!(is_this_machine(&PeerUrl::parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://192.168.0.1/",
            "http://example.org/",
            "http://localhost.example/",
        ] {
            assert!(!is_this_machine(&PeerUrl::parse(text).unwrap()), "{text}");
        }
    }
}
