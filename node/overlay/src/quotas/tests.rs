//! Tests of the quotas with a clock that is given.

use std::time::Duration;

use super::*;

fn stranger(last: u8) -> Cause {
    Cause {
        address: IpAddr::from([203, 0, 113, last]),
        id: None,
    }
}

fn known(last: u8, id: u8) -> Cause {
    Cause {
        id: Some(NodeId([id; 32])),
        ..stranger(last)
    }
}

fn passed(quotas: &Quotas, cause: Cause, cost: Cost, now: Instant) -> usize {
    let tries = 0..50_000;
    let taken = tries.take_while(|_| quotas.take_at(cause, cost, now).is_ok());
    taken.count()
}

#[test]
fn a_stranger_has_a_quota_and_leaves_the_others_theirs() {
    let (quotas, now) = (Quotas::default(), Instant::now());
    assert_eq!(passed(&quotas, stranger(1), Cost::Call, now), 1_000);
    assert_eq!(passed(&quotas, stranger(2), Cost::Walk, now), 20);
    let later = now + Duration::from_secs(1);
    assert_eq!(passed(&quotas, stranger(1), Cost::Call, later), 100);
    let wait = quotas.take_at(stranger(1), Cost::Walk, later);
    assert_eq!(wait, Err(Duration::from_millis(500)));
}

#[test]
fn forwarded_calls_are_bounded_except_for_this_machine() {
    let (quotas, now) = (Quotas::default(), Instant::now());
    let here = Cause {
        address: IpAddr::from([127, 0, 0, 1]),
        id: None,
    };
    let most = u64::from(FORWARDED.burst) / Budget::WHOLE.calls() as u64;
    for n in 0..most {
        let who = known(u8::try_from(n % 200).unwrap(), 1);
        assert_eq!(quotas.forward_at(who, Budget::WHOLE, now), Ok(()));
    }
    let wait = quotas.forward_at(stranger(250), Budget::WHOLE, now);
    assert_eq!(wait, Err(Duration::from_millis(64)));
    assert_eq!(quotas.forward_at(here, Budget::WHOLE, now), Ok(()));
    let later = now + Duration::from_millis(64);
    assert_eq!(
        quotas.forward_at(stranger(250), Budget::WHOLE, later),
        Ok(())
    );
    assert_eq!(
        passed(&quotas, stranger(250), Cost::Call, now),
        1_000,
        "all else goes on"
    );
}

#[test]
fn a_node_that_has_shown_who_it_is_has_more_and_wherever_it_is() {
    let (quotas, now) = (Quotas::default(), Instant::now());
    assert_eq!(passed(&quotas, known(1, 7), Cost::Call, now), 20_000);
    assert_eq!(passed(&quotas, known(2, 7), Cost::Call, now), 0);
    assert_eq!(passed(&quotas, stranger(1), Cost::Call, now), 1_000);
}

#[test]
fn an_address_has_one_bucket_however_many_ids_it_has() {
    let (quotas, now) = (Quotas::default(), Instant::now());
    let ids = (0..5).map(|id| passed(&quotas, known(1, id), Cost::Call, now));
    assert_eq!(ids.collect::<Vec<_>>(), [20_000, 20_000, 0, 0, 0]);
    assert_eq!(passed(&quotas, stranger(1), Cost::Call, now), 0);
    assert_eq!(passed(&quotas, stranger(2), Cost::Call, now), 1_000);
    // What was refused because of the address was not taken from the id.
    assert_eq!(passed(&quotas, known(2, 4), Cost::Call, now), 20_000);
    let later = now + Duration::from_secs(1);
    assert_eq!(passed(&quotas, known(1, 3), Cost::Call, later), 4_000);
}

#[test]
fn this_machine_has_no_quota() {
    let (quotas, now) = (Quotas::default(), Instant::now());
    let here = Cause {
        address: IpAddr::from([127, 0, 0, 1]),
        id: None,
    };
    assert_eq!(passed(&quotas, here, Cost::Walk, now), 50_000);
}
