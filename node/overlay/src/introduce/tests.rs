//! Tests of introductions in memory, without sockets.

use std::sync::Mutex;

use bytes::Bytes;
use futures_util::FutureExt;
use node_wire::{Value, response};
use tokio::time::advance;

use std::net::SocketAddr;

use super::*;
use crate::{FAILURES_MAX, LOST_PAUSE_MAX};
use node_base::{counters::Counters, events::EventLog};
use node_transport::{Client, MemoryTransport, Purpose, TransportError};

/// The time that a busy peer wants to be left alone.
const PAUSE: Duration = Duration::from_secs(1);

const STRANGER: [u8; 4] = [203, 0, 113, 1];

fn url(text: &str) -> PeerUrl {
    PeerUrl::parse(text).unwrap()
}

/// A node that runs, and its calls with their addresses.
struct Node {
    overlay: Arc<Overlay>,
    transport: MemoryTransport,
    called: Arc<Mutex<Vec<SocketAddr>>>,
    cancel: CancellationToken,
}

impl Node {
    fn start() -> Node {
        let transport = MemoryTransport::default();
        let counters = Arc::new(Counters::default());
        let client = Client::new(Arc::new(transport.clone()), Arc::clone(&counters));
        let ourselves = url("http://198.51.100.1:4242/");
        let overlay = Arc::new(Overlay::new(
            ourselves,
            client,
            counters,
            Arc::new(EventLog::default()),
        ));
        let cancel = CancellationToken::new();
        let introducer = Introducer::new(Arc::clone(&overlay), None, Vec::new());
        tokio::spawn(introducer.run(cancel.clone()));
        Node {
            overlay,
            transport,
            called: Arc::default(),
            cancel,
        }
    }

    /// Adds a peer that answers `hello` after a time.
    fn peer(&self, peer: &PeerUrl, after: Duration) {
        let called = Arc::clone(&self.called);
        self.transport.add(peer, move |request| {
            if let Purpose::Call(_) = request.purpose {
                called.lock().unwrap().push(request.at.get());
            }
            async move {
                sleep(after).await;
                Ok(vec![Bytes::from(response::value(&Value::Int(0)))])
            }
            .boxed()
        });
    }

    fn hear(&self, peer: &PeerUrl) {
        let heard = self.overlay.hear(peer, KnownFrom::Hello, STRANGER.into());
        assert!(heard.is_ok(), "{peer}");
    }

