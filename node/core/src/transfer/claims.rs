//! Claims on content that is being received, so that content with two names is received once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use node_wire::Digest;
use tokio::sync::watch;

use crate::sync::lock;

/// The content that is being received.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<Digest, watch::Receiver<()>>>>);

/// The right to receive content, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    digest: Digest,
    /// Closes the receivers of the waiters.
    _over: watch::Sender<()>,
}

/// Another fetch receives the content.
#[derive(Debug)]
pub(super) struct Claimed(watch::Receiver<()>);

impl Claims {
    /// Claims the content `digest`.
    ///
    /// # Errors
    /// [`Claimed`] if another fetch receives it.
    pub(super) fn claim(&self, digest: Digest) -> Result<Claim, Claimed> {
        let mut claims = lock(&self.0);
        if let Some(over) = claims.get(&digest) {
            return Err(Claimed(over.clone()));
        }
        let (sender, receiver) = watch::channel(());
        claims.insert(digest, receiver);
        Ok(Claim {
            claims: self.clone(),
            digest,
            _over: sender,
        })
    }
}

impl Claimed {
    /// Waits until the other fetch has it or gives up.
    pub(super) async fn over(mut self) {
        // Nothing is ever sent: the wait ends when the claim is dropped.
        while self.0.changed().await.is_ok() {}
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claims.0).remove(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_claim_waits_for_the_first() {
        let claims = Claims::default();
        let digest = Digest::from_bytes([1; 32]);
        let first = claims.claim(digest).unwrap();
        assert!(claims.claim(Digest::from_bytes([2; 32])).is_ok());
        let claimed = claims.claim(digest).unwrap_err();
        tokio::join!(claimed.over(), async { drop(first) });
        assert!(claims.claim(digest).is_ok());
    }
}
