//! The actions of a node for its owner, and the handles of its parts.

use std::{collections::BTreeSet, io, sync::Arc};

use node_api::share::ShareFile;
use node_wire::{Digest, NodeId, Nonce, PeerUrl, ShareName, query::SyntaxError};
use plugin_api::{Files, PolicySource, RankAsked};

use super::{Node, WebPort};
use crate::{
    browse::{PeerFilesError, PeerFilesWanted, peer_files},
    cache::Cache,
    counters::Counters,
    disk::Disk,
    groups::GroupError,
    handlers::Handlers,
    overlay::Overlay,
    search::{
        Search, SearchWanted,
        named::{self, Named, NamedError, Searched},
    },
    server::{self, Located},
    share::{Catalogue, Digests, Keeper, Share, ShareError},
    tickets::Tickets,
    transfer::Transfers,
};

impl Node {
    /// Begins to search here and among the peers. Waits for peers that are just being met.
    ///
    /// # Errors
    /// [`SyntaxError`] if the query is not valid.
    pub async fn search(&self, mut wanted: SearchWanted) -> Result<Search, SyntaxError> {
        let context = &self.context;
        if context.policy.ranks() {
            // The policy sees the places.
            wanted.excerpts = usize::MAX;
        }
        context.overlay.met_for_owner().await;
        Search::begin(
            &context.overlay,
            &context.handlers,
            &context.files(),
            wanted,
        )
    }

    /// Returns the meaning of a text that was typed where the name of a file is wanted.
    ///
    /// # Errors
    /// [`NamedError`] if it is neither a name nor a query.
    pub async fn resolve_name(&self, typed: &str) -> Result<Named, NamedError> {
        self.context.overlay.met_for_owner().await;
        named::resolve(self.searched(&self.context.files()), typed).await
    }

    /// Returns the names of all files that a query means, here and at the peers, and whether there are more.
    ///
    /// # Errors
    /// [`SyntaxError`] if the query is not valid.
    pub async fn expand_query(
        &self,
        query: &str,
    ) -> Result<(BTreeSet<ShareName>, bool), SyntaxError> {
        named::expand(self.searched(&self.context.files()), query).await
    }

    fn searched<'a>(&'a self, files: &'a Arc<dyn Files>) -> Searched<'a> {
        Searched {
            overlay: &self.context.overlay,
            handlers: &self.context.handlers,
            files,
        }
    }

    /// Returns the worth of hits by the owner's policy, and `None` if they stay as they are.
    pub async fn rank(&self, hits: impl Iterator<Item = RankAsked>) -> Option<Vec<Option<f64>>> {
        let policy = &self.context.policy;
        if !policy.ranks() {
            return None;
        }
        policy.rank(hits.collect()).await
    }

    /// Asks a peer for the files that it shares, at most `limit`.
    ///
    /// # Errors
    /// [`PeerFilesError`] if it does not answer as a Sixhop node.
    pub async fn peer_files(
        &self,
        peer: &PeerUrl,
        wanted: PeerFilesWanted,
    ) -> Result<Vec<ShareFile>, PeerFilesError> {
        peer_files(self.context.overlay.client(), peer, wanted).await
    }

    /// Removes a peer, and the names that it gave. Returns whether it was there.
    #[must_use]
    pub fn remove_peer(&self, peer: &PeerUrl) -> bool {
        let is_removed = self.context.overlay.remove(peer);
        if is_removed {
            self.context.cache.forget_names();
        }
        is_removed
    }

    /// Takes the directory that is at the path of the share now for the share.
    ///
    /// # Errors
    /// [`ShareError`] if there is none.
    pub async fn accept_share(&self) -> Result<(), ShareError> {
        let context = Arc::clone(&self.context);
        let accepted = self.context.disk.run(move || {
            context.share.accept()?;
            context.keeper.look_at_root();
            Ok(())
        });
        accepted.await.unwrap_or_else(|error| {
            Err(ShareError::Directory {
                path: self.context.share.path().to_owned(),
                error: io::Error::other(error),
            })
        })
    }

    /// Returns the limit of content to others in bytes a second, if there is one now.
    #[must_use]
    pub fn upload_limit(&self) -> Option<u64> {
        self.context.uploads.limit()
    }

