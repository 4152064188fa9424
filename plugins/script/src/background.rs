//! A thread of its own that stands back behind the rest of the node.
//!
//! The thread is as short as its work: a priority once lowered is not raised again
//! without rights that a node does not have.
//!
//! A low priority alone is not enough: a thread that wakes up on the processor of such a
//! thread waits for its slice to end, some milliseconds. So a script [gives
//! way](give_way) many times in each of them.

use std::{
    io,
    panic::resume_unwind,
    thread::{Builder, scope, yield_now},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Does `work` on a thread that stands back, and waits for it.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    scope(|scope| {
        let thread = Builder::new()
            .name("script".to_owned())
            .spawn_scoped(scope, || {
                plugin_host::stand_back();
                work()
            })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Lets others have the processor that want it.
pub(crate) fn give_way() {
    yield_now();
}

/// Returns the processor time that this thread has taken so far.
pub(crate) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_stands_back_and_whoever_waits_does_not() {
        let priority =
            || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = priority();
        let inside = run(priority).unwrap();
        assert_eq!(priority(), before);
        if cfg!(target_os = "linux") {
            assert_eq!(inside, plugin_host::NICENESS.max(before));
        }
    }

    #[test]
    fn processor_time_counts_only_while_there_is_work() {
        let begun = processor_time();
        while processor_time() - begun < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        let worked = processor_time();
        std::thread::sleep(Duration::from_millis(50));
        assert!(processor_time() - worked < Duration::from_millis(25));
    }
}
