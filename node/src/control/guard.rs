//! Authentication of requests to the control server.
//!
//! A request passes if it comes under a loopback host name, from no web page,
//! and with the secret or a token. The checks come before anything of the body is read,
//! so a stranger on this machine costs a head and a short answer.

use http::{HeaderMap, HeaderName, StatusCode, header};

/// Header in which a browser says whose page asks.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The reason why a request does not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    /// Not one `Host`, or one that is not this machine: a name that somebody
    /// else points at us.
    Host,
    /// A web page asks.
    Origin,
    /// Not exactly one right `Authorization`.
    Secret,
    /// A token whose time is over.
    Expired,
}

impl Refused {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Refused::Host | Refused::Origin => StatusCode::FORBIDDEN,
            Refused::Secret | Refused::Expired => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Refused::Host => "the Host must be a loopback address or localhost\n",
            Refused::Origin => "web pages may not use the control connection\n",
            Refused::Secret => "send the secret or a token: Authorization: Bearer SECRET\n",
            Refused::Expired => "the time of this token is over\n",
        }
    }
}

/// Checks that a request with these headers comes to this machine and from no web page.
pub(super) fn check_sender(headers: &HeaderMap) -> Result<(), Refused> {
    if !only(headers, header::HOST).is_some_and(is_loopback) {
        return Err(Refused::Host);
    }
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let is_foreign_site = sites.any(|site| site != "none" && site != "same-origin");
    if headers.contains_key(header::ORIGIN) || is_foreign_site {
        return Err(Refused::Origin);
    }
    Ok(())
}

/// Returns what a request with these headers shows: the secret, a token, or something else.
pub(super) fn presented(headers: &HeaderMap) -> Option<&str> {
    only(headers, header::AUTHORIZATION).and_then(bearer)
}

/// Returns the text behind `Bearer`, in any case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, presented) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| presented.trim_start_matches(' '))
}

/// Returns the value of a header that is there exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() =>
        {
            name
        }
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match address {
        Some(address) => address
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|ip| ip.is_loopback()),
        None => {
            name.eq_ignore_ascii_case("localhost")
                || name
                    .parse::<std::net::Ipv4Addr>()
                    .is_ok_and(|ip| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_is_written_in_any_case() {
        for text in ["Bearer x", "bearer x", "BEARER   x"] {
            assert_eq!(bearer(text), Some("x"), "{text}");
        }
        for text in ["", "x", "Bearer", "Basic x", "Bearerx", "Bearer\tx"] {
            assert_eq!(bearer(text), None, "{text}");
        }
    }

    #[test]
    fn request_of_a_page_is_refused_with_and_without_origin() {
        let check = |list: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, http::HeaderValue::from_static("localhost"));
            for (name, value) in list {
                headers.append(*name, http::HeaderValue::from_static(value));
            }
            check_sender(&headers)
        };
        for site in ["none", "same-origin"] {
            assert_eq!(check(&[(SEC_FETCH_SITE, site)]), Ok(()));
        }
        for list in [
            &[("origin", "null")][..],
            &[(SEC_FETCH_SITE, "cross-site")],
            &[(SEC_FETCH_SITE, "none"), (SEC_FETCH_SITE, "cross-site")],
        ] {
            assert_eq!(check(list), Err(Refused::Origin), "{list:?}");
        }
    }

    #[test]
    fn only_this_machine_is_a_host() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:4243",
            "localhost",
            "LOCALHOST:1",
            "[::1]",
            "[::1]:4243",
            "127.8.8.8:1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:4243",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil@localhost",
            "localhost:",
            "localhost:x",
            "0.0.0.0",
            "192.168.0.1",
            "::1",
            "[::]",
            "127.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