    /// Returns the limit of content from others in bytes a second, if there is one now.
    #[must_use]
    pub fn download_limit(&self) -> Option<u64> {
        self.download_rate.limit()
    }

    /// Returns why the share is looked at again and again instead of watched, if it is.
    #[must_use]
    pub fn unwatched(&self) -> Option<String> {
        self.context.keeper.status().unwatched
    }

    /// Returns a pass for the owner's own call of `query` for a file, if this node is of a private network.
    #[must_use]
    pub fn pass_for_query(&self, name: &ShareName) -> Option<Nonce> {
        self.context.pass_for_query(name)
    }

    /// Returns a pass for the owner's own request for content, if this node is of a private network.
    #[must_use]
    pub fn pass_for_blob(&self, digest: &Digest) -> Option<Nonce> {
        self.context.pass_for_blob(digest)
    }

    /// Returns a pass for the owner's own request for the tree of content, if this node is of a private network.
    #[must_use]
    pub fn pass_for_tree(&self, digest: &Digest) -> Option<Nonce> {
        self.context.pass_for_tree(digest)
    }

    /// Looks for content, here and at the peers, so that the peer port gives it to the owner. `None` if nobody has it.
    pub async fn locate(&self, digest: Digest) -> Option<Located> {
        self.context.overlay.met_for_owner().await;
        server::locate(&self.context, digest).await
    }

    /// Returns the owner's groups of nodes, for the policy.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, Vec<NodeId>)> {
        self.context.policy.groups().list()
    }

    /// Adds nodes to a group, which it makes if it is new.
    ///
    /// # Errors
    /// [`GroupError`] if it cannot be; then nothing changes.
    pub async fn add_to_group(&self, name: &str, ids: &[NodeId]) -> Result<(), GroupError> {
        self.context.policy.groups().add(name, ids).await?;
        self.context.summary.audiences_changed();
        Ok(())
    }

    /// Removes nodes from a group, or the whole group if none are given. Returns whether
    /// anything was removed.
    ///
    /// # Errors
    /// [`GroupError`] if it cannot be saved; then nothing changes.
    pub async fn remove_from_group(&self, name: &str, ids: &[NodeId]) -> Result<bool, GroupError> {
        let is_removed = self.context.policy.groups().remove(name, ids).await?;
        self.context.summary.audiences_changed();
        Ok(is_removed)
    }

    /// Returns whether this node is of a private network.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.context.network.is_some()
    }

    /// Returns whether any stranger may have the content of this digest from the share.
    pub async fn is_public(&self, digest: Digest) -> bool {
        self.context.is_public(digest).await
    }

    /// Returns the files that queries are about.
    #[must_use]
    pub fn files(&self) -> Arc<dyn Files> {
        self.context.files()
    }

    /// Returns the door for short blocking jobs.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.context.disk
    }

    /// Returns the shared directory.
    #[must_use]
    pub fn share(&self) -> &Arc<Share> {
        &self.context.share
    }

    /// Returns the list of shared files.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.context.catalogue
    }

    /// Returns the keeper of that list.
    #[must_use]
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.context.keeper
    }

    /// Returns the digests of shared files.
    #[must_use]
    pub fn digests(&self) -> &Arc<Digests> {
        &self.context.digests
    }

    /// Returns the content that passed through.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.context.cache
    }

    /// Returns the table of handlers.
    #[must_use]
    pub fn handlers(&self) -> &Arc<Handlers> {
        &self.context.handlers
    }

    /// Returns where the owner's policy comes from, if one may come.
    #[must_use]
    pub fn policy(&self) -> Option<&Arc<dyn PolicySource>> {
        self.context.policy.source()
    }

    /// Returns the peers.
    #[must_use]
    pub fn overlay(&self) -> &Arc<Overlay> {
        &self.context.overlay
    }

    /// Returns the links for people without Sixhop.
    #[must_use]
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Returns the port for links, if there is one.
    #[must_use]
    pub fn web(&self) -> Option<&WebPort> {
        self.web.as_ref()
    }

    /// Returns the fetches.
    #[must_use]
    pub fn transfers(&self) -> &Arc<Transfers> {
        &self.context.transfers
    }

    /// Returns the counters.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.context.counters
    }
}
