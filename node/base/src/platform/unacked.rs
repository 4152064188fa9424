//! Asks the system for the number of sent bytes that a client has not acknowledged.
//!
//! The system takes megabytes from a program before it makes it wait, so what
//! was written says little about what a client has read. Linux tells through
//! `sock_diag(7)`, a netlink socket that needs no privilege. Other systems, and
//! containers without netlink, do not tell.

use std::net::SocketAddr;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The end of this machine.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io::{self, Read},
        net::{IpAddr, SocketAddr},
    };

    use socket2::{Domain, Protocol, Socket, Type};

    use super::Ends;

    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const AF_NETLINK: i32 = 16;
    const NETLINK_SOCK_DIAG: i32 = 4;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const IPPROTO_TCP: u8 = 6;

    /// Length of a netlink header.
    const HEADER: usize = 16;

    /// Length of `struct inet_diag_req_v2`.
    const REQUEST: usize = 56;

    /// The place of the number of unacknowledged bytes in an answer: after the
    /// header and `idiag_wqueue`'s offset in `struct inet_diag_msg`.
    const WRITE_QUEUE: usize = HEADER + 60;

    /// Room for an answer without extensions.
    const ANSWER: usize = 512;

    /// Returns the bytes that were written to the connection and not
    /// acknowledged.
    pub(crate) fn unacked(ends: Ends) -> io::Result<u64> {
        let socket = Socket::new(
            Domain::from(AF_NETLINK),
            Type::DGRAM,
            Some(Protocol::from(NETLINK_SOCK_DIAG)),
        )?;
        socket.set_nonblocking(true)?;
        socket.send(&request(ends))?;
        let mut answer = [0; ANSWER];
        let length = (&socket).read(&mut answer)?;
        let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok());
        let queue = answer[..length]
            .get(WRITE_QUEUE..WRITE_QUEUE + 4)
            .and_then(|queue| queue.try_into().ok());
        match (kind.map(u16::from_ne_bytes), queue) {
            (Some(SOCK_DIAG_BY_FAMILY), Some(queue)) => Ok(u32::from_ne_bytes(queue).into()),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes the question: a header and `struct inet_diag_req_v2`.
    fn request(ends: Ends) -> Vec<u8> {
        let length = HEADER + REQUEST;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend(NLM_F_REQUEST.to_ne_bytes());
        bytes.extend([0; 8]); // sequence number, port of the sender
        let family = if ends.local.is_ipv4() {
            AF_INET
        } else {
            AF_INET6
        };
        bytes.extend([family, IPPROTO_TCP, 0, 0]);
        bytes.extend(u32::MAX.to_ne_bytes()); // in any state
        bytes.extend(ends.local.port().to_be_bytes());
        bytes.extend(ends.remote.port().to_be_bytes());
        for end in [ends.local, ends.remote] {
            bytes.extend(address(end));
        }
        let interface = match ends.local {
            SocketAddr::V6(local) => local.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        bytes.extend(interface.to_ne_bytes());
        bytes.extend([0xff; 8]); // any cookie
        bytes
    }

    fn address(end: SocketAddr) -> [u8; 16] {
        match end.ip() {
            IpAddr::V6(address) => address.octets(),
            IpAddr::V4(address) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&address.octets());
                bytes
            }
        }
    }
}

impl Ends {
    /// Returns the bytes that were written to the connection and not
    /// acknowledged, if the system tells. Does not block.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn unacked(self) -> Option<u64> {
        linux::unacked(self)
            .inspect_err(|error| tracing::trace!(%error, "the system does not tell what arrived"))
            .ok()
    }

    /// Returns nothing: this system does not tell.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn unacked(self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener, TcpStream},
        time::{Duration, Instant},
    };

    use super::*;

    /// Fills a connection that nobody reads, then reads a part.
    fn fill_and_read(listen: &str) {
        let listener = TcpListener::bind(listen).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut served, _) = listener.accept().unwrap();
        served.set_nonblocking(true).unwrap();
        let ends = Ends {
            local: served.local_addr().unwrap(),
            remote: served.peer_addr().unwrap(),
        };
        assert_eq!(ends.unacked(), Some(0));
        let mut written = 0_u64;
        loop {
            match served.write(&[7; 65_536]) {
                Ok(bytes) => written += bytes as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let full = ends.unacked().unwrap();
        assert!(full > 0 && full <= written, "{full} of {written}");
        let mut part = vec![0; usize::try_from(written / 2).unwrap()];
        client.read_exact(&mut part).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while ends.unacked().unwrap() >= full {
            assert!(Instant::now() < deadline, "what is read is acknowledged");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn what_a_client_reads_is_seen_over_ipv4() {
        fill_and_read("127.0.0.1:0");
    }

    #[test]
    fn what_a_client_reads_is_seen_over_ipv6() {
        if TcpListener::bind("[::1]:0").is_ok() {
            fill_and_read("[::1]:0");
        }
    }

    #[test]
    fn a_connection_that_is_not_there_is_not_told_of() {
        let nobody = "127.0.0.1:1".parse().unwrap();
        let ends = Ends {
            local: nobody,
            remote: nobody,
        };
        assert_eq!(ends.unacked(), None);
    }
}
