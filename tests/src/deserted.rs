//! A port where nobody listens, as long as a test needs it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port of the loopback that refuses connections.
///
/// Its socket is bound and does not listen, so that the system gives the port to no other test.
#[derive(Debug)]
pub struct Deserted {
    /// The URL of the port.
    pub url: String,
    _socket: Socket,
}

impl Deserted {
    /// Takes a port that the system picks.
    ///
    /// # Panics
    /// Panics if the loopback gives no port.
    #[expect(clippy::new_without_default, reason = "it takes a port of the system")]
    pub fn new() -> Deserted {
        Deserted::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free")
    }

    /// Takes the port of a listener that is closed.
    ///
    /// # Errors
    /// Errors if the port is in use.
    pub(crate) fn at(address: SocketAddr) -> io::Result<Deserted> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Connections of the listener that are closed do not keep its port busy, and a listener may come back to it.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket();
        Ok(Deserted {
            url: format!("http://{}/", bound.unwrap_or(address)),
            _socket: socket,
        })
    }
}
