//! Tests of the table of peers.

use node_transport::TARGET_PAUSE;

use super::{entry::HELLO_PAUSES, *};

fn url(n: usize) -> PeerUrl {
    PeerUrl::parse(&format!("http://127.0.0.1:{}", 10_000 + n)).unwrap()
}

fn table() -> (PeerTable, Instant) {
    (PeerTable::new(url(0)), Instant::now())
}

fn met(kind: PeerKind, latency: Duration, address: Option<IpAddr>) -> Met {
    Met {
        kind,
        dialect: None,
        latency,
        address,
        id: None,
        name: None,
        features: Vec::new(),
    }
}

/// Adds a peer that a stranger named and that answered.
fn known(table: &mut PeerTable, n: usize, now: Instant) {
    table.add(&url(n), KnownFrom::Hello, now);
    table.introduced(&url(n), met(PeerKind::Sixhop, PAUSE, None), now);
}

fn due(table: &mut PeerTable, now: Instant) -> Vec<u16> {
    let introductions = table.to_introduce(now, 9);
    let ports = introductions.iter().map(|one| one.peer.port());
    ports.map(|port| port.wrapping_sub(10_000)).collect()
}

fn ports(peers: &[PeerEntry]) -> Vec<u16> {
    peers.iter().map(|peer| peer.url.port() - 10_000).collect()
}

#[test]
fn adding_twice_or_adding_ourselves_changes_nothing() {
    let (mut table, now) = table();
    assert_eq!(table.add(&url(1), KnownFrom::Hello, now), Added::New);
    assert_eq!(
        table.add(&url(1).codes(), KnownFrom::Hello, now),
        Added::Known
    );
    assert_eq!(table.add(&url(0), KnownFrom::Hello, now), Added::Ourselves);
    assert_eq!(table.len(), 1);
}

#[test]
fn the_third_failure_drops_a_peer_and_an_answer_resets_them() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Settings, now);
    assert!(!table.failed(&url(1), "refused", now));
    assert!(!table.failed(&url(1), "refused", now));
    table.answered(&url(1), PeerKind::Sixhop, None);
    assert!(!table.failed(&url(1), "refused", now));
    assert!(!table.failed(&url(1), "refused", now));
    assert!(table.failed(&url(1), "refused", now));
    assert!(table.is_empty());
}

#[test]
fn a_peer_whose_answers_cannot_be_read_is_asked_again_at_once() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    for _ in 0..FAILURES_MAX * 2 {
        table.unreadable(&url(1), "cannot be read");
        assert_eq!(table.to_ask(&[], now).len(), 1);
    }
    let peer = table.get(&url(1)).unwrap();
    assert_eq!(peer.last_error.as_deref(), Some("cannot be read"));
    table.answered(&url(1), PeerKind::Book, None);
    assert_eq!(table.get(&url(1)).unwrap().last_error, None);
}

#[test]
fn a_refusal_is_told_until_the_peer_lets_this_node_in() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    let told = |table: &PeerTable| table.get(&url(1)).unwrap().last_error.clone();
    table.refuses(&url(1), Some("a private network"));
    table.answered(&url(1), PeerKind::Sixhop, None);
    assert_eq!(told(&table).as_deref(), Some("a private network"));
    table.refuses(&url(1), None);
    assert_eq!(told(&table), None);
    table.answered(&url(1), PeerKind::Sixhop, None);
    assert_eq!(told(&table), None);
}

#[test]
fn a_peer_that_failed_rests_and_longer_each_time() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Settings, now);
    table.failed(&url(1), "refused", now);
    assert!(table.to_ask(&[], now + PAUSE / 2).is_empty());
    assert_eq!(table.to_ask(&[], now + PAUSE).len(), 1);
    table.failed(&url(1), "refused", now + PAUSE);
    assert!(table.to_ask(&[], now + PAUSE * 2).is_empty());
    assert_eq!(table.to_ask(&[], now + PAUSE * 3).len(), 1);
}

#[test]
fn a_hello_of_a_resting_peer_has_it_called_and_ends_its_rest() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    table.failed(&url(1), "refused", now);
    assert_eq!(table.to_introduce(now, 9), []);
    table.add(&url(1), KnownFrom::Hello, now);
    assert!(table.to_ask(&[], now).is_empty(), "a word is no answer");
    assert_eq!(due(&mut table, now), [1]);
    table.introduced(&url(1), met(PeerKind::Sixhop, PAUSE, None), now);
    assert_eq!(table.to_ask(&[], now).len(), 1);
}

