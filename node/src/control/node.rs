//! Namespace `node`.

use std::{collections::BTreeMap, process, sync::Arc};

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    node::{Check, DocumentsStatus, IndexStatus, NodeServer, NodeStatus, UnreadableEntry},
};
use node_base::events::unix_millis;
use node_overlay::Overlay;
use node_wire::{PeerUrl, scope::Scope};
use plugin_api::{DocumentsStatus as Documents, IndexStatus as Progress};

use super::{Owner, broken, doctor};
use crate::log::{self, LogError};

#[async_trait]
impl NodeServer for Owner {
    async fn status(&self) -> RpcResult<NodeStatus> {
        let node = &self.node;
        let (catalogue, share) = (Arc::clone(node.catalogue()), node.share());
        let skipped = node.disk().run(move || catalogue.skipped()).await;
        let content = node.handlers().index().map(|kept| kept.status());
        let files = content
            .iter()
            .flat_map(|content| content.unreadable.clone());
        let unreadable = node.catalogue().unreadable().into_iter().chain(files);
        let unreadable = unreadable.map(|(name, reason)| UnreadableEntry { name, reason });
        Ok(NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: node_api::API_VERSION.to_owned(),
            id: node.overlay().id().to_string(),
            invitation: node.overlay().invitation().to_string(),
            name: node.overlay().name().map(ToString::to_string),
            private: node.is_private(),
            url: node.url().as_str().to_owned(),
            web: node.web().map(|port| port.url.clone()),
            listen: node.address().to_string(),
            control: self.control.to_string(),
            share: share.path().display().to_string(),
            files: node.catalogue().count(),
            is_share_known: node.catalogue().is_complete(),
            share_trouble: share.trouble(),
            unwatched: node.unwatched(),
            reach: (node.overlay().not_called_back()).or_else(|| reach(node.url())),
            skipped: skipped.map_err(|_| broken())?,
            ignore_troubles: share.ignore_troubles(),
            unreadable: unreadable.collect(),
            pid: process::id(),
            started: unix_millis(node.started()),
            sandbox: self.sandbox.clone(),
            peers: node.overlay().count() as u64,
            peer_paths: paths(node.overlay()),
            cache_bytes: node.cache().bytes(),
            index: content.as_ref().map(index),
            handlers: node.handlers().names(),
            counters: node.counters().snapshot(),
        })
    }

    async fn doctor(&self) -> RpcResult<Vec<Check>> {
        Ok(doctor::checks(self).await)
    }

    async fn log_level(&self, levels: Option<String>) -> RpcResult<String> {
        let is_change = levels.is_some();
        let now = log::levels(levels.as_deref());
        let now = now.map_err(|error| match error {
            LogError::Levels(_) => ApiError::new(ErrorCode::Usage, error.to_string()),
            _ => ApiError::new(ErrorCode::Failed, error.to_string()),
        })?;
        if is_change {
            tracing::info!(
                levels = now,
                "what is logged was changed as the owner asked"
            );
        }
        Ok(now)
    }

    async fn renew_secret(&self) -> RpcResult<bool> {
        let (renewal, disk) = (self.renewal.clone(), self.node.disk());
        let renewed = disk.run(move || renewal.renew()).await;
        let renewed = renewed.map_err(|_| broken())?;
        renewed.map_err(|error| ApiError::new(ErrorCode::Failed, error.to_string()))?;
        tracing::info!("the secret was renewed as the owner asked");
        Ok(true)
    }

    async fn stop(&self) -> RpcResult<bool> {
        self.stop_asked.cancel();
        Ok(true)
    }
}

/// Advice on letting others reach a node.
pub(super) const REACH_CURE: &str =
    "start it with `--listen :4242`, or with `--url URL` if others reach it under a URL";

/// Describes the peers that cannot reach a node at this URL, if any.
pub(super) fn reach(url: &PeerUrl) -> Option<String> {
    let is_here = Scope::of_host(url) == Scope::Machine;
    is_here.then(|| format!("only programs of this machine reach this node; {REACH_CURE}"))
}

/// Counts the peers that have answered, by what carries the calls to them.
fn paths(overlay: &Overlay) -> BTreeMap<String, u64> {
    let mut paths = BTreeMap::new();
    for peer in overlay.list().iter().filter(|peer| peer.kind.is_some()) {
        let path = overlay.path_to(&peer.url).name().to_owned();
        *paths.entry(path).or_default() += 1;
    }
    paths
}

fn index(status: &Progress) -> IndexStatus {
    IndexStatus {
        files: status.files,
        waiting: status.waiting,
        complete: status.is_complete,
        read: status.read,
        bytes: status.bytes,
        error: status.error.clone(),
        documents: status.documents.as_ref().map(documents),
    }
}

fn documents(status: &Documents) -> DocumentsStatus {
    DocumentsStatus {
        read: status.read,
        waiting: status.waiting,
        without_text: status.without_text,
        unreadable: status.unreadable,
        bytes: status.bytes,
        error: status.error.clone(),
    }
}
