//! A search whose hits go to the page as they come: one line of JSON for each piece of news.

use std::{io, time::Duration};

use node_api::search::{SearchNews, SearchReach};
use serde::Deserialize;
use serde_json::{Value, json};
use tiny_http::Request;
use tokio::{runtime::Handle, select, sync::watch, time::timeout};

use super::{
    link::NodeLink,
    reply::{Stream, told},
};
use crate::error::CtlError;

/// Most hits of one search of the page.
const HITS_MAX: u32 = 100_000;

/// Longest time without a line, so that a page that is gone is noticed.
const ALIVE_EVERY: Duration = Duration::from_secs(2);

/// A search from the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchRequest {
    query: String,
    limit: u32,
    #[serde(default)]
    reach: SearchReach,
}

/// Sends news of the search until it is over or the page is gone.
pub(super) fn stream(
    request: Request,
    wanted: &SearchRequest,
    node: &NodeLink,
    handle: &Handle,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(mut stream) = Stream::begin(request, "application/x-ndjson") else {
        return;
    };
    handle.block_on(async {
        select! {
            _ = stop.wait_for(|stopped| *stopped) => {}
            // The page sees how it ended.
            _ = pass_on(&mut stream, wanted, node) => {}
        }
    });
}

async fn pass_on(stream: &mut Stream, wanted: &SearchRequest, node: &NodeLink) -> io::Result<()> {
    let failed = |error: &CtlError| json!({ "failed": told(error) });
    let connection = match node.connection() {
        Ok(connection) => connection,
        Err(error) => return send(stream, &failed(&error)),
    };
    let limit = Some(wanted.limit.clamp(1, HITS_MAX));
    let mut news = match connection
        .search_stream(&wanted.query, limit, wanted.reach)
        .await
    {
        Ok(news) => news,
        Err(error) => {
            node.forget();
            return send(stream, &failed(&error));
        }
    };
    loop {
        match timeout(ALIVE_EVERY, news.next()).await {
            Err(_) => stream.send(b"\n")?,
            Ok(Ok(SearchNews::Hits(hits))) => send(stream, &json!({ "hits": hits }))?,
            Ok(Ok(SearchNews::Done(answer))) => return send(stream, &json!({ "done": answer })),
            Ok(Ok(SearchNews::Failed(error))) => return send(stream, &failed(&error.into())),
            Ok(Err(error)) => return send(stream, &failed(&error)),
        }
    }
}

fn send(stream: &mut Stream, line: &Value) -> io::Result<()> {
    stream.send(format!("{line}\n").as_bytes())
}
