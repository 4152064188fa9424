//! The messages of the control connection as the node has them, with limits that an input can reach.

#[path = "../../src/control/ids.rs"]
mod ids;
#[path = "../../src/control/messages.rs"]
mod messages;

/// The limits of [`messages`]: those of the node are a mebibyte and more.
mod server {
    use std::time::Duration;

    pub(super) const ANSWER_MAX: u32 = 4_096;
    pub(super) const BODY_MAX: u32 = 1_024;
    pub(super) const STOP_TIME: Duration = Duration::ZERO;
}

use tokio::io::{AsyncRead, AsyncWrite};

/// A control connection.
pub struct Connection(ids::Ids);

impl Connection {
    /// Makes a connection.
    pub fn new() -> Connection {
        Connection(ids::Ids::new().expect("random numbers"))
    }

    /// Passes messages on in both directions until one side ends.
    pub async fn pass(
        &self,
        client: impl AsyncRead + AsyncWrite,
        rpc: impl AsyncRead + AsyncWrite,
    ) {
        messages::pass(client, rpc, &self.0).await;
    }
}
