//! Namespace `fetch`.

use std::time::Duration;

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    fetch::{FetchBatch, FetchPlan, FetchServer, FetchStatus, WAIT_SECONDS_MAX},
};
use node_core::{
    search::named::{Named, NamedError},
    server::Located,
    transfer::{BatchError, DropWhich},
};
use node_share::Replace;
use node_wire::{Digest, ShareName, escaped};
use tokio::time::timeout;

use super::{Owner, bad_name};

/// The time that `fetch.wait` waits if none is given.
const WAIT_SECONDS: u32 = 10;

#[async_trait]
impl FetchServer for Owner {
    async fn start(
        &self,
        name: String,
        replace: Option<bool>,
        digest: Option<String>,
    ) -> RpcResult<FetchStatus> {
        let transfers = self.node.transfers();
        let (name, digest) = match (content(&name)?, digest) {
            (Some(content), _) => (content.to_hex(), Some(content)),
            (None, digest) => (name, digest.as_deref().map(parse_digest).transpose()?),
        };
        let parsed = ShareName::parse(&name).map_err(|error| bad_name(&name, &error))?;
        let started = match digest {
            None => transfers.start(&parsed, replacing(replace)).await,
            Some(digest) => {
                transfers
                    .start_content(&parsed, digest, replacing(replace))
                    .await
            }
        };
        self.status_of(started.map_err(|error| ApiError::from(&error))?)
    }

    async fn resolve(&self, name: String, expand: Option<bool>) -> RpcResult<FetchPlan> {
        if let Some(digest) = content(&name)? {
            return Ok(self.plan_of(digest, expand == Some(true)).await?);
        }
        let named = self.node.resolve_name(&name).await;
        let query = match named.map_err(|error| named_error(&name, &error))? {
            Named::Files(names) => {
                return Ok(FetchPlan {
                    names: as_texts(names),
                    ..FetchPlan::default()
                });
            }
            Named::Query(query) => query,
        };
        let (names, truncated) = if expand == Some(true) {
            let expanded = self.node.expand_query(&query).await;
            expanded.map_err(|error| usage(&error.to_string()))?
        } else {
            Default::default()
        };
        Ok(FetchPlan {
            names: as_texts(names),
            query: Some(query),
            truncated,
            ..FetchPlan::default()
        })
    }

    async fn wait(&self, id: u64, seconds: Option<u32>) -> RpcResult<FetchStatus> {
        let seconds = seconds.unwrap_or(WAIT_SECONDS).min(WAIT_SECONDS_MAX);
        let waited = timeout(
            Duration::from_secs(seconds.into()),
            self.node.transfers().wait(id),
        )
        .await;
        match waited {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(unknown(id).into()),
            Err(_) => self.status_of(id),
        }
    }

    async fn pass(&self, name: String, tree: Option<bool>) -> RpcResult<Option<String>> {
        let pass = match (content(&name)?, tree == Some(true)) {
            (Some(digest), false) => self.node.pass_for_blob(&digest),
            (Some(digest), true) => self.node.pass_for_tree(&digest),
            (None, true) => return Err(usage("only content has a tree: blake3:DIGEST").into()),
            (None, false) => {
                let parsed = ShareName::parse(&name);
                let parsed = parsed.map_err(|error| bad_name(&name, &error))?;
                self.node.pass_for_query(&parsed)
            }
        };
        Ok(pass.map(|pass| pass.to_string()))
    }

    async fn list(&self) -> RpcResult<Vec<FetchStatus>> {
        Ok(self.node.transfers().list())
    }

    async fn cancel(&self, id: u64, everybody: Option<bool>) -> RpcResult<FetchStatus> {
        let transfers = self.node.transfers();
        let status = transfers.cancel(id, everybody == Some(true)).await;
        Ok(status.ok_or_else(|| unknown(id))?)
    }

    async fn drop_kept(
        &self,
        id: Option<u64>,
        name: Option<String>,
    ) -> RpcResult<Vec<FetchStatus>> {
        let which = match (id, name) {
            (Some(id), None) => DropWhich::Id(id),
            (None, Some(name)) => named(&name)?,
            _ => {
                return Err(usage("fetch.drop takes an `id` or a `name`").into());
            }
        };
        let dropped = self.node.transfers().drop_kept(&which).await;
        if dropped.is_empty() {
            let text = "nothing is kept of such a fetch, and none is on its way";
            return Err(ApiError::new(ErrorCode::NotFound, text).into());
        }
        Ok(dropped)
    }