#[test]
fn peers_of_the_history_are_not_asked_however_they_are_written() {
    let (mut table, now) = table();
    for n in 1..=3 {
        known(&mut table, n, now);
    }
    let history = [
        "http://127.0.0.1:10001".to_owned(),
        "http://127.0.0.1:10002/codes".to_owned(),
        "junk".to_owned(),
    ];
    assert_eq!(ports(&table.to_ask(&history, now)), [3]);
}

#[test]
fn peers_that_answered_come_first_and_failed_ones_last() {
    let (mut table, now) = table();
    for n in 1..=3 {
        table.add(&url(n), KnownFrom::Settings, now);
    }
    table.failed(&url(1), "refused", now);
    table.answered(&url(3), PeerKind::Sixhop, None);
    assert_eq!(ports(&table.to_ask(&[], now + PAUSE)), [3, 2, 1]);
}

#[test]
fn a_full_table_forgets_the_oldest_candidate_first() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Settings, now);
    known(&mut table, 2, now);
    for n in 3..3 + CANDIDATES_MAX {
        table.add(&url(n), KnownFrom::Hello, now);
    }
    let newest = url(3 + CANDIDATES_MAX);
    assert_eq!(table.add(&newest, KnownFrom::Hello, now), Added::New);
    assert_eq!(table.len(), 2 + CANDIDATES_MAX);
    assert!(table.get(&url(1)).is_some() && table.get(&url(2)).is_some());
    assert!(table.get(&url(3)).is_none() && table.get(&newest).is_some());
    for n in 1_000..1_000 + PEERS_MAX {
        table.add(&url(n), KnownFrom::Owner, now);
    }
    assert_eq!(table.len(), PEERS_MAX);
    assert_eq!(table.add(&url(9_999), KnownFrom::Hello, now), Added::Full);
}

#[test]
fn a_candidate_is_neither_asked_nor_saved_before_it_answers() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Hello, now);
    assert!(table.to_ask(&[], now).is_empty());
    assert_eq!(table.revision(), 0);
    assert_eq!(due(&mut table, now), [1]);
    let book = || met(PeerKind::Book, PAUSE, None);
    assert_eq!(table.introduced(&url(1), book(), now), Outcome::New);
    assert_eq!((table.to_ask(&[], now).len(), table.revision()), (1, 1));
    assert_eq!(table.introduced(&url(1), book(), now), Outcome::Known);
}

#[test]
fn a_candidate_of_a_hello_is_called_again_and_then_forgotten() {
    let (mut table, mut now) = table();
    table.add(&url(1), KnownFrom::Hello, now);
    for pause in [2, 10, 30, 60].map(Duration::from_secs) {
        assert_eq!(due(&mut table, now), [1]);
        assert_eq!(due(&mut table, now), [0; 0], "it is being called");
        table.add(&url(1), KnownFrom::Hello, now);
        table.not_introduced(&url(1), "refused", now);
        let early = now + pause - Duration::from_millis(1);
        assert_eq!(due(&mut table, early), [0; 0], "it is left alone");
        now += pause;
    }
    assert_eq!(due(&mut table, now), [1]);
    table.not_introduced(&url(1), "refused", now);
    assert!(table.is_empty());
}

#[test]
fn a_node_that_starts_after_its_hello_is_met() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Hello, now);
    assert_eq!(due(&mut table, now), [1]);
    table.not_introduced(&url(1), "refused", now);
    let later = now + Duration::from_secs(2);
    assert_eq!(due(&mut table, later), [1]);
    let book = met(PeerKind::Book, PAUSE, None);
    assert_eq!(table.introduced(&url(1), book, later), Outcome::New);
    assert_eq!(table.to_ask(&[], later).len(), 1);
}

#[test]
fn a_candidate_of_an_exchange_is_called_twice_a_minute_apart() {
    let (mut table, mut now) = table();
    table.add(&url(1), KnownFrom::Exchange, now);
    for _ in 0..2 {
        assert_eq!(due(&mut table, now), [1]);
        table.not_introduced(&url(1), "refused", now);
        let early = now + TARGET_PAUSE - PAUSE;
        assert_eq!(due(&mut table, early), [0; 0], "it was called a minute ago");
        now += TARGET_PAUSE;
    }
    assert!(table.is_empty());
}

