//! Namespace `cache`.

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::cache::{CacheBlob, CacheCleared, CacheServer};
use node_core::cache::CacheEntry;

use super::{Owner, broken};

#[async_trait]
impl CacheServer for Owner {
    async fn list(&self) -> RpcResult<Vec<CacheBlob>> {
        let entries = self.node.cache().list();
        Ok(entries.iter().map(blob).collect())
    }

    async fn clear(&self) -> RpcResult<CacheCleared> {
        let cache = self.node.cache().clone();
        let disk = self.node.disk();
        let cleared = disk
            .run(move || cache.clear())
            .await
            .map_err(|_| broken())?;
        Ok(CacheCleared {
            blobs: cleared.blobs,
            bytes: cleared.bytes,
        })
    }
}

fn blob(entry: &CacheEntry) -> CacheBlob {
    CacheBlob {
        digest: entry.digest.to_hex(),
        size: entry.size,
        hits: entry.hits,
        used: entry.used,
    }
}
