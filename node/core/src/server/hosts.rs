//! The names under which this node answers.
//!
//! A web page can have its own name point at this machine and then speak to the node
//! as if the node were its own server. So a node answers only under names that nobody
//! else can give it, and gives no page of another origin anything but what a link
//! gives.
//!
//! # Invariants
//! - A request passes under an address, a name without a dot, a name below `.local` or
//!   `.home.arpa`, the host of the node's own URL, and the names of its owner.
//! - Each of `Host` and the host of the target has to pass.
//! - A `POST` with `Origin`, or from another site as `Sec-Fetch-Site` has it, is refused:
//!   it would call a method.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use node_wire::peer_url::PeerUrl;

use super::Context;

/// Domains of local networks, which nobody can register.
const LOCAL: [&str; 2] = [".local", ".home.arpa"];

/// The header in which a browser says how the page and this node are related.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Names under which a node answers, beside those that are always its own.
#[derive(Clone, Debug, Default)]
pub struct OwnNames(HashSet<String>);

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    Host,
    Page,
}

impl OwnNames {
    /// Returns the host of `url` and the names that the owner allows.
    #[must_use]
    pub fn of(url: &PeerUrl, allowed: &[String]) -> OwnNames {
        let allowed = allowed.iter().map(String::as_str);
        OwnNames(allowed.chain([url.host()]).map(normal).collect())
    }

    /// Returns true if this `HOST` or `HOST:PORT` is for this node.
    fn has(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else {
            return false;
        };
        is_address(host) || {
            let name = normal(host);
            is_local(&name) || self.0.contains(&name)
        }
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let mut hosts = headers.get_all(header::HOST).iter();
        let is_right = hosts.all(|host| text(host).is_some_and(|host| self.has(&host)));
        let target = uri.authority();
        if !is_right || target.is_some_and(|target| !self.has(target.as_str())) {
            return Err(Refused::Host);
        }
        let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
        let is_foreign_site = sites.any(|site| site != "none" && site != "same-origin");
        let is_of_page = headers.contains_key(header::ORIGIN) || is_foreign_site;
        if is_of_page && method != Method::GET && method != Method::HEAD {
            return Err(Refused::Page);
        }
        Ok(())
    }
}

impl Refused {
    fn text(self) -> &'static str {
        match self {
            Refused::Host => {
                "this node does not answer under that name; call it by its address, or have its owner allow the name: --allow-host NAME\n"
            }
            Refused::Page => "web pages may not call methods of this node\n",
        }
    }
}

/// Lets requests through that are for this node.
pub(super) async fn guard(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let names = &context.names;
    match names.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            context.counters.requests_refused.one();
            (StatusCode::FORBIDDEN, refused.text()).into_response()
        }
    }
}

/// Returns the host of `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
fn host_of(authority: &str) -> Option<&str> {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    (is_port(port) && !host.is_empty()).then_some(host)
}

fn is_address(host: &str) -> bool {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(address) => {
            let address = address.split('%').next().unwrap_or_default();
            address.parse::<Ipv6Addr>().is_ok()
        }
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Returns true if only the people of this machine and its network give this name.
fn is_local(name: &str) -> bool {
    let is_word = |name: &str| {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        // A number alone would be an address in disguise, which is harmless too.
        !name.is_empty() && name.bytes().all(is_right)
    };
    is_word(name) || LOCAL.iter().any(|domain| name.ends_with(domain))
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> OwnNames {
        let url = PeerUrl::parse("http://Node.Example.org:4242/").unwrap();
        OwnNames::of(&url, &["files.example.net".to_owned()])
    }

    #[test]
    fn names_that_nobody_else_can_give_are_for_this_node() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:4242",
            "203.0.113.7:80",
            "[::1]",
            "[2001:db8::1]:4242",
            "[fe80::1%25eth0]:4242",
            "localhost",
            "LocalHost.:4242",
            "nas:4242",
            "my-host_2",
            "printer.local:4242",
            "node.home.arpa",
            "node.example.org",
            "NODE.example.org.:4242",
            "files.example.net:80",
        ] {
            assert!(names().has(host), "{host}");
        }
    }

    #[test]
    fn names_that_others_can_give_are_not() {
        for host in [
            "",
            ":4242",
            "evil.example",
            "evil.example:4242",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "node.example.org.evil.example",
            "xnode.example.org",
            "example.org",
            "local.evil.example",
            "evillocal.example",
            "127.0.0.1:x",
            "127.0.0.1:80:80",
            "[::1",
            "[nonsense]",
            "::1",
        ] {
            assert!(!names().has(host), "{host}");
        }
    }

    #[test]
    fn pages_of_others_call_no_method() {
        let check = |method: Method, list: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:4242".parse().unwrap());
            for (name, value) in list {
                if *name == "host" {
                    headers.remove(*name);
                }
                headers.append(*name, value.parse().unwrap());
            }
            names().check(&method, &Uri::from_static("/RPC2"), &headers)
        };
        assert_eq!(check(Method::POST, &[]), Ok(()));
        for site in ["none", "same-origin"] {
            assert_eq!(check(Method::POST, &[(SEC_FETCH_SITE, site)]), Ok(()));
        }
        for header in [
            (SEC_FETCH_SITE, "cross-site"),
            (SEC_FETCH_SITE, "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:4242"),
        ] {
            assert_eq!(check(Method::POST, &[header]), Err(Refused::Page));
            assert_eq!(check(Method::GET, &[header]), Ok(()));
            assert_eq!(check(Method::HEAD, &[header]), Ok(()));
        }
        let both = [(SEC_FETCH_SITE, "none"), (SEC_FETCH_SITE, "cross-site")];
        assert_eq!(check(Method::POST, &both), Err(Refused::Page));
        let foreign = [("host", "evil.example")];
        assert_eq!(check(Method::GET, &foreign), Err(Refused::Host));
    }

    #[test]
    fn the_host_of_the_target_counts_too() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1".parse().unwrap());
        let check =
            |target: &'static str| names().check(&Method::GET, &Uri::from_static(target), &headers);
        assert_eq!(check("http://127.0.0.1:4242/"), Ok(()));
        assert_eq!(check("http://evil.example/"), Err(Refused::Host));
    }
}
