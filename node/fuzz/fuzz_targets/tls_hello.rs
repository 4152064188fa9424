//! The first bytes of a connection that begins as TLS: none of them shows an id, and the listener ends.

#![no_main]

use std::{
    io::Write,
    net::{Ipv4Addr, Shutdown},
    sync::Arc,
};

use libfuzzer_sys::fuzz_target;
use node_transport::{
    identity::NodeKey,
    tls::{FIRST_BYTE, Tls},
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};

struct Listener {
    runtime: Runtime,
    socket: std::net::TcpListener,
    tls: Tls,
}

thread_local! {
    static LISTENER: Listener = Listener {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        socket: std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"),
        tls: Tls::new(&Arc::new(NodeKey::random())),
    };
}

/// Returns true if a caller that says these bytes and no more is taken for a node.
fn shows_an_id(bytes: &[u8]) -> bool {
    LISTENER.with(|listener| {
        let address = listener.socket.local_addr().expect("an address");
        let mut caller = std::net::TcpStream::connect(address).expect("it listens");
        let (socket, _) = listener.socket.accept().expect("a connection");
        caller.write_all(bytes).expect("it fits a buffer");
        caller.shutdown(Shutdown::Write).expect("it is open");
        socket.set_nonblocking(true).expect("a socket");
        listener.runtime.block_on(async {
            let socket = TcpStream::from_std(socket).expect("a socket");
            listener.tls.accept(socket).await.is_ok()
        })
    })
}

fuzz_target!(|input: &[u8]| {
    assert!(!shows_an_id(input));
    // Few inputs find the first record by themselves.
    if input.len() <= u16::MAX.into() {
        let length = u16::try_from(input.len())
            .expect("it was compared")
            .to_be_bytes();
        assert!(!shows_an_id(
            &[&[FIRST_BYTE, 3, 1], &length[..], input].concat()
        ));
    }
});
