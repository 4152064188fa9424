//! Searches while the network breaks, and among peers that are late.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::sleep;

use super::*;

/// Returns the longest time of a search with default limits.
fn time() -> Duration {
    Limits::of(SearchReach::Normal, 1).time
}

fn names(holders: &[(PeerUrl, Vec<String>)]) -> Vec<String> {
    let mut names: Vec<_> = holders
        .iter()
        .flat_map(|(_, names)| names.clone())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(start_paused = true)]
async fn half_the_network_gone_costs_a_search_only_their_hits() {
    const NODES: usize = 30;
    let (overlay, transport) = network(BTreeMap::new());
    let answered = Arc::new(AtomicUsize::new(0));
    for n in 1..=NODES {
        let peers: Vec<_> = (n + 1..=(n + 6).min(NODES)).collect();
        let own = n.to_string();
        let own = [own.as_str()];
        let page = found(if n % 5 == 0 { &own } else { &[] }, &peers);
        let answered = Arc::clone(&answered);
        transport.add(&url(n), move |request| {
            let is_gone = n % 2 == 1 && answered.load(Ordering::Relaxed) >= 4;
            let reply = answer(&page, &request);
            let answered = Arc::clone(&answered);
            async move {
                if is_gone {
                    return pending().await;
                }
                sleep(Duration::from_millis(50)).await;
                answered.fetch_add(1, Ordering::Relaxed);
                reply
            }
            .boxed()
        });
    }
    let begun = now();
    let mut finder = Finder::search(&overlay, "*".to_owned(), 100, SearchReach::Normal);
    let holders = all(&mut finder).await;
    assert!(now() - begun <= time(), "{:?}", now() - begun);
    let found = names(&holders);
    for there in ["10", "20", "30"] {
        assert!(found.iter().any(|name| name == there), "{found:?}");
    }
    assert_eq!(
        finder.verdict(),
        MissReason::Deadline,
        "some did not answer"
    );
    assert_eq!(finder.asked(), NODES, "who is gone kept nobody else away");
}

#[tokio::test(start_paused = true)]
async fn answers_after_the_deadline_do_not_make_a_search_longer() {
    let (overlay, transport) = network(BTreeMap::from([(1, found(&["1"], &[2, 3, 4, 5, 6]))]));
    for n in 2..=6 {
        let page = found(&[&n.to_string()], &[]);
        transport.add(&url(n), move |request| {
            let reply = answer(&page, &request);
            async move {
                sleep(time() + Duration::from_millis(1)).await;
                reply
            }
            .boxed()
        });
    }
    let begun = now();
    let mut finder = Finder::search(&overlay, "*".to_owned(), 100, SearchReach::Normal);
    assert_eq!(names(&all(&mut finder).await), ["1"]);
    assert_eq!(now() - begun, time());
    assert_eq!(finder.verdict(), MissReason::Deadline);
    sleep(Duration::from_secs(60)).await;
    assert!(
        finder.next().await.is_none(),
        "what comes late is not taken"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_always_has_more_soon_is_left_after_half_a_minute() {
    let (overlay, transport) = network(BTreeMap::new());
    transport.add(&url(1), |_| {
        let page = Found {
            hits: vec![hit("a")],
            cursor: Some("again".to_owned()),
            end: FoundEnd::Partial,
            ..Found::default()
        };
        async move {
            sleep(Duration::from_secs(2)).await;
            Ok(vec![response::value(&page.to_value()).into()])
        }
        .boxed()
    });
    let begun = now();
    let mut finder = Finder::search(&overlay, "x".to_owned(), 100, SearchReach::Normal);
    assert!(!all(&mut finder).await.is_empty());
    assert!(now() - begun <= TIME_MAX, "{:?}", now() - begun);
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_endless_pages_is_left_after_two_minutes() {
    let (overlay, transport) = network(BTreeMap::new());
    let page = Arc::new(AtomicUsize::new(0));
    transport.add(&url(1), move |_| {
        let name = format!("{:06}", page.fetch_add(1, Ordering::Relaxed));
        let found = Found {
            hits: vec![hit(&name)],
            more: true,
            ..Found::default()
        };
        async move {
            sleep(Duration::from_secs(2)).await;
            Ok(vec![response::value(&found.to_value()).into()])
        }
        .boxed()
    });
    let begun = now();
    let mut finder = Finder::begin(&overlay, FindWanted::Query("*".to_owned()));
    assert!(all(&mut finder).await.len() > 10);
    assert!(now() - begun <= ALL_TIME_MAX, "{:?}", now() - begun);
    assert!(now() - begun >= ALL_TIME_MAX - PAGE_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_liar_that_names_many_costs_only_the_budget_and_the_time() {
    let (overlay, transport) = network(BTreeMap::new());
    for n in 1..400 {
        // Everybody says that the next ones have it, names us and itself, and a text that is not a URL.
        let mut page = found(&["../../a", "b"], &(n + 1..n + 28).collect::<Vec<_>>());
        page.matching = page.peers.len();
        page.peers
            .extend([url(0).as_str(), url(n).as_str(), "http://", "file:///a"].map(str::to_owned));
        transport.add(&url(n), move |request| {
            let reply = answer(&page, &request);
            async move { reply }.boxed()
        });
    }
    let begun = now();
    let mut finder = Finder::begin(&overlay, name("a"));
    assert!(all(&mut finder).await.is_empty());
    let limits = Limits::of(SearchReach::Normal, 1);
    assert!(finder.asked() <= limits.budget + limits.more);
    assert_ne!(finder.verdict(), MissReason::NotFound, "it is not complete");
    assert!(now() - begun <= time());
    assert!(finder.steps().iter().all(|step| step.peer != url(0)));
}
