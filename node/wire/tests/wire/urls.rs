//! Tests of URLs of peers: disguises, and the checked URL.

use node_wire::peer_url::{RefusedRange, address_allowed};
use node_wire::{PeerUrl, UrlError};
use proptest::prelude::*;

fn parse(text: &str) -> Result<PeerUrl, UrlError> {
    PeerUrl::parse(text)
}

/// Disguised URLs, each with the address that it must be taken for.
const DISGUISED: &[(&str, &str)] = &[
    ("http://127.1:4242", "127.0.0.1"),
    ("http://127.0.1:4242", "127.0.0.1"),
    ("http://0x7f.1:4242", "127.0.0.1"),
    ("http://0x7f000001:4242", "127.0.0.1"),
    ("http://0X7F.0.0.1:4242", "127.0.0.1"),
    ("http://2130706433:4242", "127.0.0.1"),
    ("http://017700000001:4242", "127.0.0.1"),
    ("http://0177.0.0.1:4242", "127.0.0.1"),
    ("http://127.0.0.1.:4242", "127.0.0.1"),
    ("http://①②⑦.⓪.⓪.①:4242", "127.0.0.1"),
    ("http://１２７.０.０.１:4242", "127.0.0.1"),
    ("http://127。0。0。1:4242", "127.0.0.1"),
    ("http://%31%32%37.0.0.1:4242", "127.0.0.1"),
    ("http://[::ffff:7f00:1]:4242", "127.0.0.1"),
    ("http://[::ffff:127.0.0.1]:4242", "127.0.0.1"),
    ("http://[0:0:0:0:0:0:0:1]:4242", "::1"),
    ("HTTP://10.1:4242", "10.0.0.1"),
    ("http://0xc0a80001:4242", "192.168.0.1"),
];

const LINK_LOCAL: &[&str] = &[
    "http://169.254.169.254/",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://169.254.43518/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[2002:a9fe:a9fe::1]/",
];

const UNSPECIFIED: &[&str] = &[
    "http://0/",
    "http://0.0.0.0:4242/",
    "http://0x0/",
    "http://00000000/",
    "http://0.1.2.3/",
    "http://[::]/",
    "http://[::ffff:0:0]/",
    "http://[2002::1]/",
];

const OTHER_RANGES: &[(&str, RefusedRange)] = &[
    ("http://224.0.0.1/", RefusedRange::Multicast),
    ("http://239.255.255.255/", RefusedRange::Multicast),
    ("http://[ff02::1]/", RefusedRange::Multicast),
    ("http://[::ffff:224.0.0.1]/", RefusedRange::Multicast),
    ("http://255.255.255.255/", RefusedRange::Broadcast),
    ("http://4294967295/", RefusedRange::Broadcast),
    ("http://240.0.0.1/", RefusedRange::Broadcast),
    ("http://[64:ff9b::ffff:ffff]/", RefusedRange::Broadcast),
];

#[test]
fn disguised_addresses_are_taken_for_what_they_are() {
    for (text, address) in DISGUISED {
        let url = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(url.ip(), Some(address.parse().unwrap()), "{text}");
    }
}

