//! Tests of the order of calls of a search, and of its end.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

impl Peer for u32 {
    type Key = u32;

    fn key(&self) -> u32 {
        *self
    }

    fn also_named(&mut self, _: &u32) {}
}

fn candidate(peer: u32, hint: Hint) -> Candidate<u32> {
    Candidate {
        peer,
        hint,
        penalty: 0,
    }
}

fn all(peers: impl IntoIterator<Item = u32>, hint: Hint) -> Vec<Candidate<u32>> {
    let peers = peers.into_iter();
    peers.map(|peer| candidate(peer, hint)).collect()
}

/// Returns a search of node 0.
fn planner(reach: SearchReach, enough: usize) -> (Planner<u32>, Instant) {
    let now = Instant::now();
    (Planner::new(&0, Limits::of(reach, enough), now), now)
}

/// Asks one after the other; nobody has anything. Returns the peers that were asked, and the reasons.
fn ask_all(planner: &mut Planner<u32>, now: Instant) -> Vec<(u32, AskedWhy)> {
    let mut asked = Vec::new();
    while let Some(target) = planner.next(now) {
        planner.ended(&target, now);
        planner.answered(&target, 0);
        asked.push((target.peer, target.why));
    }
    asked
}

#[test]
fn likely_peers_come_first_and_nearer_ones_before_others() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1], Hint::Missed));
    planner.add(all([2], Hint::Open));
    planner.named(&2, 1, all([3], Hint::Open));
    planner.named(&2, 1, all([4], Hint::RuledOut));
    planner.named(&2, 1, all([5], Hint::Match));
    planner.add(all([6], Hint::Match));
    planner.point_to([7]);
    planner.add(all([8], Hint::RuledOut));
    planner.add(all([9], Hint::NoHandler));
    let expected = [
        (7, AskedWhy::Pointer),
        (6, AskedWhy::Match),
        (5, AskedWhy::Match),
        (2, AskedWhy::Peer),
        (3, AskedWhy::Referral),
        (4, AskedWhy::Onward),
        (1, AskedWhy::Peer),
    ];
    assert_eq!(ask_all(&mut planner, now), expected);
    let passed = planner.passed_over();
    assert_eq!((passed.ruled_out, passed.no_handler), (1, 1));
    assert_eq!(planner.verdict(), MissReason::NotFound);
}

#[test]
fn four_are_asked_at_a_time_and_slow_ones_make_room() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all(0..10, Hint::Open));
    for _ in 0..FAN_OUT {
        assert!(planner.next(now).is_some());
    }
    assert_eq!(planner.next(now), None);
    assert_eq!(planner.look_again_at(now), Some(now + SLOW_AFTER));
    assert!(planner.next(now + SLOW_AFTER).is_some());
}

#[test]
fn a_hit_costs_the_call_of_its_holder_only() {
    let (mut planner, now) = planner(SearchReach::Sure, 1);
    planner.add(all([1], Hint::Match));
    planner.add(all(2..9, Hint::Open));
    planner.add(all(9..12, Hint::RuledOut));
    let target = planner.next(now).unwrap();
    assert_eq!(planner.next(now), None, "a likely one is waited for");
    planner.ended(&target, now);
    planner.answered(&target, 1);
    assert_eq!(planner.next(now), None, "there is enough");
    assert_eq!(planner.passed_over().all(), 10);
}

#[test]
fn where_others_answer_at_once_a_call_is_slow_sooner() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all(0..10, Hint::Open));
    let first = planner.next(now).unwrap();
    planner.ended(&first, now + Duration::from_millis(1));
    planner.answered(&first, 0);
    for _ in 0..FAN_OUT {
        assert!(planner.next(now).is_some());
    }
    assert_eq!(planner.next(now), None);
    assert_eq!(planner.look_again_at(now), Some(now + SLOW_AFTER_MIN));
    let second = planner.next(now + SLOW_AFTER_MIN).unwrap();
    // A lack of quick answers does not make the wait longer than before.
    planner.ended(&second, now + SLOW_AFTER * 4);
    assert_eq!(planner.slow_after.time(), SLOW_AFTER_MIN);
}

#[test]
fn a_slow_holder_is_not_waited_for() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1], Hint::Match));
    planner.add(all([2], Hint::Open));
    assert_eq!(planner.next(now).unwrap().peer, 1);
    assert_eq!(planner.next(now + SLOW_AFTER).unwrap().peer, 2);
}

#[test]
fn a_full_mesh_that_says_no_is_asked_only_by_a_sure_search() {
    for (reach, calls) in [
        (SearchReach::Quick, 0),
        (SearchReach::Normal, 0),
        (SearchReach::Sure, 9),
    ] {
        let (mut planner, now) = planner(reach, 1);
        planner.add(all(1..10, Hint::RuledOut));
        for by in 1..10 {
            planner.named(&by, 1, all(0..10, Hint::RuledOut));
        }
        let asked = ask_all(&mut planner, now);
        assert_eq!(asked.len(), calls);
        assert!(asked.iter().all(|(_, why)| *why == AskedWhy::Sure));
        assert_eq!(planner.passed_over().ruled_out, 9 - calls);
    }
}

#[test]
fn before_the_first_hit_only_likely_peers_exceed_the_budget() {
    let Limits { budget, more, .. } = Limits::of(SearchReach::Normal, 1);
    let many = u32::try_from(2 * budget).unwrap();
    for (hint, found, asked) in [
        (Hint::Match, 0, budget + more),
        (Hint::Match, 1, budget),
        (Hint::Open, 0, budget),
    ] {
        let (mut planner, now) = planner(SearchReach::Normal, usize::MAX);
        planner.add(all(0..many, hint));
        planner.found = found;
        assert_eq!(ask_all(&mut planner, now).len(), asked, "{hint:?}");
        assert_eq!(planner.verdict(), MissReason::Budget);
    }
}

