//! The priority of threads whose work can wait.

use rustix::{process::setpriority_process, thread::gettid};

/// The nice value of a thread that stands back.
pub const NICENESS: i32 = 10;

/// Lowers the priority of this thread and of those that it starts: it yields to others when there are not enough
/// processors. It cannot be raised again without rights that a node does not have.
pub fn stand_back() {
    // Where threads have no priority of their own, it would be that of the node.
    if cfg!(target_os = "linux") {
        // A system may forbid it; the work is done all the same.
        let _ = setpriority_process(Some(gettid()), NICENESS);
    }
}
