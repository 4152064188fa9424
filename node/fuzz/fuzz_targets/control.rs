//! The messages of the control connection as the node has them, with limits that an input can reach.

#[path = "../../src/control/ids.rs"]
pub mod ids;
#[path = "../../src/control/messages.rs"]
pub mod messages;

/// The limits of [`messages`]: those of the node are a mebibyte and more.
pub mod server {
    use std::time::Duration;

    pub const ANSWER_MAX: u32 = 4_096;
    pub const BODY_MAX: u32 = 1_024;
    pub const STOP_TIME: Duration = Duration::ZERO;
}
