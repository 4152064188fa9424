//! Showing that a connection is of a member of the private network, and asking the same of its other end.
//!
//! It is one request, before any other on the connection: nothing else is said to a node
//! before it has shown the key.

use node_base::clock::now;
use node_wire::{
    Nonce,
    network::{MEMBER_HEADER, MEMBER_PATH},
    node_id::NodeId,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout_at,
};

use crate::{
    network::{Channel, MemberRole, NetworkKey},
    stream::PeerStream,
    tls::HANDSHAKE_TIME,
};

/// Longest head of the answer, in bytes.
const HEAD_MAX: usize = 4 * 1024;

/// The start of the answer of a member.
const NO_CONTENT: &str = "HTTP/1.1 204 ";

/// The other end of a connection has not shown the key of the private network.
#[derive(Debug, thiserror::Error)]
#[error("it does not show the key of this private network")]
pub(crate) struct NotMember;

/// Shows that `own` has the key, over a connection that it began, and has the other end show it.
///
/// # Errors
/// Errors if the other end does not show it in time.
pub(crate) async fn prove(
    stream: &mut PeerStream,
    key: &NetworkKey,
    own: NodeId,
) -> Result<(), NotMember> {
    let (Some(answerer), Some(binding)) = (stream.id(), stream.binding()) else {
        return Err(NotMember);
    };
    let channel = Channel {
        caller: own,
        answerer,
        binding,
    };
    let proof = key.proof(MemberRole::Caller, &channel);
    let deadline = now() + HANDSHAKE_TIME;
    let head = timeout_at(deadline.into(), exchange(stream, &proof))
        .await
        .map_err(|_| NotMember)?
        .ok_or(NotMember)?;
    match shown_in(&head) {
        Some(shown) if key.is_shown(MemberRole::Answerer, &channel, &shown) => Ok(()),
        _ => Err(NotMember),
    }
}

