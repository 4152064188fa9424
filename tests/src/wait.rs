//! Waiting for something to become true, with the last reason why it was not.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(15);

/// Polls until `probe` gives a value.
///
/// # Panics
/// Panics if `deadline` has passed, with `what` and the last error of `probe`.
pub fn wait_until<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(last) if start.elapsed() >= deadline => {
                panic!("{what}: not within {deadline:?}; at last: {last}")
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Polls until `holds` says yes, for at most thirty seconds.
///
/// A loaded machine is slow, and a wait that ends too early is a fault of the test.
///
/// # Panics
/// Panics if it never does, with `what`.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    wait_until(what, Duration::from_secs(30), || {
        holds()
            .then_some(())
            .ok_or_else(|| "still not so".to_owned())
    });
}
