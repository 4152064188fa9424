//! The resources of a process, from `/proc`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wait::wait_until;

/// One reading of the meters of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meters {
    /// Threads of the process.
    pub threads: usize,
    /// Open descriptors, without the files of the index: these come and go with its parts.
    pub descriptors: usize,
    /// Resident size now, in KiB.
    pub resident_kib: usize,
    /// Largest resident size so far, in KiB.
    pub peak_kib: usize,
}

/// Descriptors that a node may have more than before: connections that are kept for the next request.
const DESCRIPTORS_MORE: usize = 2;

impl Meters {
    /// Reads the meters of a living process.
    ///
    /// # Panics
    /// Panics if there is no such process.
    pub fn of(pid: u32) -> Meters {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let status = std::fs::read_to_string(proc.join("status")).expect("the process lives");
        let descriptors = std::fs::read_dir(proc.join("fd")).expect("the process is ours");
        let files = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Meters {
            threads: field(&status, "Threads:"),
            descriptors: files.filter(|file| !is_of_index(file)).count(),
            resident_kib: field(&status, "VmRSS:"),
            peak_kib: field(&status, "VmHWM:"),
        }
    }

    /// Waits until threads are at most two and descriptors at most [`DESCRIPTORS_MORE`] above this reading.
    ///
    /// # Panics
    /// When they are not after ten seconds.
    pub fn wait_for_return(self, pid: u32) {
        wait_until(
            "threads and descriptors return",
            Duration::from_secs(10),
            || {
                let now = Meters::of(pid);
                let back = now.threads <= self.threads + 2
                    && now.descriptors <= self.descriptors + DESCRIPTORS_MORE;
                back.then_some(())
                    .ok_or_else(|| format!("at first {self:?}, now {now:?}"))
            },
        );
    }
}

/// Returns true if a file is in the directory of an index of contents.
fn is_of_index(file: &Path) -> bool {
    let directory = file.parent().and_then(Path::file_name);
    directory.is_some_and(|name| name == "index")
}

fn field(status: &str, name: &str) -> usize {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
