//! Rates under a paused clock.

use proptest::prelude::*;
use tokio::{task::JoinSet, time::sleep};

use super::*;

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Moves `bytes` in chunks of `chunk` and returns when they have passed.
async fn moved(rate: Rate, from: IpAddr, bytes: usize, chunk: usize) -> Instant {
    let mut left = bytes;
    while left > 0 {
        let part = left.min(chunk);
        rate.take(from, part).await;
        left -= part;
    }
    now()
}

#[tokio::test(start_paused = true)]
async fn any_rate_holds_for_one_to_eight_streams() {
    for rate in [10_000, 20_000, 200_000, 2_000_000, 50_000_000_u64] {
        for streams in 1..=8 {
            let limit = Rate::new(rate);
            let started = now();
            let each = usize::try_from(rate).unwrap() * 10 / streams;
            let mut movers = JoinSet::new();
            for _ in 0..streams {
                movers.spawn(moved(limit.clone(), address(1), each, 128 * 1024));
            }
            let ends = movers.join_all().await;
            let last = ends.iter().max().map(|end| (*end - started).as_secs_f64());
            assert!(
                last.is_some_and(|last| (9.7..10.1).contains(&last)),
                "{rate}/{streams}: {last:?}"
            );
            for end in ends {
                let taken = (end - started).as_secs_f64();
                assert!((8.5..10.5).contains(&taken), "{rate}/{streams}: {taken}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_share_evenly_however_many_streams_one_has() {
    let rate = Rate::new(100_000);
    let started = now();
    let mut greedy = JoinSet::new();
    for _ in 0..15 {
        greedy.spawn(moved(rate.clone(), address(1), 1_000_000, 256 * 1024));
    }
    let modest = tokio::spawn(moved(rate.clone(), address(2), 200_000, 16 * 1024));
    let taken = modest.await.unwrap() - started;
    assert!(taken < Duration::from_millis(4_500), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn large_chunks_win_nothing_over_small_ones() {
    let rate = Rate::new(100_000);
    let started = now();
    let large = tokio::spawn(moved(rate.clone(), address(1), 500_000, 500_000));
    let small = tokio::spawn(moved(rate.clone(), address(1), 500_000, 5_000));
    for mover in [large, small] {
        let taken = (mover.await.unwrap() - started).as_secs_f64();
        assert!((9.5..10.5).contains(&taken), "{taken}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_no_credit_beyond_the_burst() {
    let rate = Rate::new(100_000);
    rate.take(address(1), 10_000).await;
    sleep(Duration::from_secs(60)).await;
    let started = now();
    rate.take(address(1), 110_000).await;
    let taken = now() - started;
    assert!(taken >= Duration::from_millis(900), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stops_waiting_takes_nothing() {
    let rate = Rate::new(10_000);
    let started = now();
    rate.take(address(1), 1_000).await;
    for _ in 0..50 {
        let impatient = rate.take(address(1), 1_000);
        let waited = tokio::time::timeout(Duration::from_millis(1), impatient).await;
        assert!(waited.is_err());
    }
    rate.take(address(1), 1_000).await;
    let taken = now() - started;
    assert!(taken < Duration::from_millis(250), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn no_limit_never_waits() {
    let rate = Rate::new(0);
    let started = now();
    for _ in 0..1_000 {
        rate.take(address(1), usize::MAX).await;
    }
    assert_eq!(now(), started);
}

/// Moves 460,000 bytes in four streams, changes the limit after a second, and returns how long it took in seconds.
async fn changed(before: u64, after: u64) -> f64 {
    let rate = Rate::new(before);
    let started = now();
    let mut movers = JoinSet::new();
    for last in 1..=4 {
        movers.spawn(moved(rate.clone(), address(last), 115_000, 64 * 1024));
    }
    sleep(Duration::from_secs(1)).await;
    rate.set(after);
    let ends = movers.join_all().await;
    let last = ends.into_iter().max().unwrap();
    (last - started).as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_new_limit_holds_for_streams_that_wait() {
    for (before, after, expected) in [
        (10_000, 100_000, 5.5),
        (100_000, 10_000, 36.0),
        (10_000, 0, 1.0),
        (0, 10_000, 0.0),
    ] {
        let taken = changed(before, after).await;
        assert!(
            (taken - expected).abs() <= 1.1,
            "{before} to {after}: {taken}"
        );
    }
}

#[test]
fn a_turn_is_short_at_low_rates_and_long_at_high_ones() {
    for (rate, turn) in [
        (1, TURN_MIN),
        (10_000, TURN_MIN),
        (200_000, 10_000),
        (2_000_000, 100_000),
        (u64::MAX, TURN_MAX),
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let rate = runtime.block_on(async { Rate::new(rate) });
        assert_eq!(rate.turn(), turn);
    }
}

/// Runs streams that begin at random times, with some that give up.
/// Returns when each one that stayed had its bytes.
fn scheduled(rate: u64, streams: Vec<(u8, u64, usize, bool)>) -> Vec<(u64, usize, Duration)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (limit, started) = (Rate::new(rate), now());
        let mut movers = JoinSet::new();
        for (from, begins, bytes, gives_up) in streams {
            let limit = limit.clone();
            movers.spawn(async move {
                sleep(Duration::from_millis(begins)).await;
                let taking = limit.take(address(from), bytes);
                if gives_up {
                    let _ = tokio::time::timeout(Duration::from_millis(300), taking).await;
                    return None;
                }
                taking.await;
                Some((begins, bytes, now() - started))
            });
        }
        movers.join_all().await.into_iter().flatten().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_rate_holds_under_any_schedule(
        rate in 1_000..1_000_000_u64,
        streams in proptest::collection::vec(
            (0..4_u8, 0..5_000_u64, 1..200_000_usize, any::<bool>()), 1..20),
    ) {
        let stayed = scheduled(rate, streams.clone());
        let expected = streams.iter().filter(|stream| !stream.3).count();
        prop_assert_eq!(stayed.len(), expected, "every stream gets its bytes");
        // Those that ended by a time cannot have more than the rate lets through by then.
        let turn = Duration::from_secs_f64(TURN_MIN as f64 / rate as f64).max(TURN_TIME);
        for (_, _, end) in &stayed {
            let passed: usize = stayed.iter().filter(|(.., other)| other <= end).map(|(_, bytes, _)| bytes).sum();
            let most = rate as f64 * (*end + BURST + turn * 2).as_secs_f64();
            prop_assert!(passed as f64 <= most, "{passed} bytes after {end:?}");
        }
        // And the line is not idle while somebody waits.
        let all: usize = streams.iter().map(|stream| stream.2).sum();
        let last_begin = streams.iter().map(|stream| stream.1).max().unwrap_or(0);
        let last = stayed.iter().map(|(.., end)| *end).max().unwrap_or_default();
        let longest = Duration::from_millis(last_begin) + Duration::from_secs_f64(all as f64 / rate as f64) + turn * 2;
        prop_assert!(last <= longest, "{last:?} of {longest:?}");
    }
}
