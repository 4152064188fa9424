//! Namespace `node`.

use std::process;

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::node::{IndexStatus, NodeServer, NodeStatus};
use node_base::events::unix_millis;
use node_core::handlers::ContentStatus;

use super::Owner;

#[async_trait]
impl NodeServer for Owner {
    async fn status(&self) -> RpcResult<NodeStatus> {
        let context = self.node.context();
        let handlers = context.handlers.names().into_iter();
        Ok(NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: node_api::API_VERSION.to_owned(),
            id: context.overlay.id().to_string(),
            url: self.node.url().as_str().to_owned(),
            listen: self.node.address().to_string(),
            control: self.control.to_string(),
            share: context.share.path().display().to_string(),
            files: context.catalogue.count(),
            is_share_known: context.catalogue.is_complete(),
            share_trouble: context.share.trouble(),
            unwatched: context.keeper.status().unwatched,
            pid: process::id(),
            started: unix_millis(self.node.started()),
            peers: context.overlay.count() as u64,
            cache_bytes: context.cache.bytes(),
            index: context
                .handlers
                .content()
                .map(|content| index(&content.status())),
            handlers: handlers.collect(),
            counters: context.counters.snapshot(),
        })
    }

    async fn stop(&self) -> RpcResult<bool> {
        self.stop_asked.cancel();
        Ok(true)
    }
}

fn index(status: &ContentStatus) -> IndexStatus {
    IndexStatus {
        files: status.files,
        waiting: status.waiting,
        complete: status.is_complete,
        read: status.read,
        bytes: status.bytes,
        error: status.error.clone(),
    }
}
