//! The first bytes of a connection at the peer port, of TLS or of HTTP: a handshake that is no handshake ends or waits
//! and shows no id; requests are the same however their bytes are cut.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use node_core::fuzzing::requests_of;
use node_transport::{identity::NodeKey, tls::{FIRST_BYTE, Tls}};

static TLS: LazyLock<Tls> = LazyLock::new(|| {
    Tls::new(&NodeKey::random().into())
});

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    if bytes.first() == Some(&FIRST_BYTE) {
        assert!(!TLS.hears_a_node(bytes), "nobody without a key has shown one");
        return;
    }
    let whole = requests_of(bytes, usize::MAX);
    assert_eq!(requests_of(bytes, usize::from(piece).max(1)), whole);
    assert_eq!(requests_of(bytes, 1), whole);
});
