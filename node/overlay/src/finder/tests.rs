//! Searches among nodes in memory, without sockets.

mod liars;
mod trouble;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::FutureExt;
use node_wire::{Digest, Fault, FoundEnd, peer_url::PeerUrl, request, response};

use super::*;
use crate::KnownFrom;
use node_base::{counters::Counters, events::EventLog};
use node_transport::{Client, MemoryTransport, PeerRequest, Purpose, TransportError};

fn url(n: usize) -> PeerUrl {
    PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_000 + n)).unwrap()
}

fn hit(name: &str) -> FindHit {
    FindHit {
        name: name.to_owned(),
        size: 1,
        digest: Some(Digest::from_bytes([1; 32])),
        ..FindHit::default()
    }
}

fn found(names: &[&str], peers: &[usize]) -> Found {
    Found {
        hits: names.iter().map(|name| hit(name)).collect(),
        peers: peers.iter().map(|&n| url(n).as_str().to_owned()).collect(),
        ..Found::default()
    }
}

/// Creates a network in which node 0 knows node 1; the nodes answer as `answers` says.
fn network(answers: BTreeMap<usize, Found>) -> (Arc<Overlay>, MemoryTransport) {
    let transport = MemoryTransport::default();
    for (n, found) in answers {
        transport.add(&url(n), move |request| {
            let answer = answer(&found, &request);
            async move { answer }.boxed()
        });
    }
    let counters = Arc::new(Counters::default());
    let client = Client::new(Arc::new(transport.clone()), Arc::clone(&counters));
    let events = Arc::new(EventLog::default());
    let overlay = Arc::new(Overlay::new(url(0), client, counters, events));
    overlay.add(&url(1), KnownFrom::Settings);
    (overlay, transport)
}

/// Answers page by page, two hits at a time.
fn answer(found: &Found, request: &PeerRequest) -> Result<Vec<Bytes>, TransportError> {
    let Purpose::Find(body) = &request.purpose else {
        return Err(TransportError::Status {
            status: 404,
            kind: PeerKind::Book,
        });
    };
    let find = Find::from_params(&request::read(body).unwrap().params).unwrap();
    let mut page = found.clone();
    if matches!(find.wanted, FindWanted::Query(_)) {
        page.hits
            .retain(|hit| find.after.as_ref().is_none_or(|after| hit.name > *after));
        page.more = page.hits.len() > 2;
        page.hits.truncate(2);
    }
    Ok(vec![response::value(&page.to_value()).into()])
}

async fn all(finder: &mut Finder) -> Vec<(PeerUrl, Vec<String>)> {
    let mut all = Vec::new();
    while let Some(holder) = finder.next().await {
        let names = holder.hits.into_iter().map(|hit| hit.name).collect();
        all.push((holder.peer.url().clone(), names));
    }
    all
}