#[test]
fn ten_thousand_names_of_one_target_are_one_call_a_minute() {
    let (mut table, mut now) = table();
    let mut calls = 0;
    for n in 0..10_000 {
        let named = PeerUrl::parse(&format!("http://127.0.0.1:9/{n}")).unwrap();
        table.add(&named, KnownFrom::Hello, now);
        calls += due(&mut table, now).len();
        now += Duration::from_millis(12);
    }
    assert_eq!(calls, 2, "two minutes");
    assert!(table.len() <= CANDIDATES_MAX);
}

#[test]
fn a_chosen_peer_that_does_not_answer_is_tried_again_soon() {
    let (mut table, now) = table();
    table.add(&url(2), KnownFrom::Settings, now);
    assert_eq!(due(&mut table, now), [2]);
    table.not_introduced(&url(2), "refused", now);
    assert_eq!(due(&mut table, now), [0; 0]);
    let later = table.next_introduction().unwrap();
    assert!(later < now + TARGET_PAUSE);
    assert_eq!(due(&mut table, later), [2]);
    let latency = Duration::from_millis(7);
    table.introduced(&url(2), met(PeerKind::Book, latency, None), now);
    assert_eq!(table.next_introduction(), None);
    assert_eq!(table.get(&url(2)).unwrap().latency, Some(latency));
}

#[test]
fn an_owner_makes_a_candidate_a_peer() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Hello, now);
    table.add(&url(1), KnownFrom::Owner, now);
    assert_eq!(table.to_ask(&[], now).len(), 1);
    let introductions = table.to_introduce(now, 9);
    assert!(introductions.iter().all(|one| one.named_by.is_none()));
    assert_eq!(introductions.len(), 1);
}

#[test]
fn candidates_are_waited_for_during_their_first_meeting() {
    let (mut table, now) = table();
    let patience = Duration::from_secs(1);
    table.add(&url(1), KnownFrom::Hello, now);
    let until = Some(now + patience);
    assert_eq!(table.meeting(&[], false, patience, now), until);
    let history = [url(1).as_str().to_owned()];
    assert_eq!(
        table.meeting(&history, false, patience, now),
        None,
        "it waits for us"
    );
    assert_eq!(due(&mut table, now), [1]);
    assert_eq!(table.meeting(&[], false, patience, now), until);
    assert_eq!(table.meeting(&[], false, patience, now + patience), None);
    table.not_introduced(&url(1), "refused", now);
    assert_eq!(table.meeting(&[], false, patience, now), None);
}

#[test]
fn strangers_make_few_peers_of_one_network_known() {
    let (mut table, now) = table();
    let near = |last: usize| PeerUrl::parse(&format!("http://203.0.113.{last}/")).unwrap();
    for last in 1..=NETWORK_MAX {
        assert_eq!(table.add(&near(last), KnownFrom::Hello, now), Added::New);
    }
    assert_eq!(table.add(&near(100), KnownFrom::Hello, now), Added::Crowded);
    assert_eq!(table.add(&near(100), KnownFrom::Owner, now), Added::New);
    let named = PeerUrl::parse("http://example.org/").unwrap();
    table.add(&named, KnownFrom::Hello, now);
    let address = Some(IpAddr::from([203, 0, 113, 9]));
    let outcome = table.introduced(&named, met(PeerKind::Sixhop, PAUSE, address), now);
    assert_eq!(outcome, Outcome::Gone);
    assert!(table.get(&named).is_none(), "its address is one of them");
}

#[test]
fn the_active_view_is_mixed_and_has_only_working_peers() {
    let (mut table, now) = table();
    for n in 1..=40 {
        known(&mut table, n, now);
        let latency = Duration::from_millis(1_000 - n as u64);
        table.introduced(&url(n), met(PeerKind::Sixhop, latency, None), now);
    }
    table.failed(&url(40), "refused", now);
    table.add(&url(50), KnownFrom::Hello, now);
    let view = ports(&active(table.list(), |_| 0));
    assert_eq!(view.len(), ACTIVE_MAX);
    assert_eq!(view[..8], [39, 38, 37, 36, 35, 34, 33, 32], "worth most");
    assert_eq!(view[8..12], [1, 2, 3, 4], "known for longest");
    let drawn = ports(&active(table.list(), |n| n - 1));
    assert_ne!(view[12..], drawn[12..]);
    assert!(!view.contains(&40) && !view.contains(&50));
}

