//! Addresses of nodes and names of peers: what is read is bounded, and says the same when it is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_wire::{
    limits::URL_MAX,
    peer_address::{AT_MAX, NodeAddress, PeerAddress},
};

const ID: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn check(text: &str) {
    if let Ok(read) = NodeAddress::parse(text) {
        let written = read.to_string();
        assert!(read.at.len() <= AT_MAX);
        assert!(written.len() <= URL_MAX);
        assert!(read.at.iter().all(|place| place.path() == "/"));
        assert_eq!(NodeAddress::parse(&written), Ok(read.clone()));
        assert_eq!(PeerAddress::from_person(text), Ok(PeerAddress::Node(read)));
    }
    if let Ok(read) = PeerAddress::from_person(text) {
        assert_eq!(PeerAddress::parse(&read.to_string()), Ok(read));
    }
}

fuzz_target!(|text: &str| {
    check(text);
    // Few inputs find an id by themselves.
    check(&format!("sixhop://{ID}{text}"));
});
