//! Files and memory of this process.

use super::process::open_files_max;

/// Files and memory of a process; `None` where the system does not say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Files and sockets that are open.
    pub open_files: Option<u64>,
    /// Files and sockets that may be open.
    pub open_files_max: Option<u64>,
    /// Bytes of memory.
    pub resident: Option<u64>,
    /// Directories that a user may have watched in all.
    pub watches_max: Option<u64>,
}

/// Returns files and memory of this process. Reads files of the system.
#[must_use]
pub fn of_process() -> Usage {
    Usage {
        open_files_max: open_files_max(),
        ..told()
    }
}

#[cfg(target_os = "linux")]
#[allow(
    clippy::disallowed_methods,
    reason = "reads what the system says of this process"
)]
fn told() -> Usage {
    use std::fs;
    let open = fs::read_dir("/proc/self/fd").ok();
    let status = fs::read_to_string("/proc/self/status").ok();
    let watches = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok();
    Usage {
        // The directory that is read here is open, too.
        open_files: open.map(|files| (files.count() as u64).saturating_sub(1)),
        open_files_max: None,
        resident: status.as_deref().and_then(resident),
        watches_max: watches.and_then(|text| text.trim().parse().ok()),
    }
}

#[cfg(not(target_os = "linux"))]
fn told() -> Usage {
    Usage::default()
}

#[cfg(target_os = "linux")]
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_says_its_files_and_memory() {
        let before = of_process();
        let kept: Vec<_> = (0..8).map(|_| tempfile::tempfile().unwrap()).collect();
        let after = of_process();
        assert!(after.open_files.unwrap() > 3, "{after:?}");
        assert!(after.open_files <= after.open_files_max, "{after:?}");
        assert!(before.resident.unwrap() > 100_000, "{before:?}");
        assert!(after.watches_max.is_some());
        drop(kept);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident("VmRSS:\t many\n"), None);
        assert_eq!(resident(""), None);
    }
}
