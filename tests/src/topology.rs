//! Networks of peers introduced to each other with `hello`, both ways.

use crate::xmlrpc::{self, Value};

/// Tells the node at `url` of the node at `other`.
///
/// # Panics
/// When `hello` does not answer with success in its dialect.
pub fn introduce(url: &str, other: &str) {
    let answer = xmlrpc::call(url, "hello", &[Value::text(other)])
        .unwrap_or_else(|e| panic!("hello({other}) at {url}: {e}"));
    let success = matches!(answer, Value::Int(0 | 1));
    assert!(success, "hello({other}) at {url} gave {answer:?}");
}

/// Links a line: each knows its neighbours.
pub fn chain(urls: &[&str]) {
    for pair in urls.windows(2) {
        introduce(pair[0], pair[1]);
        introduce(pair[1], pair[0]);
    }
}

/// Links a ring: a line whose ends know each other.
pub fn ring(urls: &[&str]) {
    chain(urls);
    if let [first, .., last] = urls {
        introduce(first, last);
        introduce(last, first);
    }
}

/// Links everyone with everyone.
pub fn mesh(urls: &[&str]) {
    for url in urls {
        for other in urls.iter().filter(|other| *other != url) {
            introduce(url, other);
        }
    }
}