#[test]
fn a_steady_view_keeps_the_oldest_and_differs_at_each_node() {
    let view = |peers: std::ops::Range<u64>, node: u64| {
        let lot = |peer: &u64| (peer * 2_654_435_761 + node * 40_503) % 1_000_003;
        steady(peers, 64, |peer| *peer, lot)
    };
    assert_eq!(view(0..64, 1).len(), 64);
    let before = view(0..300, 1);
    assert_eq!(before.len(), 64);
    assert_eq!(before[..16], (0..16).collect::<Vec<_>>());
    let gone = before[30];
    let after = view(0..300, 1);
    assert_eq!(before, after);
    // One more or less changes one place.
    let lot = |peer: &u64| (peer * 2_654_435_761 + 40_503) % 1_000_003;
    let without = steady((0..300).filter(|peer| *peer != gone), 64, |peer| *peer, lot);
    let kept = before.iter().filter(|peer| without.contains(peer));
    assert_eq!(kept.count(), 63);
    // Among ten nodes nearly everybody is in the view of one.
    let mut seen: Vec<u64> = (0..10)
        .flat_map(|node| view(0..300, node * 7_919))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 200, "{}", seen.len());
}

#[test]
fn of_those_that_answered_the_one_worth_most_is_asked_first() {
    let (mut table, now) = table();
    for (n, latency) in [(1, 900), (2, 10), (3, 300)] {
        known(&mut table, n, now);
        let latency = Duration::from_millis(latency);
        table.introduced(&url(n), met(PeerKind::Sixhop, latency, None), now);
    }
    assert_eq!(ports(&table.to_ask(&[], now)), [2, 3, 1]);
}

#[test]
fn a_peer_that_answers_quickly_and_always_is_worth_more() {
    let (mut table, now) = table();
    for n in 1..=3 {
        known(&mut table, n, now);
    }
    table.introduced(
        &url(1),
        met(PeerKind::Sixhop, Duration::from_millis(10), None),
        now,
    );
    table.introduced(
        &url(2),
        met(PeerKind::Sixhop, Duration::from_secs(2), None),
        now,
    );
    table.introduced(
        &url(3),
        met(PeerKind::Sixhop, Duration::from_millis(10), None),
        now,
    );
    table.failed(&url(3), "refused", now);
    let score = |n| table.get(&url(n)).unwrap().score();
    assert!(score(1) > score(2) && score(1) > score(3));
    assert!((0.0..=1.0).contains(&score(1)));
}

#[test]
fn peer_that_could_not_be_asked_who_it_is_is_asked_again() {
    let (mut table, mut now) = table();
    let due = |table: &PeerTable| table.next_introduction();
    for (n, from, tries) in [
        (1, KnownFrom::Owner, 20),
        (2, KnownFrom::Hello, HELLO_PAUSES.len()),
    ] {
        table.named(&url(n), from, None, now);
        for _ in 0..tries {
            assert_eq!(table.to_introduce(now, 9).len(), 1);
            table.introduced(&url(n), met(PeerKind::Sixhop, PAUSE, None), now);
            assert_eq!(due(&table), None);
            table.not_asked_who(&url(n), now);
            let at = due(&table).expect("another try");
            assert!(at > now && at <= now + INTRODUCTION_PAUSE_MAX);
            now = at;
        }
        table.to_introduce(now, 9);
        let shown = Met {
            id: Some(NodeId([1; 32])),
            ..met(PeerKind::Sixhop, PAUSE, None)
        };
        if from == KnownFrom::Hello {
            table.introduced(&url(n), met(PeerKind::Sixhop, PAUSE, None), now);
            table.not_asked_who(&url(n), now);
            assert_eq!(due(&table), None, "a stranger's is left alone then");
        }
        table.introduced(&url(n), shown, now);
        assert_eq!(due(&table), None);
        table.not_asked_who(&url(n), now);
        assert_eq!(due(&table), Some(now + table_pause(from)));
        table.remove(&url(n));
    }
}

/// Returns the first pause before a peer is asked again who it is.
fn table_pause(from: KnownFrom) -> Duration {
    if from == KnownFrom::Owner {
        PAUSE
    } else {
        HELLO_PAUSES[0]
    }
}

