//! Locks that outlive a panic.
//!
//! Plugins stand on no crate of the node, so they have their one `lock` here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also after a panic elsewhere. To be held for a few statements, never across a file call.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
