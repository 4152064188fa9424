//! Namespace `watch`.

use std::time::Duration;

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    watch::{LIMIT_DEFAULT, LIMIT_MAX, WAIT_SECONDS_MAX, Watch, WatchMatches, WatchesServer},
};
use node_base::clock::now;
use node_core::watches::WatchError;

use super::Owner;

#[async_trait]
impl WatchesServer for Owner {
    async fn add(&self, query: String, new_only: Option<bool>) -> RpcResult<Watch> {
        let added = self.node.watches().add(query, new_only == Some(true));
        Ok(added.await.map_err(|error| failed(&error))?)
    }

    async fn fetch(&self, id: u64, on: bool) -> RpcResult<Watch> {
        Ok(self
            .node
            .watches()
            .fetch(id, on)
            .await
            .map_err(|error| failed(&error))?)
    }

    async fn list(&self) -> RpcResult<Vec<Watch>> {
        Ok(self.node.watches().list())
    }

    async fn next(
        &self,
        id: u64,
        after: Option<u64>,
        limit: Option<u32>,
        seconds: Option<u32>,
    ) -> RpcResult<WatchMatches> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize;
        let wait = seconds.unwrap_or(0).min(WAIT_SECONDS_MAX);
        let until = now() + Duration::from_secs(wait.into());
        let next = self.node.watches().next(id, after, limit, until);
        Ok(next.await.map_err(|error| failed(&error))?)
    }

    async fn remove(&self, id: u64) -> RpcResult<bool> {
        Ok(self
            .node
            .watches()
            .remove(id)
            .await
            .map_err(|error| failed(&error))?)
    }
}

fn failed(error: &WatchError) -> ApiError {
    let code = match error {
        WatchError::Query(_) | WatchError::Fetches(_) => ErrorCode::Usage,
        WatchError::Full(_) => ErrorCode::NoSpace,
        WatchError::Unknown(_) => ErrorCode::NotFound,
        WatchError::State(_) | WatchError::Disk(_) => ErrorCode::Failed,
    };
    ApiError::new(code, error.to_string())
}