    fn called(&self) -> usize {
        self.called.lock().unwrap().len()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_nearer_than_who_gave_it_is_not_called() {
    let node = Node::start();
    for near in ["127.0.0.1:1", "192.168.1.1:1", "[::1]:1", "[fd00::1]:1"] {
        let name = url(&format!("http://n{}.example:1/", near.len()));
        let addresses = vec!["203.0.113.9:1".parse().unwrap(), near.parse().unwrap()];
        node.transport.name(name.host(), addresses);
        node.peer(&name, Duration::ZERO);
        node.hear(&name);
    }
    sleep(Duration::from_secs(300)).await;
    assert_eq!(node.called(), 0);
    assert!(node.overlay.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn names_of_one_address_cost_one_call_to_that_address() {
    let node = Node::start();
    for n in 0..6 {
        let name = url(&format!("http://n{n}.example:1/"));
        node.transport
            .name(name.host(), vec!["203.0.113.9:1".parse().unwrap()]);
        node.peer(&name, Duration::from_secs(600));
        node.hear(&name);
    }
    // One of the names, and again after 2, 10 and 30 s; the others wait for a minute
    // without any call.
    sleep(Duration::from_secs(59)).await;
    assert_eq!(node.called(), 4);
    sleep(Duration::from_secs(600)).await;
    assert!(node.called() <= 20, "{}", node.called());
    let checked: SocketAddr = "203.0.113.9:1".parse().unwrap();
    assert!(node.called.lock().unwrap().iter().all(|at| *at == checked));
}

#[tokio::test(start_paused = true)]
async fn a_query_waits_for_meetings_but_not_for_its_history() {
    let node = Node::start();
    let peer = url("http://203.0.113.9:1/");
    node.peer(&peer, Duration::from_millis(700));
    node.hear(&peer);
    let begun = now();
    node.overlay.met(&[peer.as_str().to_owned()]).await;
    assert_eq!(now(), begun);
    node.overlay.met(&[]).await;
    assert_eq!(node.overlay.peers().to_ask(&[], now()).len(), 1);
    assert_eq!(now() - begun, Duration::from_millis(700));
}

#[tokio::test(start_paused = true)]
async fn who_asks_does_not_wait_long() {
    let node = Node::start();
    let peer = url("http://203.0.113.9:1/");
    node.peer(&peer, Duration::from_secs(3_600));
    node.hear(&peer);
    let begun = now();
    node.overlay.met(&[]).await;
    assert!(now() - begun <= Duration::from_millis(1_600));
    advance(Duration::from_secs(30)).await;
    let later = now();
    node.overlay.met(&[]).await;
    assert_eq!(now(), later, "it has had its time");
}

#[tokio::test(start_paused = true)]
async fn after_a_partition_the_peers_of_the_other_side_return() {
    let node = Node::start();
    let others: Vec<_> = (1..=40)
        .map(|n| url(&format!("http://203.0.{n}.9:1/")))
        .collect();
    for other in &others {
        node.peer(other, Duration::from_millis(100));
        node.overlay.add(other, KnownFrom::Owner);
    }
    sleep(Duration::from_secs(10)).await;
    assert_eq!(node.overlay.peers().to_ask(&[], now()).len(), others.len());
    // Searches notice that nobody of the other side is there any more.
    for other in &others {
        node.transport.remove(other);
        for _ in 0..FAILURES_MAX {
            node.overlay.failed(other, &CallError::Deadline);
        }
    }
    assert_eq!(node.overlay.count(), 0);
    let apart = Duration::from_secs(1_000);
    sleep(apart).await;
    assert!(node.overlay.peers().to_ask(&[], now()).is_empty());
    for other in &others {
        node.peer(other, Duration::from_millis(100));
    }
    // A call is made ten minutes after the last one at the latest.
    sleep(LOST_PAUSE_MAX + Duration::from_secs(10)).await;
    assert_eq!(node.overlay.peers().to_ask(&[], now()).len(), others.len());
    let events = node.overlay.events.since(0, 1_000);
    let told = events
        .iter()
        .filter(|event| event.kind == "peer.added" && event.data["source"] == "lost");
    assert_eq!(told.count(), others.len(), "scripts hear of it");
}

#[test]
fn saved_peers_keep_the_scope_of_who_named_them() {
    let id = NodeId([7; 32]).to_string();
    let read = |line: &str| {
        let saved = Saved::read(line).unwrap();
        (
            saved.before.namer,
            saved.before.is_chosen,
            saved.is_candidate,
        )
    };
    // Lines of an earlier version have no scope: what the URL says counts.
    for (line, expected) in [
        (
            "http://203.0.113.1:4242/ -",
            (Some(Scope::World), false, false),
        ),
        (
            "http://192.168.1.1:4242/ - candidate",
            (Some(Scope::Network), false, true),
        ),
        ("http://n.example/ - chosen", (None, true, false)),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    for namer in [
        None,
        Some(Scope::Machine),
        Some(Scope::Network),
        Some(Scope::World),
    ] {
        for (is_chosen, counts) in [(true, true), (false, true), (false, false)] {
            if namer.is_none() && !is_chosen {
                continue;
            }
            let before = Before {
                id: id.parse().ok(),
                kind: Some(PeerKind::Sixhop),
                is_chosen,
                namer,
            };
            let line = line_of(&url("http://n.example/"), before, counts);
            assert_eq!(
                read(&line),
                (namer, is_chosen, !is_chosen && !counts),
                "{line}"
            );
            assert_eq!(Saved::read(&line).unwrap().before, before);
        }
    }
    assert!(Saved::read("").is_none() && Saved::read("no-url -").is_none());
}

#[test]
fn a_saved_sixhop_node_stays_one_and_no_other_peer_becomes_one() {
    let id = NodeId([7; 32]).to_string();
    let kind = |line: &str| Saved::read(line).unwrap().before.kind;
    let node = Some(PeerKind::Sixhop);
    assert_eq!(kind("http://n.example/ - chosen node"), node);
    // An earlier version saved no kind, and only of a node who it is.
    assert_eq!(kind(&format!("http://n.example/ {id}")), node);
    assert_eq!(kind("http://n.example/ - world"), None);
    for kind in [None, Some(PeerKind::Book)] {
        let before = Before {
            id: None,
            kind,
            is_chosen: true,
            namer: None,
        };
        let line = line_of(&url("http://n.example/"), before, true);
        assert_eq!(Saved::read(&line).unwrap().before.kind, None, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_seen_in_an_error_is_known_after_a_restart() {
    let busy = |kind| TransportError::Busy { wait: PAUSE, kind };
    let status = |kind| TransportError::Status { status: 404, kind };
    for (kind, known) in [
        (PeerKind::Sixhop, Some(PeerKind::Sixhop)),
        (PeerKind::Book, None),
    ] {
        for error in [busy(kind), status(kind)] {
            let node = Node::start();
            let peer = url("http://203.0.113.9:1/");
            let answer = error.clone();
            node.transport.add(&peer, move |_| {
                let error = answer.clone();
                async move { Err::<Vec<Bytes>, _>(error) }.boxed()
            });
            node.overlay.add(&peer, KnownFrom::Owner);
            let met = node.overlay.introduce(&peer).await;
            assert!(met.is_err(), "{error}");
            assert_eq!(node.overlay.kind_of(&peer), known, "{error}");
            let next = Node::start();
            next.overlay.load_peers(&node.overlay.saved_peers());
            assert_eq!(next.overlay.kind_of(&peer), known, "{error}");
        }
    }
}
