//! Content from peers that are not honest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{HttpTransport, KindListener, PeerKind};
use node_base::{clock::now, counters::Counters, rate::Rate};
use node_wire::{peer_url::PeerUrl, pieces::TreeHasher};

/// A peer that answers each request with the same bytes and keeps connections
/// open.
struct Rogue {
    url: PeerUrl,
    accepted: Arc<AtomicUsize>,
}

impl Rogue {
    async fn answering(answer: String) -> Rogue {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answer.clone()));
            }
        });
        Rogue {
            url: PeerUrl::parse(&url).unwrap(),
            accepted,
        }
    }

    fn destination(&self) -> Destination {
        Destination::of_owner(self.url.clone())
    }
}

async fn serve(mut stream: TcpStream, answer: String) {
    let mut request = Vec::new();
    let mut byte = [0];
    while stream.read_exact(&mut byte).await.is_ok() {
        request.push(byte[0]);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() || answer.contains("close") {
                return;
            }
        }
    }
}

fn client() -> Client {
    Client::new(
        Arc::new(HttpTransport::new()),
        Arc::new(Counters::default()),
    )
}

/// Asks for the bytes 2 to 5 of ten.
async fn ask(client: &Client, rogue: &Rogue, range: Range<u64>) -> Result<Vec<u8>, CallError> {
    let digest = Digest::from_bytes([7; 32]);
    let deadline = now() + Duration::from_secs(10);
    let mut body = client
        .blob(&rogue.destination(), &digest, range, deadline)
        .await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn part(head: &str, body: &str) -> String {
    format!("HTTP/1.1 206 Partial Content\r\n{head}\r\n\r\n{body}")
}

#[tokio::test]
async fn the_asked_range_is_taken_and_the_connection_used_again() {
    let rogue = Rogue::answering(part(
        "Content-Range: bytes 2-5/10\r\nContent-Length: 4",
        "cdef",
    ))
    .await;
    let client = client();
    for _ in 0..3 {
        assert_eq!(ask(&client, &rogue, 2..6).await.unwrap(), b"cdef");
    }
    assert_eq!(rogue.accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_whole_content_is_taken_if_that_is_the_range() {
    let rogue =
        Rogue::answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd".to_owned()).await;
    assert_eq!(ask(&client(), &rogue, 0..4).await.unwrap(), b"abcd");
    for range in [0..3, 0..5, 1..4] {
        let refused = ask(&client(), &rogue, range).await;
        assert!(matches!(refused, Err(CallError::Range)), "{refused:?}");
    }
}

#[tokio::test]
async fn another_range_is_refused() {
    for head in [
        "Content-Range: bytes 3-6/10\r\nContent-Length: 4",
        "Content-Range: bytes 2-6/10\r\nContent-Length: 5",
        "Content-Range: bytes 2-5/5\r\nContent-Length: 4",
        "Content-Range: octets 2-5/10\r\nContent-Length: 4",
        "Content-Length: 4",
    ] {
        let rogue = Rogue::answering(part(head, "cdef")).await;
        let refused = ask(&client(), &rogue, 2..6).await;
        assert!(
            matches!(refused, Err(CallError::Range)),
            "{head}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn more_or_fewer_bytes_than_asked_for_are_an_error() {
    let head = "Content-Range: bytes 2-5/10\r\nConnection: close";
    let more = Rogue::answering(part(head, "cdefg")).await;
    assert!(ask(&client(), &more, 2..6).await.is_err());
    let fewer = Rogue::answering(part(head, "cde")).await;
    let refused = ask(&client(), &fewer, 2..6).await;
    assert!(matches!(refused, Err(CallError::Short)), "{refused:?}");
}

#[tokio::test]
async fn a_redirect_an_error_or_an_encoded_body_is_refused() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    let rogue = Rogue::answering(redirect.to_owned()).await;
    assert!(ask(&client(), &rogue, 2..6).await.is_err());
    let head = "Content-Range: bytes 2-5/10\r\nContent-Length: 4\r\nContent-Encoding: gzip";
    let rogue = Rogue::answering(part(head, "cdef")).await;
    assert!(ask(&client(), &rogue, 2..6).await.is_err());
    let rogue =
        Rogue::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let refused = ask(&client(), &rogue, 2..6).await;
    assert!(matches!(refused, Err(CallError::Absent)), "{refused:?}");
}

#[tokio::test]
async fn a_tree_of_other_content_is_refused() {
    let mut hasher = TreeHasher::default();
    hasher.push(&vec![1; 300_000]);
    let tree = hasher.finish();
    let text: String = "x".repeat(72);
    let rogue = Rogue::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 72\r\n\r\n{text}"
    ))
    .await;
    let deadline = now() + Duration::from_secs(10);
    let refused = client()
        .tree(&rogue.destination(), &tree.digest(), deadline)
        .await;
    assert!(matches!(refused, Err(CallError::Tree(_))), "{refused:?}");
}

#[tokio::test]
async fn content_by_digest_keeps_to_the_download_rate() {
    let body = "x".repeat(40_000);
    let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-39999/40000\r\nContent-Length: 40000\r\n\r\n";
    let rogue = Rogue::answering(format!("{head}{body}")).await;
    let client = client().with_download_rate(Rate::new(80_000));
    let started = now();
    let digest = Digest::from_bytes([7; 32]);
    let deadline = started + Duration::from_secs(10);
    let mut content = client
        .blob(&rogue.destination(), &digest, 0..40_000, deadline)
        .await
        .unwrap();
    let mut received = 0;
    while let Some(chunk) = content.next().await.unwrap() {
        received += chunk.len();
    }
    assert_eq!(received, 40_000);
    assert_eq!(client.counters.bytes_received.get(), 40_000);
    assert!(now() - started >= Duration::from_millis(350));
}

#[tokio::test]
async fn a_busy_peer_says_when_to_ask_again() {
    for (retry, seconds) in [("7", 7), ("0", 1), ("soon", 1), ("999999", 60)] {
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {retry}\r\nContent-Length: 0\r\n\r\n"
        );
        let rogue = Rogue::answering(answer).await;
        let asked = ask(&client(), &rogue, 2..6).await;
        assert!(
            matches!(asked, Err(CallError::Busy(wait)) if wait.as_secs() == seconds),
            "{retry}: {asked:?}"
        );
    }
}

/// Hears what kind of node each answer is from.
#[derive(Default)]
struct Kinds(std::sync::Mutex<Vec<PeerKind>>);

impl KindListener for Kinds {
    fn answered_as(&self, _: &PeerUrl, kind: PeerKind) {
        self.0.lock().unwrap().push(kind);
    }
}

#[tokio::test]
async fn answers_with_errors_say_what_kind_of_node_gives_them() {
    for status in [
        "404 Not Found",
        "429 Too Many Requests",
        "503 Service Unavailable",
    ] {
        for (server, kind) in [
            ("Server: sixhop/9.9\r\n", PeerKind::Sixhop),
            ("Server: nginx\r\n", PeerKind::Book),
            ("", PeerKind::Book),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\n{server}Content-Length: 0\r\n\r\n");
            let rogue = Rogue::answering(answer).await;
            let kinds = Arc::new(Kinds::default());
            let client = client().with_kind_listener(Arc::clone(&kinds) as Arc<dyn KindListener>);
            assert!(ask(&client, &rogue, 2..6).await.is_err());
            assert_eq!(*kinds.0.lock().unwrap(), [kind], "{status} {server}");
        }
    }
}
