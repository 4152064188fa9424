//! The limits of a program, enforced by the system.
//!
//! The limits are set from outside, on a process that waits before it becomes
//! the program (`leash`). Only Linux can do so; elsewhere the time limits
//! and the bounds of the protocol hold alone.

use std::time::Duration;

use rustix::process::{Pid, setpriority_process};

/// Most memory of a process of a program, in bytes (`RLIMIT_DATA`: what it has
/// for itself and can write; reserved addresses do not count).
pub const MEMORY_MAX: u64 = 512 << 20;

/// Most open files of a process of a program.
pub const FILES_OPEN_MAX: u64 = 64;

/// Longest file that a program writes, in bytes.
const FILE_WRITTEN_MAX: u64 = 64 << 20;

/// Processes and threads that the user may have beside those of the moment when
/// the program was started. Root is not counted by the system.
pub const PROCESSES_MAX: u64 = 64;

/// Most processor time between two answers, and for one.
pub const TIME_MAX: Duration = Duration::from_secs(10);

/// The nice value of a program: it yields to the node when both want a processor.
const NICENESS: i32 = 10;

/// Sets the limits of the process `pid`, which does nothing yet.
pub(crate) fn set(pid: Pid) -> std::io::Result<()> {
    // A busy machine may forbid it; the program is none the worse.
    let _ = setpriority_process(Some(pid), NICENESS);
    system::set(pid)
}

/// Gives the process `pid` time for one more answer.
pub(crate) fn allow_time(pid: Pid) {
    system::allow_time(pid);
}

#[cfg(target_os = "linux")]
mod system {
    use std::{fs, os::unix::fs::MetadataExt};

    use rustix::{
        param::clock_ticks_per_second,
        process::{Pid, Resource, Rlimit, geteuid, getrlimit, prlimit},
    };

    use super::{FILE_WRITTEN_MAX, FILES_OPEN_MAX, MEMORY_MAX, PROCESSES_MAX, TIME_MAX};

    /// The places of user time, system time and the number of threads behind the
    /// name of the program in `/proc/PID/stat`.
    const USER_TIME: usize = 11;
    const SYSTEM_TIME: usize = 12;
    const THREADS: usize = 17;

    pub(super) fn set(pid: Pid) -> std::io::Result<()> {
        let mut limits = vec![
            (Resource::Data, MEMORY_MAX),
            (Resource::Nofile, FILES_OPEN_MAX),
            (Resource::Fsize, FILE_WRITTEN_MAX),
            (Resource::Core, 0),
        ];
        limits.extend(tasks().map(|tasks| (Resource::Nproc, tasks + PROCESSES_MAX)));
        for (resource, most) in limits {
            // The node itself may have less, which nobody but root can raise.
            let most = getrlimit(resource)
                .maximum
                .map_or(most, |own| own.min(most));
            let both = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            prlimit(Some(pid), resource, both)?;
        }
        allow_time(pid);
        Ok(())
    }

    /// Sets the limit of time, which counts from the start of a process: it moves with the time used.
    pub(super) fn allow_time(pid: Pid) {
        let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
        let stat = fs::read_to_string(path).unwrap_or_default();
        let ticks = field(&stat, USER_TIME).unwrap_or(0) + field(&stat, SYSTEM_TIME).unwrap_or(0);
        let used = ticks / clock_ticks_per_second().max(1);
        let soft = Rlimit {
            current: Some(used + TIME_MAX.as_secs()),
            maximum: getrlimit(Resource::Cpu).maximum,
        };
        // It fails only if the process has ended.
        let _ = prlimit(Some(pid), Resource::Cpu, soft);
    }

    /// Processes and threads of this user.
    fn tasks() -> Option<u64> {
        let user = geteuid().as_raw();
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let ours = processes.filter(|entry| entry.metadata().is_ok_and(|of| of.uid() == user));
        let threads = ours.filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            field(&stat, THREADS)
        });
        Some(threads.sum())
    }

    /// Returns a number behind the name in `stat`; the name may hold anything.
    fn field(stat: &str, at: usize) -> Option<u64> {
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(at)?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn fields_are_counted_behind_the_name() {
            let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 110 120 13 14 15 16 7 18";
            assert_eq!(field(stat, USER_TIME), Some(110));
            assert_eq!(field(stat, SYSTEM_TIME), Some(120));
            assert_eq!(field(stat, THREADS), Some(7));
            assert_eq!(field("", THREADS), None);
        }

        #[test]
        fn the_threads_of_this_process_are_counted() {
            assert!(tasks().is_some_and(|tasks| tasks >= 1));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use rustix::process::Pid;

    pub(super) fn set(_: Pid) -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn allow_time(_: Pid) {}
}