fn name(text: &str) -> FindWanted {
    FindWanted::Name(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_search_follows_those_who_are_named() {
    let (overlay, _transport) = network(BTreeMap::from([
        (1, found(&[], &[2, 0, 1])),
        (2, found(&["a"], &[3, 1])),
        (3, found(&["a"], &[2])),
    ]));
    let mut finder = Finder::begin(&overlay, name("a"));
    let at = |n| vec![(url(n), vec!["a".to_owned()])];
    assert_eq!(all(&mut finder).await, at(2), "one is enough");
    assert_eq!(finder.passed_over().left, 1);
    finder.want_another();
    assert_eq!(all(&mut finder).await, at(3));
    assert_eq!(
        (finder.asked(), finder.verdict()),
        (3, MissReason::NotFound)
    );
    assert!(!finder.others_seen());
}

#[tokio::test(start_paused = true)]
async fn hits_that_were_not_asked_for_and_bad_names_are_dropped() {
    let (overlay, _transport) = network(BTreeMap::from([(
        1,
        found(&["", "../a", "C:\\a", "a/../a", "b"], &[]),
    )]));
    for wanted in [name("a"), FindWanted::Digest(Digest::from_bytes([2; 32]))] {
        assert!(all(&mut Finder::begin(&overlay, wanted)).await.is_empty());
    }
    let mut finder = Finder::begin(&overlay, FindWanted::Query("*".to_owned()));
    let names: Vec<_> = all(&mut finder)
        .await
        .into_iter()
        .flat_map(|(_, names)| names)
        .collect();
    assert_eq!(names, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_a_query_are_asked_for() {
    let (overlay, _transport) = network(BTreeMap::from([(
        1,
        found(&["a", "b", "c", "d", "e"], &[]),
    )]));
    let mut finder = Finder::begin(&overlay, FindWanted::Query("*".to_owned()));
    let names: Vec<_> = all(&mut finder)
        .await
        .into_iter()
        .flat_map(|(_, names)| names)
        .collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(finder.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_know_the_call_is_of_another_kind() {
    let (overlay, transport) = network(BTreeMap::new());
    transport.add(&url(1), |_| {
        let fault = response::fault(&Fault::method_not_found("sixhop.find"));
        async move { Ok(vec![fault.into()]) }.boxed()
    });
    let mut finder = Finder::begin(&overlay, name("a"));
    assert!(all(&mut finder).await.is_empty());
    assert_eq!(overlay.list()[0].failures, 0);
}

#[tokio::test(start_paused = true)]
async fn only_our_own_peers_are_blamed_for_silence() {
    let (overlay, _transport) = network(BTreeMap::from([(1, found(&[], &[2]))]));
    let mut finder = Finder::begin(&overlay, name("a"));
    assert!(all(&mut finder).await.is_empty());
    assert_eq!(finder.asked(), 2);
    assert_eq!(overlay.list()[0].failures, 0);
    let (overlay, _transport) = network(BTreeMap::new());
    assert!(
        all(&mut Finder::begin(&overlay, name("a")))
            .await
            .is_empty()
    );
    assert_eq!(overlay.list()[0].failures, 1);
}

/// Answers a search with one name at a time, and a cursor for the rest.
fn answer_search(names: &[&str], request: &PeerRequest) -> Result<Vec<Bytes>, TransportError> {
    let Purpose::Find(body) = &request.purpose else {
        return Err(TransportError::Status {
            status: 404,
            kind: PeerKind::Book,
        });
    };
    let call = request::read(body).unwrap();
    let at = match More::from_params(&call.params) {
        Ok(more) => more.cursor.parse().unwrap(),
        Err(_) => {
            assert!(Find::from_params(&call.params).unwrap().deadline.is_some());
            0
        }
    };
    let page = Found {
        hits: vec![hit(names[at])],
        cursor: (at + 1 < names.len()).then(|| (at + 1).to_string()),
        end: FoundEnd::Partial,
        ..Found::default()
    };
    Ok(vec![response::value(&page.to_value()).into()])
}

#[tokio::test(start_paused = true)]
async fn a_search_for_the_best_takes_all_pages_in_order() {
    let (overlay, transport) = network(BTreeMap::new());
    transport.add(&url(1), |request| {
        let answer = answer_search(&["z", "a", "m"], &request);
        async move { answer }.boxed()
    });
    let mut finder = Finder::search(&overlay, "text:x".to_owned(), 10, SearchReach::Normal);
    let pages = all(&mut finder).await;
    let names: Vec<_> = pages.into_iter().flat_map(|(_, names)| names).collect();
    assert_eq!(names, ["z", "a", "m"]);
    let step = &finder.steps()[0];
    assert_eq!((step.hits, step.end), (3, FoundEnd::Partial));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_always_has_a_cursor_is_left_in_the_end() {
    let (overlay, transport) = network(BTreeMap::new());
    transport.add(&url(1), |_| {
        let page = Found {
            cursor: Some("again".to_owned()),
            ..Found::default()
        };
        async move { Ok(vec![response::value(&page.to_value()).into()]) }.boxed()
    });
    let mut finder = Finder::search(&overlay, "x".to_owned(), 10, SearchReach::Normal);
    assert!(all(&mut finder).await.is_empty());
    assert_eq!(finder.asked(), 1);
}
