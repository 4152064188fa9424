//! Gives memory that was freed back to the system.
//!
//! The allocator returns freed memory after a moment, but it looks for it only when a large block is freed. A node at
//! rest frees none, so the memory of its last work would stay with it: up to 16 MiB after a share was indexed. So a
//! large block is freed now and then. Nobody writes to it: it takes no memory.

use std::{convert::Infallible, hint::black_box, time::Duration};

use tokio::time::sleep;

/// Pause between two blocks.
const PAUSE: Duration = Duration::from_secs(2);

/// Size of a block, in bytes: more than the allocator keeps for the next one.
const BLOCK: usize = 1024 * 1024;

/// Has the allocator give back what was freed, again and again.
pub(super) async fn give_back() -> Infallible {
    loop {
        sleep(PAUSE).await;
        drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
    }
}
