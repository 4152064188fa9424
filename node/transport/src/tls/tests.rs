//! Handshakes between two ends on the loopback, and what goes wrong with them.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
};

use super::*;
use crate::PeerPath;

/// Bytes that are read ahead.
const AHEAD: usize = 64 * 1024;

fn node() -> (Arc<NodeKey>, Tls) {
    let key = Arc::new(NodeKey::random());
    let tls = Tls::new(&key);
    (key, tls)
}

/// Returns two ends of one TCP connection.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test]
async fn both_ends_know_each_other_and_bytes_arrive() {
    let ((a_key, a), (b_key, b)) = (node(), node());
    let (near, far) = sockets().await;
    let (near, far) = tokio::join!(a.connect(near, Some(b_key.id()), AHEAD), b.accept(far));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    assert_eq!((near.id(), far.id()), (Some(b_key.id()), Some(a_key.id())));
    assert_eq!((near.path(), far.path()), (PeerPath::Tls, PeerPath::Tls));
    assert_eq!(near.local(), far.address());
    near.write_all(b"marker").await.unwrap();
    near.shutdown().await.unwrap();
    let mut read = Vec::new();
    far.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"marker");
}

#[tokio::test]
async fn another_key_than_the_expected_one_is_refused() {
    let ((_, a), (_, b)) = (node(), node());
    let (near, far) = sockets().await;
    let expected = NodeKey::random().id();
    let (near, far) = tokio::join!(a.connect(near, Some(expected), AHEAD), b.accept(far));
    assert!(matches!(near, Err(TlsError::NotShown(_))), "{near:?}");
    assert!(far.is_err());
}

#[tokio::test]
async fn an_answer_in_clear_is_no_handshake() {
    let (key, a) = node();
    let (near, mut far) = sockets().await;
    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    far.write_all(answer).await.unwrap();
    let refused = a.connect(near, Some(key.id()), AHEAD).await;
    assert!(matches!(refused, Err(TlsError::NotShown(_))), "{refused:?}");
}