#[test]
fn somebody_else_at_a_known_url_is_a_new_peer() {
    let (mut table, now) = table();
    let shown = |id: u8| Met {
        id: Some(NodeId([id; 32])),
        ..met(PeerKind::Sixhop, PAUSE, None)
    };
    table.add(&url(1), KnownFrom::Owner, now);
    assert_eq!(table.introduced(&url(1), shown(1), now), Outcome::Known);
    let unproved = met(PeerKind::Sixhop, PAUSE, None);
    assert_eq!(table.introduced(&url(1), unproved, now), Outcome::Known);
    let worth = table.get(&url(1)).unwrap().score();
    let was = NodeId([1; 32]);
    let outcome = table.introduced(&url(1), shown(2), now);
    assert_eq!(outcome, Outcome::Another { was });
    let peer = table.get(&url(1)).unwrap();
    assert!(peer.score() < worth && peer.is_chosen);
    assert_eq!(peer.id, Some(NodeId([2; 32])));
    let was = NodeId([2; 32]);
    let book = met(PeerKind::Book, PAUSE, None);
    assert_eq!(
        table.introduced(&url(1), book, now),
        Outcome::Another { was }
    );
    assert_eq!(table.get(&url(1)).unwrap().id, None);
}

#[test]
fn the_reserve_is_drawn_on_one_by_one_and_has_an_end() {
    let (mut table, now) = table();
    let by = IpAddr::from([127, 0, 0, 1]);
    known(&mut table, 1, now);
    for n in [0, 1, 2, 2, 3] {
        table.reserve(url(n), by);
    }
    assert_eq!(table.len(), 1, "nobody is called because he was named");
    assert_eq!(table.draw_on_reserve(now), Some(url(2)));
    assert_eq!(due(&mut table, now), [2]);
    assert_eq!(table.draw_on_reserve(now), Some(url(3)));
    assert_eq!(table.draw_on_reserve(now), None);
    for n in 100..=100 + RESERVE_MAX {
        table.reserve(url(n), by);
    }
    assert_eq!(table.draw_on_reserve(now), Some(url(101)));
}

#[test]
fn what_the_owner_removed_comes_back_for_the_owner_or_later() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    known(&mut table, 2, now);
    for n in [1, 2] {
        assert!(table.remove_for_owner(&url(n), now));
        assert_eq!(table.add(&url(n), KnownFrom::Hello, now), Added::Removed);
    }
    assert_eq!(table.add(&url(1), KnownFrom::Owner, now), Added::New);
    let later = now + REMOVED_FOR;
    assert_eq!(table.add(&url(2), KnownFrom::Hello, later), Added::New);
}

/// Returns the times at which a peer that was lost at `now` is called, until `until`; it never answers.
fn looked_for(table: &mut PeerTable, now: Instant, until: Duration) -> Vec<u64> {
    let mut calls = Vec::new();
    for second in 0..until.as_secs() {
        let now = now + Duration::from_secs(second);
        for one in table.to_introduce(now, 9) {
            calls.push(second);
            table.not_introduced(&one.peer, "refused", now);
        }
    }
    calls
}

fn lose(table: &mut PeerTable, n: usize, now: Instant) {
    for _ in 0..FAILURES_MAX {
        table.failed(&url(n), "refused", now);
    }
    assert!(table.get(&url(n)).is_none());
}

#[test]
fn a_lost_peer_is_looked_for_less_and_less_often_and_for_a_day() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    lose(&mut table, 1, now);
    let calls = looked_for(&mut table, now, LOST_FOR + LOST_PAUSE_MAX * 2);
    assert_eq!(calls[..6], [60, 180, 420, 900, 1_500, 2_100]);
    let last = *calls.last().unwrap();
    assert!(
        LOST_FOR.as_secs() - last <= LOST_PAUSE_MAX.as_secs(),
        "{last}"
    );
    assert_eq!(table.lost().count(), 0);
}

#[test]
fn a_lost_peer_that_answers_is_a_peer_again_and_is_who_it_was() {
    let (mut table, now) = table();
    let id = NodeId([1; 32]);
    table.add(&url(1), KnownFrom::Owner, now);
    let before = Before {
        id: Some(id),
        kind: Some(PeerKind::Sixhop),
        is_chosen: true,
        namer: None,
    };
    table.remember(&url(1), before);
    lose(&mut table, 1, now);
    let later = now + TARGET_PAUSE;
    assert_eq!(due(&mut table, later), [1]);
    assert!(table.to_ask(&[], later).is_empty(), "not before it answers");
    let outcome = table.introduced(&url(1), met(PeerKind::Sixhop, PAUSE, None), later);
    assert_eq!(outcome, Outcome::New);
    assert_eq!(table.to_ask(&[], later).len(), 1);
    let peer = table.get(&url(1)).unwrap();
    assert!(peer.is_chosen && peer.id == Some(id));
    assert_eq!(table.lost().count(), 0);
}

