//! Tells the service manager that started this process how far it is, as `sd_notify(3)` describes.
//!
//! Without a service manager nothing is sent. The protocol is one datagram a change, so no library is needed for it.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Variable that names the socket of the service manager.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// Change of state that a service manager waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The node answers.
    Ready,
    /// The node has begun to stop.
    Stopping,
}

impl Change {
    fn message(self) -> &'static str {
        match self {
            Change::Ready => "READY=1\n",
            Change::Stopping => "STOPPING=1\n",
        }
    }
}

/// Tells the service manager about `change`, if there is one.
///
/// A service manager that cannot be told is logged and does not stop the node.
pub(crate) fn tell(change: Change) {
    let Some(socket) = env::var_os(SOCKET_VARIABLE) else {
        return;
    };
    if let Err(error) = send(&socket, change) {
        tracing::warn!(%error, socket = %socket.display(), "the service manager cannot be told");
    }
}

fn send(socket: &OsStr, change: Change) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(change.message().as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(receiver: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_socket_with_a_path_receives_each_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), Change::Ready).unwrap();
        send(path.as_os_str(), Change::Stopping).unwrap();
        assert_eq!(received(&receiver), "READY=1\n");
        assert_eq!(received(&receiver), "STOPPING=1\n");
    }

    #[test]
    fn an_abstract_socket_receives_a_change() {
        let name = format!("sixhop-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let receiver = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), Change::Ready).unwrap();
        assert_eq!(received(&receiver), "READY=1\n");
    }

    #[test]
    fn a_missing_socket_is_an_error() {
        let error = send(OsStr::new("/nowhere/notify"), Change::Ready).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
