//! The settings of this process with the system.

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, setrlimit};

/// Largest core dump, in bytes. One byte is not enough for any; with none, Linux would
/// still hand the memory to a program that collects dumps.
#[cfg(unix)]
const CORE_MAX: u64 = 1;

/// SIGHUP in the mask of signals that a process ignores.
#[cfg(target_os = "linux")]
const HANGUP_BIT: u64 = 1;

/// Has no memory of this process written to the disk when it dies: secrets and keys are in it.
pub fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        let limit = Rlimit {
            current: Some(CORE_MAX),
            maximum: Some(CORE_MAX),
        };
        if let Err(error) = setrlimit(Resource::Core, limit) {
            tracing::warn!(%error, "core dumps cannot be switched off; they would hold the secret");
        }
    }
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