#[test]
fn a_search_ends_after_six_hops_and_says_so() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1], Hint::Open));
    let mut asked = Vec::new();
    while let Some(target) = planner.next(now) {
        asked.push(target.peer);
        planner.ended(&target, now);
        let next = target.peer + 1;
        planner.named(&target.peer, target.hops, all([next, next + 1], Hint::Open));
        assert_eq!(target.hops as u32, target.peer / 2 + 1);
    }
    assert_eq!(asked, (1..=11).collect::<Vec<_>>());
    assert_eq!(planner.verdict(), MissReason::HopLimit);
    assert!(planner.passed_over().too_far > 0);
}

#[test]
fn a_complete_search_lacks_nothing() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1, 1, 0], Hint::Open));
    let target = planner.next(now).unwrap();
    planner.ended(&target, now);
    planner.named(&1, 1, all([0, 1], Hint::Match));
    assert_eq!(planner.next(now), None);
    planner.give_up();
    assert_eq!(
        (planner.asked(), planner.verdict()),
        (1, MissReason::NotFound)
    );
}

#[test]
fn who_named_a_peer_first_is_kept() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1, 2], Hint::Open));
    let (first, second) = (planner.next(now).unwrap(), planner.next(now).unwrap());
    planner.named(&2, 1, all([3], Hint::Open));
    planner.named(&1, 1, all([3], Hint::Match));
    let third = planner.next(now).unwrap();
    assert_eq!(
        (third.peer, third.named_by, third.why),
        (3, Some(2), AskedWhy::Match)
    );
    assert!(first.is_ours && second.is_ours && !third.is_ours);
    assert_eq!((first.named_by, second.named_by), (None, None));
}

#[test]
fn who_is_wrong_about_others_is_not_believed_any_more() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1, 2], Hint::Open));
    for _ in 0..2 {
        let target = planner.next(now).unwrap();
        planner.ended(&target, now);
    }
    planner.named(&1, 1, all(10..30, Hint::Match));
    planner.named(&2, 1, all([40], Hint::Open));
    let asked = ask_all(&mut planner, now);
    let claimed = asked.iter().filter(|(_, why)| *why == AskedWhy::Match);
    assert_eq!(claimed.count(), FALSE_CLAIMS_MAX);
    assert_eq!(asked.len(), 21);
}

#[test]
fn the_deadline_ends_a_search_and_is_said() {
    let (mut planner, now) = planner(SearchReach::Normal, 1);
    planner.add(all([1, 2], Hint::Open));
    assert!(planner.next(now).is_some());
    assert_eq!(planner.next(planner.deadline()), None);
    planner.give_up();
    assert_eq!(planner.next(now), None);
    assert_eq!(planner.verdict(), MissReason::Deadline);
    assert_eq!(planner.passed_over().left, 1);
}

fn hint() -> impl Strategy<Value = Hint> {
    prop_oneof![
        Just(Hint::Pointer),
        Just(Hint::Match),
        Just(Hint::Open),
        Just(Hint::Missed),
        Just(Hint::RuledOut),
        Just(Hint::NoHandler),
    ]
}

fn reach() -> impl Strategy<Value = SearchReach> {
    prop_oneof![
        Just(SearchReach::Quick),
        Just(SearchReach::Normal),
        Just(SearchReach::Sure)
    ]
}

type Answers = Vec<Vec<(u32, Hint)>>;

fn answers() -> impl Strategy<Value = Answers> {
    let answer = proptest::collection::vec((0..900_u32, hint()), 0..32);
    proptest::collection::vec(answer, 1..60)
}

proptest! {
    /// Checks for any answers: no peer is asked twice, within the budget and the time,
    /// a likelier one always before a less likely one, and all are counted.
    #[test]
    fn a_search_keeps_its_bounds(answers in answers(), reach in reach(), slow in 1..5_u32) {
        let limits = Limits::of(reach, usize::MAX);
        let begun = Instant::now();
        let mut planner = Planner::new(&0, limits, begun);
        let candidates = |n: usize| {
            let answer = answers[n % answers.len()].iter();
            answer.map(|(peer, hint)| candidate(*peer, *hint)).collect::<Vec<_>>()
        };
        planner.add(candidates(0));
        let mut heard: HashSet<u32> = answers[0].iter().map(|(peer, _)| *peer).collect();
        let (mut asked, mut running) = (HashSet::new(), Vec::new());
        let (mut now, mut turn) = (begun, 0);
        loop {
            let waits = planner.frontier.first();
            if let Some(target) = planner.next(now) {
                prop_assert_eq!(Some(target.stage), waits);
                prop_assert!(target.stage <= limits.last_stage());
                prop_assert!(asked.insert(target.peer), "{} twice", target.peer);
                prop_assert!(target.peer != 0 && target.hops <= HISTORY_MAX);
                running.push(target);
                prop_assert!(running.len() <= IN_FLIGHT_MAX);
                continue;
            }
            if running.is_empty() {
                break;
            }
            now += SLOW_AFTER / slow;
            let target: Target<u32> = running.remove(0);
            turn += 1;
            planner.ended(&target, now);
            planner.answered(&target, turn % 2);
            heard.extend(answers[turn % answers.len()].iter().map(|(peer, _)| *peer));
            planner.named(&target.peer, target.hops, candidates(turn));
        }
        heard.remove(&0);
        prop_assert!(asked.len() <= limits.budget + limits.more);
        prop_assert_eq!(asked.len(), planner.asked());
        prop_assert_eq!(planner.passed_over().all(), heard.len() - asked.len());
        let ended = planner.next(begun + limits.time);
        prop_assert_eq!(ended, None);
    }
}
