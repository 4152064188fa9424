//! URLs of peers: the normal form is its own, and no refused address gets through.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::PeerUrl;
use node_wire::peer_url::address_allowed;

fuzz_target!(|text: &str| {
    let Ok(url) = PeerUrl::parse(text) else {
        return;
    };
    assert!(url.as_str().len() <= 256);
    assert_eq!(PeerUrl::parse(url.as_str()).as_ref(), Ok(&url));
    assert_ne!(url.port(), 0);
    assert!(
        url.ip()
            .is_none_or(|address| address_allowed(address).is_ok())
    );
    assert!(url.same_peer(&url.codes()));
    let key = PeerUrl::parse(&url.key()).map(|again| again.key());
    assert_eq!(key.as_ref(), Ok(&url.key()));
});
