//! Renewing the secret.

use std::{path::Path, sync::Arc};

use node_base::{
    secret::{Secret, SecretError},
    state::StateDir,
};
use tokio::sync::watch;

/// The secret of a node, its file, and the listeners to its renewal.
#[derive(Clone, Debug)]
pub struct Renewal {
    secret: Secret,
    state: StateDir,
    renewals: Arc<watch::Sender<u64>>,
}

impl Renewal {
    /// Creates the renewal of `secret`, which is kept in `state`.
    #[must_use]
    pub fn new(secret: Secret, state: StateDir) -> Renewal {
        let renewals = Arc::new(watch::Sender::new(0));
        Renewal {
            secret,
            state,
            renewals,
        }
    }

    /// Replaces the secret. Blocks for the time of a small file.
    ///
    /// # Errors
    /// Errors if the new one cannot be written; the old one then stays.
    pub(super) fn renew(&self) -> Result<(), SecretError> {
        self.secret.renew(&self.state)?;
        self.renewals.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Returns the state directory, where the secret is.
    pub(super) fn state(&self) -> &Path {
        self.state.path()
    }

    /// Counts the times that it was renewed.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.renewals.subscribe()
    }
}
