//! The public files of this node: those that may be announced to the world.
//!
//! A reader of an announcement may come and ask for the content, and one that
//! does not get it has still learned that it is here. So only content that any
//! stranger would get is public, and that is decided again before each announcement.
//!
//! # Invariants
//! - It fails closed, as the policy does. In a private network nothing is public.
//! - Content is public by the names that its files have now: a file that is gone, or ignored
//!   by now, is not.

use std::sync::Arc;

use node_wire::Digest;

use super::{Context, blobs::shared_names};

impl Context {
    /// Returns true if any stranger may have the content of this digest from the share.
    pub(crate) async fn is_public(self: &Arc<Self>, digest: Digest) -> bool {
        if self.network.is_some() {
            return false;
        }
        let reader = Arc::clone(self);
        let names = self.disk.run(move || shared_names(&reader, &digest));
        match names.await {
            Ok(names) => !names.is_empty() && self.policy.is_public(&digest, names).await,
            Err(error) => {
                tracing::error!(%error, "looking for the names of content panicked");
                false
            }
        }
    }
}