/// Sends the request and returns the head of the answer.
async fn exchange(stream: &mut PeerStream, proof: &Nonce) -> Option<String> {
    let host = stream.address()?;
    let request =
        format!("GET {MEMBER_PATH} HTTP/1.1\r\nHost: {host}\r\n{MEMBER_HEADER}: {proof}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut head = Vec::with_capacity(HEAD_MAX);
    while end_of(&head).is_none() {
        let room = HEAD_MAX.checked_sub(head.len())?;
        let mut part = (&mut *stream).take(room as u64);
        if part.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    // A refusal has a body behind its head. A member says nothing more before it is asked.
    let is_all = end_of(&head) == Some(head.len());
    String::from_utf8(head).ok().filter(|_| is_all)
}

/// Returns where the head of an answer ends, if it is there.
fn end_of(answer: &[u8]) -> Option<usize> {
    let end = b"\r\n\r\n";
    let at = answer.windows(end.len()).position(|part| part == end)?;
    Some(at + end.len())
}

/// Returns the proof in the head of an answer, if it is one of a member.
fn shown_in(head: &str) -> Option<Nonce> {
    let mut lines = head.split("\r\n");
    lines.next()?.strip_prefix(NO_CONTENT)?;
    let (_, shown) = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(MEMBER_HEADER))?;
    shown.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{identity::NodeKey, tls::Tls};

    /// Returns both ends of a new connection between two nodes.
    async fn connected(caller: &Tls, answerer: &Tls) -> (PeerStream, PeerStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (near, far) = tokio::join!(
            caller.connect(near.unwrap(), None, 1),
            answerer.accept(far.unwrap().0)
        );
        (near.unwrap(), far.unwrap())
    }

    fn node() -> Tls {
        Tls::new(&Arc::new(NodeKey::random()))
    }

    fn key(byte: u8) -> NetworkKey {
        NetworkKey::of_test(byte)
    }

    /// Returns what the other end knows of a connection that it took.
    fn taken(far: &PeerStream, own: &Tls) -> Channel {
        Channel {
            caller: far.id().unwrap(),
            answerer: own.id(),
            binding: far.binding().unwrap(),
        }
    }

    async fn head_of(stream: &mut PeerStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut head).await.unwrap();
        }
        String::from_utf8(head).unwrap()
    }

    fn answer(proof: &Nonce) -> String {
        format!("HTTP/1.1 204 No Content\r\nSixhop-Member: {proof}\r\n\r\n")
    }

    #[tokio::test]
    async fn both_ends_of_a_connection_have_the_same_binding() {
        let (a, b) = (node(), node());
        let (near, far) = connected(&a, &b).await;
        let (other, _far) = connected(&a, &b).await;
        let bytes = |stream: &PeerStream| *stream.binding().unwrap().as_bytes();
        assert_eq!(bytes(&near), bytes(&far));
        assert_ne!(bytes(&near), bytes(&other));
    }

    #[tokio::test]
    async fn a_member_is_believed_and_nobody_else() {
        let (a, b) = (node(), node());
        for (shown_with, is_right) in [(1, true), (2, false)] {
            let (mut near, mut far) = connected(&a, &b).await;
            let channel = taken(&far, &b);
            let serve = async {
                let head = head_of(&mut far).await;
                let shown = head.split("sixhop-member: ").nth(1).unwrap().trim();
                let shown = shown.parse().unwrap();
                assert!(key(1).is_shown(MemberRole::Caller, &channel, &shown));
                let proof = key(shown_with).proof(MemberRole::Answerer, &channel);
                far.write_all(answer(&proof).as_bytes()).await.unwrap();
                far.flush().await.unwrap();
            };
            let network = key(1);
            let (proved, ()) = tokio::join!(prove(&mut near, &network, a.id()), serve);
            assert_eq!(proved.is_ok(), is_right);
        }
    }

    /// A relay that talks to both members passes the proof of one to the other.
    #[tokio::test]
    async fn a_relayed_proof_is_good_for_nobody() {
        let (a, relay, b) = (node(), node(), node());
        let (mut near, mut here) = connected(&a, &relay).await;
        let (mut there, mut far) = connected(&relay, &b).await;
        let channel = taken(&far, &b);
        let pass_on = async {
            let head = head_of(&mut here).await;
            there.write_all(head.as_bytes()).await.unwrap();
            there.flush().await.unwrap();
            let head = head_of(&mut far).await;
            let shown = head.split("sixhop-member: ").nth(1).unwrap().trim();
            let shown = shown.parse().unwrap();
            assert!(!key(1).is_shown(MemberRole::Caller, &channel, &shown));
            // Even if it were answered, the answer would not do.
            let proof = key(1).proof(MemberRole::Answerer, &channel);
            here.write_all(answer(&proof).as_bytes()).await.unwrap();
            here.flush().await.unwrap();
        };
        let network = key(1);
        let (proved, ()) = tokio::join!(prove(&mut near, &network, a.id()), pass_on);
        assert!(proved.is_err());
    }

    #[tokio::test]
    async fn answers_that_are_none_are_refused() {
        let (a, b) = (node(), node());
        let endless = "x".repeat(2 * HEAD_MAX);
        let reflected = "reflected";
        let no_proof = "HTTP/1.1 204 No Content\r\n\r\n";
        let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n";
        for said in ["", "\r\n\r\n", no_proof, refusal, &endless, reflected] {
            let (mut near, mut far) = connected(&a, &b).await;
            let channel = taken(&far, &b);
            let serve = async move {
                head_of(&mut far).await;
                let proof = key(1).proof(MemberRole::Caller, &channel);
                let said = match said {
                    "reflected" => answer(&proof),
                    said => said.to_owned(),
                };
                // The other end may have gone already.
                let _ = far.write_all(said.as_bytes()).await;
                let _ = far.flush().await;
                if said != refusal {
                    let _ = far.shutdown().await;
                }
                far
            };
            let network = key(1);
            let begun = now();
            let (proved, _far) = tokio::join!(prove(&mut near, &network, a.id()), serve);
            assert!(proved.is_err(), "{said}");
            assert!(now() < begun + HANDSHAKE_TIME, "it does not wait for more");
        }
    }

    #[test]
    fn a_refusal_with_a_proof_is_none() {
        let proof = Nonce([7; 32]);
        assert_eq!(shown_in(&answer(&proof)), Some(proof));
        let refusal = answer(&proof).replace("204", "403");
        assert_eq!(shown_in(&refusal), None);
    }
}
