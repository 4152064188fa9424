//! The clock of everything that waits.
//!
//! It is the runtime's, so that a test can pause it and let it jump.

use std::time::Instant;

/// Returns the time now.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