#[test]
fn removed_peers_are_not_looked_for_and_lost_ones_expire() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    lose(&mut table, 1, now);
    table.remove_for_owner(&url(1), now);
    assert!(looked_for(&mut table, now, LOST_PAUSE_MAX).is_empty());
    for n in 0..=LOST_MAX {
        known(&mut table, 100 + n, now);
        lose(&mut table, 100 + n, now);
    }
    assert_eq!(table.lost().count(), LOST_MAX);
}

#[test]
fn what_the_owner_names_displaces_what_strangers_named() {
    let (mut table, now) = table();
    let name = |n: usize| {
        let (high, low) = (n / 250, n % 250 + 1);
        PeerUrl::parse(&format!("http://10.0.{high}.{low}:4242/")).unwrap()
    };
    table.add(&url(1), KnownFrom::Owner, now);
    for n in 0..2 * PEERS_MAX {
        let by = name(n).ip();
        table.named(&name(n), KnownFrom::Hello, by, now);
        table.answered(&name(n), PeerKind::Sixhop, None);
    }
    assert_eq!(table.len(), PEERS_MAX);
    for n in 2..100 {
        assert_eq!(table.add(&url(n), KnownFrom::Owner, now), Added::New, "{n}");
        assert_eq!(table.len(), PEERS_MAX);
    }
    for n in 1..100 {
        assert!(table.get(&url(n)).is_some(), "{n}");
    }
    // Strangers displace nobody.
    let late = table.named(&name(3_000), KnownFrom::Hello, None, now);
    assert_eq!(late, Added::Full);
    // A table of the owner's own peers is full.
    for n in 100..2 * PEERS_MAX {
        table.add(&url(n), KnownFrom::Owner, now);
    }
    assert_eq!(table.add(&name(1), KnownFrom::Owner, now), Added::Full);
}

#[test]
fn strangers_name_few_peers_of_one_host_of_a_local_network() {
    let (mut table, now) = table();
    let at = |host: &str, port: usize| PeerUrl::parse(&format!("http://{host}:{port}/")).unwrap();
    let mut named = |host: &str, most: usize| {
        let added = (1..=100).map(|port| {
            let url = at(host, port);
            table.named(&url, KnownFrom::Hello, url.ip(), now)
        });
        assert_eq!(
            added.filter(|added| *added == Added::New).count(),
            most,
            "{host}"
        );
    };
    named("192.168.1.7", NETWORK_MAX);
    named("192.168.1.8", NETWORK_MAX);
    named("[fd00::1]", NETWORK_MAX);
    named("[fd00::2]", 0);
    named("127.0.0.1", 100);
    assert_eq!(
        table.add(&at("192.168.1.7", 200), KnownFrom::Owner, now),
        Added::New
    );
}

#[test]
fn a_peer_is_met_when_it_proves_its_id_or_the_owner_named_it() {
    let (mut table, now) = table();
    let met = |id| Met {
        kind: PeerKind::Sixhop,
        dialect: None,
        latency: PAUSE,
        address: None,
        id,
        name: None,
        features: Vec::new(),
    };
    let is_met = |table: &PeerTable| table.get(&url(1)).unwrap().is_met();
    table.named(&url(1), KnownFrom::Hello, None, now);
    table.introduced(&url(1), met(None), now);
    assert!(!is_met(&table), "it only answered");
    let patience = Duration::from_secs(1);
    assert_eq!(table.meeting(&[], false, patience, now), None);
    assert_eq!(
        table.meeting(&[], true, patience, now),
        Some(now + patience)
    );
    table.was_asked_who(&url(1));
    assert_eq!(table.meeting(&[], true, patience, now), None);
    table.introduced(&url(1), met(Some(NodeId([1; 32]))), now);
    assert!(is_met(&table));
    table.add(&url(2), KnownFrom::Owner, now);
    assert!(table.get(&url(2)).unwrap().is_met());
    // A peer that an earlier run saved may be of the chapter, or prove its identity.
    table.add(&url(3), KnownFrom::Saved, now);
    assert_eq!(table.meeting(&[], false, patience, now), None);
    assert_eq!(
        table.meeting(&[], true, patience, now),
        Some(now + patience)
    );
    table.not_introduced(&url(3), "refused", now);
    assert_eq!(table.meeting(&[], true, patience, now), None);
}