#[tokio::test]
async fn bytes_that_are_no_handshake_are_refused() {
    let (_, b) = node();
    for length in [1, 5, 6, 517, 20_000] {
        let (mut near, far) = sockets().await;
        let mut garbage = vec![0xa5; length];
        garbage[0] = FIRST_BYTE;
        near.write_all(&garbage).await.unwrap();
        near.shutdown().await.unwrap();
        assert!(b.accept(far).await.is_err(), "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stops_ends_in_time() {
    let (_, b) = node();
    let (mut near, far) = sockets().await;
    near.write_all(&[FIRST_BYTE, 3, 1, 2, 0]).await.unwrap();
    assert!(matches!(b.accept(far).await, Err(TlsError::Slow)));
    let (near, _silent) = sockets().await;
    let slow = b.connect(near, Some(NodeKey::random().id()), AHEAD).await;
    assert!(matches!(slow, Err(TlsError::Slow)));
}

/// Sends `sent` from one end to the other, which reads with room for `room` bytes and has read
/// ahead `ahead`.
async fn received(sent: &[u8], room: usize, ahead: usize) -> Vec<Vec<u8>> {
    let ((_, a), (b_key, b)) = (node(), node());
    let (near, far) = sockets().await;
    let (near, far) = tokio::join!(a.connect(near, Some(b_key.id()), ahead), b.accept(far));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    let (sent, mut reads) = (sent.to_vec(), Vec::new());
    let sending = tokio::spawn(async move {
        far.write_all(&sent).await.unwrap();
        far.shutdown().await.unwrap();
    });
    let mut buffer = vec![0; room];
    loop {
        let read = near.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        reads.push(buffer[..read].to_vec());
    }
    sending.await.unwrap();
    reads
}

#[tokio::test]
async fn long_content_arrives_whole_whatever_is_read_ahead() {
    let sent: Vec<u8> = (0..1_000_003_u32).map(|at| (at * 31 % 251) as u8).collect();
    for (room, ahead) in [
        (1, 0),
        (300, AHEAD),
        (16_384, 0),
        (100_000, AHEAD),
        (1 << 20, 5_000),
    ] {
        let sent = &sent[..if room == 1 { 40_000 } else { sent.len() }];
        let reads = received(sent, room, ahead).await;
        assert!(reads.concat() == sent, "{room} {ahead}");
    }
}

#[tokio::test]
async fn records_that_came_together_are_read_together() {
    let sent = vec![7; 8 << 20];
    let reads = received(&sent, 256 * 1024, AHEAD).await;
    let records = sent.len() / 16_384;
    assert!(
        reads.len() < records * 3 / 4,
        "{} of {records}",
        reads.len()
    );
}

#[test]
fn the_fastest_cipher_of_the_processor_is_the_first() {
    let first = |has_aes| provider(has_aes).cipher_suites[0];
    assert_eq!(first(true), TLS13_AES_128_GCM_SHA256);
    assert_eq!(first(false), TLS13_CHACHA20_POLY1305_SHA256);
    assert_eq!(provider(true).cipher_suites.len(), 3);
}

#[tokio::test]
async fn a_side_without_aes_gets_the_other_cipher() {
    let ((_, mut a), (b_key, mut b)) = (node(), node());
    for (near_has, far_has) in [(true, true), (true, false), (false, true), (false, false)] {
        a.provider = Arc::new(provider(near_has));
        b.server = Arc::new(server(&Arc::new(provider(far_has)), &b.own, far_has));
        let (near, far) = sockets().await;
        let (near, far) = tokio::join!(a.connect(near, Some(b_key.id()), AHEAD), b.accept(far));
        let (near, _far) = (near.unwrap(), far.unwrap());
        let expected = match near_has && far_has {
            true => "TLS13_AES_128_GCM_SHA256",
            false => "TLS13_CHACHA20_POLY1305_SHA256",
        };
        assert_eq!(
            near.cipher().as_deref(),
            Some(expected),
            "{near_has} {far_has}"
        );
    }
}

/// Makes the handshake of a client that shows no key, or names another protocol.
async fn handshake_of(config: ClientConfig) -> Result<PeerStream, TlsError> {
    let (_, b) = node();
    let (near, far) = sockets().await;
    let name = ServerName::IpAddress(near.peer_addr().unwrap().ip().into());
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, near);
    let (_near, far) = tokio::join!(connecting, b.accept(far));
    far
}

fn client(alpn: &[&[u8]], shows: Option<&Tls>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Expected::Anybody));
    let mut config = match shows {
        Some(tls) => builder.with_client_cert_resolver(Arc::<OwnKey>::clone(&tls.own)),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

#[tokio::test]
async fn whoever_shows_no_id_or_another_protocol_is_refused() {
    let (_, a) = node();
    assert!(handshake_of(client(&[ALPN], Some(&a))).await.is_ok());
    assert!(handshake_of(client(&[ALPN], None)).await.is_err());
    assert!(handshake_of(client(&[b"h2"], Some(&a))).await.is_err());
    assert!(handshake_of(client(&[], Some(&a))).await.is_err());
}

#[test]
fn only_the_one_encoding_of_a_strong_key_is_an_id() {
    use rustls::pki_types::{CertificateDer, alg_id};
    let key = NodeKey::random();
    let spki = |key: &[u8]| {
        let spki = rustls::sign::public_key_to_spki(&alg_id::ED25519, key);
        spki.as_ref().to_vec()
    };
    let id = |bytes: Vec<u8>| id_of(&CertificateDer::from(bytes));
    let right = spki(&key.id().0);
    assert_eq!(id(right.clone()), Some(key.id()));
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(id(spki(&weak)), None);
    assert_eq!(id(spki(&key.id().0[..31])), None);
    assert_eq!(id(key.id().0.to_vec()), None);
    for n in 0..right.len() - 32 {
        let mut wrong = right.clone();
        wrong[n] ^= 1;
        assert_eq!(id(wrong), None, "{n}");
    }
    assert_eq!(id([right, vec![0]].concat()), None);
}

/// The first bytes of a node that calls another one.
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let hello = async {
        let ((_, a), (near, mut far)) = (node(), sockets().await);
        let expected = NodeKey::random().id();
        let calling = tokio::spawn(async move { a.connect(near, Some(expected), AHEAD).await });
        let mut bytes = vec![0; 4_096];
        let count = far.read(&mut bytes).await.unwrap();
        calling.abort();
        bytes.truncate(count);
        bytes
    };
    Runtime::new().unwrap().block_on(hello)
});

static LISTENER: LazyLock<Tls> = LazyLock::new(|| node().1);

/// Returns true if bytes that come at once are a handshake in which a node shows its id.
fn shows_an_id(mut bytes: &[u8]) -> bool {
    let config = Arc::clone(&LISTENER.server);
    let mut session = rustls::ServerConnection::new(config).unwrap();
    while !bytes.is_empty() {
        if session.read_tls(&mut bytes).is_err() || session.process_new_packets().is_err() {
            return false;
        }
        session.write_tls(&mut io::sink()).unwrap();
    }
    !session.is_handshaking()
}

#[test]
fn a_right_hello_is_read_and_shows_no_id_yet() {
    assert_eq!(HELLO[0], FIRST_BYTE);
    assert!(!shows_an_id(&HELLO));
}

proptest! {
    /// `PROPTEST_CASES` has it run longer.
    #[test]
    fn any_first_bytes_of_a_connection_show_no_id(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        behind in any::<bool>(),
    ) {
        let mut hello = HELLO.clone();
        for (at, byte) in changes {
            let at = at.index(hello.len());
            hello[at] = byte;
        }
        hello.truncate(cut.index(hello.len()) + 1);
        let garbage = [&[FIRST_BYTE], &bytes[..]].concat();
        prop_assert!(!shows_an_id(&garbage));
        prop_assert!(!shows_an_id(&hello));
        if behind {
            prop_assert!(!shows_an_id(&[hello, bytes].concat()));
        }
    }
}