    async fn start_matching(&self, query: String, replace: Option<bool>) -> RpcResult<FetchBatch> {
        let is_meant = self.node.handlers().name_check(&query);
        let started = self
            .node
            .transfers()
            .start_matching(&query, is_meant, replacing(replace))
            .await;
        Ok(started.map_err(|error| batch_error(&error))?)
    }

    async fn wait_matching(&self, id: u64, seconds: Option<u32>) -> RpcResult<FetchBatch> {
        let seconds = seconds.unwrap_or(WAIT_SECONDS).min(WAIT_SECONDS_MAX);
        let transfers = self.node.transfers();
        let time = Duration::from_secs(seconds.into());
        let status = match timeout(time, transfers.wait_matching(id)).await {
            Ok(status) => status,
            Err(_) => transfers.matching(id),
        };
        Ok(status.ok_or_else(|| unknown(id))?)
    }

    async fn list_matching(&self) -> RpcResult<Vec<FetchBatch>> {
        Ok(self.node.transfers().list_matching())
    }

    async fn cancel_matching(&self, id: u64) -> RpcResult<FetchBatch> {
        let transfers = self.node.transfers();
        transfers.cancel_matching(id);
        let status = transfers.wait_matching(id).await;
        Ok(status.ok_or_else(|| unknown(id))?)
    }
}

fn parse_digest(text: &str) -> Result<Digest, ApiError> {
    Digest::from_hex(text).map_err(|_| {
        ApiError::new(
            ErrorCode::Usage,
            format!("`{}` is no digest: 64 hex digits are needed", escaped(text)),
        )
    })
}

/// Returns the content that a name means, if it is `blake3:` and a digest.
fn content(name: &str) -> Result<Option<Digest>, ApiError> {
    match name.split_once(':') {
        Some((prefix, digest)) if prefix.eq_ignore_ascii_case("blake3") => {
            parse_digest(digest).map(Some)
        }
        _ => Ok(None),
    }
}

fn as_texts(names: impl IntoIterator<Item = ShareName>) -> Vec<String> {
    let names = names.into_iter();
    names.map(|name| name.as_str().to_owned()).collect()
}

fn named_error(typed: &str, error: &NamedError) -> ApiError {
    match error {
        NamedError::Name(error) => bad_name(typed, error),
        NamedError::Query(error) => usage(&error.to_string()),
    }
}

/// Returns the fetches of a name, or of `blake3:` and a digest.
fn named(name: &str) -> Result<DropWhich, ApiError> {
    if let Some(digest) = content(name)? {
        return Ok(DropWhich::Content(digest));
    }
    let parsed = ShareName::parse(name).map_err(|error| bad_name(name, &error))?;
    Ok(DropWhich::Name(parsed))
}

fn usage(text: &str) -> ApiError {
    ApiError::new(ErrorCode::Usage, text)
}

fn batch_error(error: &BatchError) -> ApiError {
    let code = match error {
        BatchError::Query(_) => ErrorCode::Usage,
        BatchError::Busy(_) => ErrorCode::Failed,
    };
    ApiError::new(code, error.to_string())
}

fn replacing(replace: Option<bool>) -> Replace {
    if replace == Some(true) {
        Replace::Existing
    } else {
        Replace::Never
    }
}

impl Owner {
    /// Returns the plan of a fetch of content, with the peer that has it if it is looked for.
    async fn plan_of(&self, digest: Digest, is_looked_for: bool) -> Result<FetchPlan, ApiError> {
        let mut plan = FetchPlan {
            digest: Some(digest.to_hex()),
            ..FetchPlan::default()
        };
        if is_looked_for {
            let text = || format!("neither the node nor a peer has blake3:{digest}");
            let located = self.node.locate(digest).await;
            let located = located.ok_or_else(|| ApiError::new(ErrorCode::NotFound, text()))?;
            if let Located::Through(peer) = located {
                plan.through = Some(peer.to_string());
            }
        }
        Ok(plan)
    }

    fn status_of(&self, id: u64) -> RpcResult<FetchStatus> {
        let status = self.node.transfers().status(id);
        Ok(status.ok_or_else(|| unknown(id))?)
    }
}

fn unknown(id: u64) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        format!("there is no fetch {id}, or it ended long ago"),
    )
}
