//! The settings of this process with the system.

use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Directory with the numbers of the open files of this process.
const OPEN_FILES: &str = "/dev/fd";

/// Greatest number of a standard stream.
const STANDARD_ERROR: RawFd = 2;

/// Largest core dump, in bytes. One byte is not enough for any; with none, Linux would
/// still hand the memory to a program that collects dumps.
const CORE_MAX: u64 = 1;

/// SIGHUP in the mask of signals that a process ignores.
#[cfg(target_os = "linux")]
const HANGUP_BIT: u64 = 1;

/// Sent when a file grows past a limit of the system.
pub const FILE_SIZE_SIGNAL: i32 = 25;

/// Has no memory of this process written to the disk when it dies: secrets and keys are in it.
pub fn forbid_core_dumps() {
    let limit = Rlimit {
        current: Some(CORE_MAX),
        maximum: Some(CORE_MAX),
    };
    if let Err(error) = setrlimit(Resource::Core, limit) {
        tracing::warn!(%error, "core dumps cannot be switched off; they would hold the secret");
    }
}

/// The limits of a process that reads what strangers made.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// Most memory that it can write, in bytes.
    pub memory: u64,
    /// Most addresses that it can reserve, in bytes.
    pub addresses: u64,
    /// Most processor time, in seconds.
    pub processor_seconds: u64,
}

/// Takes from this process what a worker does not need, for good: memory and processor time beyond `limits`, and every
/// new file, process and thread.
///
/// # Errors
/// Errors if the system does not keep one of these limits.
pub fn limit_worker(limits: &WorkerLimits) -> std::io::Result<()> {
    let seconds = limits.processor_seconds;
    let all = [
        (Resource::Data, limits.memory, limits.memory),
        (Resource::As, limits.addresses, limits.addresses),
        // At the first limit it is told, at the second one it ends.
        (Resource::Cpu, seconds, seconds.saturating_add(1)),
        (Resource::Fsize, 0, 0),
        (Resource::Nofile, 0, 0),
        (Resource::Nproc, 0, 0),
    ];
    for (resource, current, maximum) in all {
        let own = getrlimit(resource).maximum;
        let most = |wanted: u64| Some(own.map_or(wanted, |own| own.min(wanted)));
        let limit = Rlimit {
            current: most(current),
            maximum: most(maximum),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// Closes what this process was started with beside its standard streams, so that programs which it starts get nothing
/// of it. To be called before anything is opened.
#[allow(
    clippy::disallowed_methods,
    reason = "reads what the system says of this process"
)]
pub fn close_inherited() {
    let Ok(open) = std::fs::read_dir(OPEN_FILES) else {
        tracing::warn!("{OPEN_FILES} cannot be read; files that were open at the start stay open");
        return;
    };
    let number = |name: &std::ffi::OsStr| name.to_str()?.parse::<RawFd>().ok();
    let numbers: Vec<RawFd> = open
        .flatten()
        .filter_map(|entry| number(&entry.file_name()))
        .filter(|number| *number > STANDARD_ERROR)
        .collect();
    for number in numbers {
        // The directory itself was among them, and is closed by now.
        let _ = nix::unistd::close(number);
    }
}

/// Returns how many files and sockets this process may have open; `None` is no limit.
#[must_use]
pub fn open_files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Has this process open as many files as the system lets it.
pub fn raise_file_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the number of open files stays limited");
    }
}

/// Keeps this process in small pages: a few bytes in each huge one would keep 2 MiB of memory. Where the system does
/// not know this, the node only takes more memory.
pub fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// Returns true if the parent of this process has it ignore SIGHUP, as `nohup` does.
#[must_use]
#[cfg(target_os = "linux")]
#[allow(
    clippy::disallowed_methods,
    reason = "reads what the system says of this process"
)]
pub fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has_hangup(&status))
}

/// Returns true if the parent of this process has it ignore SIGHUP: not known here.
#[must_use]
#[cfg(not(target_os = "linux"))]
pub fn ignores_hangup() -> bool {
    false
}

#[cfg(target_os = "linux")]
fn has_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANGUP_BIT != 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_first_bit_of_the_ignored_signals_is_sighup() {
        assert!(has_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!has_hangup("Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!has_hangup("SigBlk:\t0000000000000001\n"));
        assert!(!has_hangup(""));
    }
}