#[test]
fn places_of_one_node_are_one_peer_once_it_is_met() {
    let (mut table, now) = (PeerTable::new(url(0)), Instant::now());
    let id = NodeId([1; 32]);
    for n in 1..=3 {
        table.named_as(&url(n), Some(id), KnownFrom::Owner, None, now);
    }
    // What a stranger says of an id is not believed before it is shown.
    table.named_as(&url(4), Some(id), KnownFrom::Hello, None, now);
    assert_eq!(
        table.get(&url(1)).unwrap().destination().expected(),
        Some(id)
    );
    let met = Met {
        kind: PeerKind::Sixhop,
        dialect: None,
        latency: Duration::ZERO,
        address: None,
        id: Some(id),
        name: None,
        features: Vec::new(),
    };
    table.introduced(&url(2), met, now);
    let known: Vec<PeerUrl> = table.list().into_iter().map(|peer| peer.url).collect();
    assert_eq!(known, [url(2), url(4)]);
    let again = table.named_as(&url(1), Some(id), KnownFrom::Settings, None, now);
    assert_eq!(again, Added::Known);
    assert!(!table.places()[&url(1).host_key()] && table.places()[&url(2).host_key()]);
}

#[test]
fn the_last_id_from_strangers_counts_until_one_is_met() {
    let (mut table, now) = (PeerTable::new(url(0)), Instant::now());
    let expected = |table: &PeerTable| table.get(&url(1)).unwrap().destination().expected();
    let (one, other) = (NodeId([1; 32]), NodeId([2; 32]));
    table.named_as(&url(1), Some(one), KnownFrom::Hello, None, now);
    assert_eq!(expected(&table), Some(one));
    table.named(&url(1), KnownFrom::Hello, None, now);
    assert_eq!(expected(&table), None);
    table.named_as(&url(1), Some(one), KnownFrom::Owner, None, now);
    table.named_as(&url(1), Some(other), KnownFrom::Hello, None, now);
    assert_eq!(expected(&table), Some(one));
}

#[test]
fn a_dropped_node_that_is_named_again_is_known_as_a_node() {
    let (mut table, now) = table();
    known(&mut table, 1, now);
    lose(&mut table, 1, now);
    assert_eq!(table.add(&url(1), KnownFrom::Owner, now), Added::New);
    let peer = table.get(&url(1)).unwrap();
    assert_eq!(peer.kind, Some(PeerKind::Sixhop));
    assert!(!peer.is_answering_node(), "it has not answered since");
}

#[test]
fn a_proved_node_whose_proxy_hides_its_kind_stays_a_node() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Owner, now);
    let proved = Met {
        id: Some(NodeId([1; 32])),
        ..met(PeerKind::Sixhop, PAUSE, None)
    };
    table.introduced(&url(1), proved, now);
    let saved = table.revision();
    table.answered(&url(1), PeerKind::Book, None);
    let peer = table.get(&url(1)).unwrap();
    assert_eq!(peer.kind, Some(PeerKind::Sixhop));
    assert_eq!(table.revision(), saved, "nothing is to be saved");
}

#[test]
fn the_answer_of_a_node_shows_its_kind_and_a_proxys_does_not() {
    let (mut table, now) = table();
    table.add(&url(1), KnownFrom::Owner, now);
    let saved = table.revision();
    table.answered_as(&url(1), PeerKind::Book);
    assert_eq!(table.get(&url(1)).unwrap().kind, None);
    assert_eq!(table.revision(), saved);
    table.answered_as(&url(1), PeerKind::Sixhop);
    assert!(table.revision() > saved, "it is saved");
    table.answered_as(&url(1), PeerKind::Book);
    let peer = table.get(&url(1)).unwrap();
    assert_eq!(peer.kind, Some(PeerKind::Sixhop));
    assert_eq!(peer.last_answer, None, "an error is no answer");
    table.answered(&url(1), PeerKind::Book, None);
    assert_eq!(table.get(&url(1)).unwrap().kind, Some(PeerKind::Book));
}