#[test]
fn addresses_that_cannot_be_peers_are_refused_in_disguise() {
    let link_local = LINK_LOCAL.iter().map(|t| (*t, RefusedRange::LinkLocal));
    let unspecified = UNSPECIFIED.iter().map(|t| (*t, RefusedRange::Unspecified));
    let others = OTHER_RANGES.iter().copied();
    for (text, expected) in link_local.chain(unspecified).chain(others) {
        match parse(text) {
            Err(UrlError::Address { range, .. }) => assert_eq!(range, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn odd_urls_are_refused_for_the_right_reason() {
    let long = format!("http://h/{}", "a".repeat(248));
    let long_once_normal = format!("http://h/{}", "é".repeat(100));
    let table = [
        (
            "",
            UrlError::Syntax(url::ParseError::RelativeUrlWithoutBase),
        ),
        (
            "example",
            UrlError::Syntax(url::ParseError::RelativeUrlWithoutBase),
        ),
        ("http://", UrlError::Syntax(url::ParseError::EmptyHost)),
        ("http:///h/", UrlError::Syntax(url::ParseError::EmptyHost)),
        (
            "http:////user@h/",
            UrlError::Syntax(url::ParseError::EmptyHost),
        ),
        ("http://./", UrlError::Syntax(url::ParseError::EmptyHost)),
        ("http://a../", UrlError::Syntax(url::ParseError::EmptyHost)),
        ("http://a..b/", UrlError::Syntax(url::ParseError::EmptyHost)),
        (
            "http://h:99999/",
            UrlError::Syntax(url::ParseError::InvalidPort),
        ),
        (
            "http://256.1.1.1/",
            UrlError::Syntax(url::ParseError::InvalidIpv4Address),
        ),
        ("https://example.org/", UrlError::Https),
        ("ftp://example.org/", UrlError::Scheme),
        ("file:///etc/passwd", UrlError::Scheme),
        ("gopher://127.0.0.1:4242/", UrlError::Scheme),
        ("http:127.0.0.1/", UrlError::Scheme),
        ("http:/127.0.0.1/", UrlError::Scheme),
        ("http:\\\\127.0.0.1", UrlError::ForbiddenCharacter),
        ("http://user@h/", UrlError::UserInfo),
        ("http://user:pass@h/", UrlError::UserInfo),
        ("http://@h/", UrlError::UserInfo),
        ("http://good.example@127.0.0.1/", UrlError::UserInfo),
        ("http://h/?q", UrlError::Query),
        ("http://h/?", UrlError::Query),
        ("http://h/#x", UrlError::Fragment),
        ("http://h#@good.example/", UrlError::Fragment),
        ("http://h:0/", UrlError::Port),
        (" http://h/", UrlError::ForbiddenCharacter),
        ("http://h/ ", UrlError::ForbiddenCharacter),
        ("http://127.0.\t0.1/", UrlError::ForbiddenCharacter),
        ("ht\ntp://h/", UrlError::ForbiddenCharacter),
        ("http://h/\r\nHost: x", UrlError::ForbiddenCharacter),
        ("http://h\0/", UrlError::ForbiddenCharacter),
        ("http://h\u{3000}/", UrlError::ForbiddenCharacter),
        (long.as_str(), UrlError::TooLong),
        (long_once_normal.as_str(), UrlError::TooLong),
    ];
    for (text, error) in table {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn the_normal_form_has_all_its_parts() {
    let url = parse("HTTP://LocalHost:4242").unwrap();
    assert_eq!(url.as_str(), "http://localhost:4242/");
    assert_eq!((url.host(), url.port()), ("localhost", 4242));
    assert_eq!(url.authority(), "localhost:4242");
    assert_eq!((url.path(), url.ip()), ("/", None));
    let url = parse("http://[::1]:80/RPC2").unwrap();
    assert_eq!((url.host(), url.port()), ("[::1]", 80));
    assert_eq!((url.authority(), url.path()), ("[::1]", "/RPC2"));
    assert_eq!(
        parse("http://bücher.example").unwrap().host(),
        "xn--bcher-kva.example"
    );
}

#[test]
fn one_peer_has_one_key_whatever_the_route() {
    let key = "http://127.0.0.1:4242";
    for text in [
        "http://127.0.0.1:4242",
        "http://127.0.0.1:4242/",
        "http://127.0.0.1:4242//",
        "http://127.0.0.1:4242/RPC2",
        "http://127.0.0.1:4242/codes",
        "http://127.0.0.1:4242/codes/",
        "http://127.0.0.1:4242/codes/RPC2",
        "http://0x7f.1:4242/",
        "http://[::ffff:127.0.0.1]:4242/",
    ] {
        assert_eq!(parse(text).unwrap().key(), key, "{text}");
    }
    let url = parse("http://h:1/a/RPC2").unwrap();
    assert_eq!(url.key(), "http://h:1/a");
    assert!(url.same_peer(&parse("http://h.:1/a").unwrap()));
    assert!(!url.same_peer(&parse("http://h:1/b").unwrap()));
    assert_eq!(parse("http://h/").unwrap().key(), "http://h:80");
}

#[test]
fn the_url_for_codes_is_the_same_peer() {
    let url = parse("http://127.0.0.1:4242").unwrap();
    assert_eq!(url.codes().as_str(), "http://127.0.0.1:4242/codes");
    assert!(url.codes().same_peer(&url));
    let below = parse("http://h/a/RPC2/").unwrap();
    assert_eq!(below.codes().as_str(), "http://h/a/codes");
    assert_eq!(below.codes().codes(), below.codes());
    assert!(below.codes().same_peer(&below));
}

#[test]
fn loopback_and_private_addresses_are_left_to_settings() {
    for text in [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "192.168.1.1",
        "fd00::1",
        "8.8.8.8",
    ] {
        assert_eq!(address_allowed(text.parse().unwrap()), Ok(()), "{text}");
    }
}

proptest! {
    #[test]
    fn the_normal_form_is_its_own_normal_form(text in "(http|HTTP)://[a-z0-9.\\[\\]:]{1,20}(/codes|/RPC2|[/a-zA-Z0-9%é.]){0,20}") {
        if let Ok(url) = parse(&text) {
            prop_assert_eq!(parse(url.as_str()), Ok(url.clone()));
            prop_assert_eq!(parse(&url.key()).map(|u| u.key()), Ok(url.key()));
            prop_assert!(url.codes().as_str().ends_with("/codes"));
            prop_assert!(url.codes().same_peer(&url));
            prop_assert_eq!(parse(url.codes().as_str()), Ok(url.codes()));
        }
    }

    #[test]
    fn any_text_is_judged_without_panic(text in any::<String>()) {
        let _ = parse(&text);
        let _ = parse(&format!("http://{text}"));
    }
}

#[test]
fn what_a_person_writes_is_a_url() {
    for (text, url) in [
        ("http://a:1/", "http://a:1/"),
        ("http://a", "http://a/"),
        (" HTTP://A:1/codes ", "http://a:1/codes"),
        ("localhost", "http://localhost:4242/"),
        ("192.168.1.5", "http://192.168.1.5:4242/"),
        ("192.168.1.5:80", "http://192.168.1.5/"),
        ("nas.local:5000", "http://nas.local:5000/"),
        ("nas/some/path", "http://nas:4242/some/path"),
        ("nas:1/codes", "http://nas:1/codes"),
        ("[::1]", "http://[::1]:4242/"),
        ("[::1]:5000", "http://[::1]:5000/"),
        ("::1", "http://[::1]:4242/"),
    ] {
        let read = PeerUrl::from_person(text);
        assert_eq!(read.as_ref().map(PeerUrl::as_str), Ok(url), "{text}");
    }
    for text in [
        "",
        ":4242",
        "a b",
        "a:0",
        "a:x",
        "user@host",
        "ftp://a",
        "a?q",
        "0.0.0.0",
    ] {
        assert!(PeerUrl::from_person(text).is_err(), "{text}");
    }
}

#[test]
fn localhost_is_the_address_that_it_means() {
    let url = |text: &str| PeerUrl::parse(text).unwrap();
    let address = url("http://127.0.0.1:4242/");
    for text in [
        "http://localhost:4242/",
        "http://LOCALHOST.:4242/RPC2",
        "http://127.1:4242/codes",
    ] {
        assert!(url(text).same_peer(&address), "{text}");
    }
    for text in ["http://localhost:4243/", "http://localhost.example:4242/"] {
        assert!(!url(text).same_peer(&address), "{text}");
    }
    let path = url("http://localhost:4242/some/path");
    assert!(!path.same_peer(&address) && path.same_host(&address));
}
