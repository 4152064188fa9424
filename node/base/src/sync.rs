//! Locks that outlive a panic.
//!
//! A panic ends one request, not the node. The data behind our locks is whole
//! between any two statements, so a lock that a panicking thread held is safe
//! to use again.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also after a panic elsewhere. Held for a few statements
/// only, never across an await or a file call.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
