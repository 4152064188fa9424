//! The canned answers. A name selects one: `missing`, `there`, `full`, `slow`, anything else is found.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use jsonrpsee::{
    RpcModule,
    core::{RpcResult, SubscriptionResult, async_trait},
    server::{PendingSubscriptionSink, SubscriptionMessage},
};
use node_api::{
    error::{ApiError, ErrorCode},
    events::{Event, EventStreamServer},
    fetch::{FetchBatch, FetchFailure, FetchPlan, FetchServer, FetchState, FetchStatus},
    node::{Check, CheckState, LayerState, NodeServer, NodeStatus, SandboxStatus},
    peer::{Group, Peer, PeerDialect, PeerKind, PeerPath, PeerSource, PeerState, PeersServer},
    search::{
        Excerpt, Hit, SearchAnswer, SearchEnd, SearchNews, SearchReach, SearchServer,
        SearchStreamServer, TraceStep,
    },
    share::{
        FolderListing, ShareFile, ShareListing, ShareRescan, ShareServer, SkippedEntry,
        SkippedListing,
    },
};
use serde_json::json;

use super::Seen;

/// A name that would steer a terminal.
const HOSTILE: &str = "evil\u{1b}[2J\u{202e}.txt";

#[derive(Clone)]
struct Answers {
    seen: Arc<Mutex<Seen>>,
    peer_port: SocketAddr,
}

/// Returns all methods of the fake node.
pub(super) fn all(seen: Arc<Mutex<Seen>>, peer_port: SocketAddr) -> RpcModule<()> {
    let answers = Answers { seen, peer_port };
    let mut all = RpcModule::new(());
    all.merge(NodeServer::into_rpc(answers.clone())).unwrap();
    all.merge(PeersServer::into_rpc(answers.clone())).unwrap();
    all.merge(SearchServer::into_rpc(answers.clone())).unwrap();
    all.merge(SearchStreamServer::into_rpc(answers.clone()))
        .unwrap();
    all.merge(ShareServer::into_rpc(answers.clone())).unwrap();
    all.merge(FetchServer::into_rpc(answers.clone())).unwrap();
    all.merge(EventStreamServer::into_rpc(answers)).unwrap();
    all
}

fn file(name: &str, size: u64) -> ShareFile {
    ShareFile {
        name: name.into(),
        size,
        modified: Some(951_782_400_000),
        digest: None,
    }
}

#[async_trait]
impl NodeServer for Answers {
    async fn status(&self) -> RpcResult<NodeStatus> {
        Ok(NodeStatus {
            unreadable: Vec::new(),
            version: "0.1.0".into(),
            api_version: "1.0.0".into(),
            web: None,
            name: Some("near".into()),
            id: "0".repeat(64),
            invitation: format!("sixhop://{}/?at={}", "0".repeat(64), self.peer_port),
            private: false,
            url: format!("http://{}/", self.peer_port),
            listen: self.peer_port.to_string(),
            control: "127.0.0.1:1".into(),
            share: "/share".into(),
            files: 3,
            is_share_known: true,
            share_trouble: None,
            skipped: 2,
            ignore_troubles: Vec::new(),
            unwatched: None,
            reach: None,
            sandbox: SandboxStatus {
                calls: LayerState::Held,
                files: LayerState::Unavailable {
                    reason: "no Landlock".into(),
                },
            },
            pid: 1,
            started: 0,
            peers: 2,
            peer_paths: BTreeMap::from([("plain".into(), 2)]),
            cache_bytes: 0,
            index: None,
            handlers: vec!["name".into()],
            counters: BTreeMap::from([("queries_received".into(), 7)]),
        })
    }

    async fn doctor(&self) -> RpcResult<Vec<Check>> {
        Ok(vec![Check {
            name: "clock".into(),
            state: CheckState::Failed,
            text: "it stands still".into(),
            advice: Some("wind it up".into()),
        }])
    }

    async fn log_level(&self, levels: Option<String>) -> RpcResult<String> {
        Ok(levels.unwrap_or_else(|| "info".into()))
    }

    async fn renew_secret(&self) -> RpcResult<bool> {
        Ok(true)
    }

    async fn stop(&self) -> RpcResult<bool> {
        Ok(true)
    }
}

fn peer(url: &str, state: PeerState) -> Peer {
    Peer {
        url: url.into(),
        name: None,
        id: None,
        path: PeerPath::Plain,
        dialect: PeerDialect::Faults,
        kind: PeerKind::Sixhop,
        state,
        source: PeerSource::Owner,
        failures: 0,
        last_answer: None,
        latency: None,
        rate: None,
        last_error: (state == PeerState::Failing).then(|| "connection refused".into()),
        notice: None,
    }
}

fn group(name: &str) -> Group {
    Group {
        name: name.to_owned(),
        ids: vec!["1".repeat(64)],
    }
}

#[async_trait]
impl PeersServer for Answers {
    async fn list(&self) -> RpcResult<Vec<Peer>> {
        Ok(vec![
            peer("http://127.0.0.1:5/", PeerState::Up),
            peer("http://127.0.0.1:6/", PeerState::New),
        ])
    }

    async fn add(&self, url: String) -> RpcResult<Peer> {
        match url.as_str() {
            "nonsense" => Err(ApiError::new(ErrorCode::Usage, "nonsense is not a URL").into()),
            "http://127.0.0.1:9/" => Ok(peer(&url, PeerState::Failing)),
            _ => Ok(peer(&url, PeerState::Up)),
        }
    }

    async fn remove(&self, _url: String) -> RpcResult<bool> {
        Ok(true)
    }

    async fn groups(&self) -> RpcResult<Vec<Group>> {
        Ok(vec![group("friends")])
    }

    async fn group_add(&self, name: String, _nodes: Vec<String>) -> RpcResult<Group> {
        Ok(group(&name))
    }

    async fn group_remove(&self, name: String, _nodes: Option<Vec<String>>) -> RpcResult<bool> {
        Ok(name == "friends")
    }

    async fn files(
        &self,
        _url: String,
        _limit: Option<u32>,
        _folder: Option<String>,
        _after: Option<String>,
    ) -> RpcResult<Vec<ShareFile>> {
        Ok(vec![
            file("a.txt", 1),
            file("there", 2),
            file("theirs.txt", 3),
        ])
    }
}

#[async_trait]
impl ShareServer for Answers {
    async fn browse(
        &self,
        _folder: Option<String>,
        _after: Option<String>,
        _limit: Option<u32>,
    ) -> RpcResult<FolderListing> {
        Ok(FolderListing {
            folders: Vec::new(),
            folders_truncated: false,
            files: vec![file("a.txt", 2048)],
            next: None,
        })
    }

    async fn list(
        &self,
        _pattern: Option<String>,
        after: Option<String>,
        _limit: Option<u32>,
    ) -> RpcResult<ShareListing> {
        let (files, next) = match after {
            None => (
                vec![file("a.txt", 2048), file("b.txt", 0)],
                Some("b.txt".into()),
            ),
            Some(_) => (vec![file(HOSTILE, 5)], None),
        };
        Ok(ShareListing {
            files,
            next,
            skipped: 1,
        })
    }

    async fn stat(&self, name: String) -> RpcResult<ShareFile> {
        Ok(file(&name, 1))
    }

    async fn skipped(
        &self,
        after: Option<String>,
        _limit: Option<u32>,
    ) -> RpcResult<SkippedListing> {
        let entry = |name: &str| SkippedEntry {
            name: name.into(),
            reason: "it is a symbolic link".into(),
        };
        Ok(match after {
            None => SkippedListing {
                skipped: vec![entry("a")],
                next: Some("a".into()),
            },
            Some(_) => SkippedListing {
                skipped: vec![entry(HOSTILE)],
                next: None,
            },
        })
    }

    async fn rescan(&self, _: Option<String>) -> RpcResult<ShareRescan> {
        Ok(ShareRescan::default())
    }

    async fn accept(&self) -> RpcResult<bool> {
        Ok(true)
    }
}

#[async_trait]
impl SearchServer for Answers {
    async fn query(
        &self,
        query: String,
        limit: Option<u32>,
        reach: Option<SearchReach>,
        _excerpts: Option<u32>,
    ) -> RpcResult<SearchAnswer> {
        let hit = |name: &str| Hit {
            name: name.into(),
            digest: None,
            size: Some(5),
            modified: None,
            node: "http://127.0.0.1:4242/".into(),
            node_name: None,
            handler: "name".into(),
            score: None,
            excerpt: query.starts_with("grep:").then(|| excerpt(&query)),
        };
        let hits = if query.contains("none") {
            Vec::new()
        } else {
            vec![hit("a.txt"), hit(HOSTILE)]
        };
        let end = if limit.is_some_and(|limit| limit < 10) {
            SearchEnd::Limit
        } else {
            SearchEnd::Complete
        };
        let trace = vec![TraceStep {
            node: "http://127.0.0.1:4242/".into(),
            node_name: None,
            named_by: None,
            why: None,
            hops: 0,
            handler: "name".into(),
            milliseconds: 1,
            hits: hits.len() as u64,
            end,
        }];
        Ok(SearchAnswer {
            gaps: Vec::new(),
            hits,
            end,
            asked: 1,
            answered: 1,
            timed_out: 0,
            left_chapter_out: false,
            unreachable: 0,
            passed_over: u32::from(reach == Some(SearchReach::Quick)),
            trace,
        })
    }
}

/// Returns a line that repeats the query.
fn excerpt(query: &str) -> Excerpt {
    Excerpt {
        text: format!("\t{query}\u{1b}"),
        line: Some(7),
        column: Some(2),
        before: vec!["before".into()],
        ..Excerpt::default()
    }
}

#[async_trait]
impl SearchStreamServer for Answers {
    async fn follow(
        &self,
        pending: PendingSubscriptionSink,
        query: String,
        limit: Option<u32>,
        reach: Option<SearchReach>,
    ) -> SubscriptionResult {
        let sink = pending.accept().await?;
        let answer = self.query(query, limit, reach, None).await?;
        let (hits, summary) = (answer.hits.clone(), answer);
        let done = SearchAnswer {
            hits: Vec::new(),
            ..summary
        };
        for news in [SearchNews::Hits(hits), SearchNews::Done(done)] {
            let message = serde_json::value::to_raw_value(&news)?;
            sink.send(SubscriptionMessage::from(message)).await?;
        }
        Ok(())
    }
}

/// Numbers of fetches, by their outcomes.
const MISSING: u64 = 1;
const SLOW: u64 = 2;
const FOUND: u64 = 3;

fn status(id: u64, state: FetchState) -> FetchStatus {
    let error = match state {
        FetchState::Failed => Some(ApiError::new(ErrorCode::NotFound, "no peer has missing")),
        _ => None,
    };
    FetchStatus {
        id,
        name: "x".into(),
        state,
        bytes: if state == FetchState::Done { 12 } else { 0 },
        size: None,
        digest: None,
        holders: Vec::new(),
        rate: 0,
        peer: (state == FetchState::Done).then(|| "http://127.0.0.1:5/".into()),
        path: None,
        asked: 1,
        started: 0,
        ended: None,
        error,
        kept: None,
    }
}

/// Returns a batch that is over: nothing is found for `name:none*`, and one of three files fails for `name:bad*`.
fn batch(query: &str) -> FetchBatch {
    let (found, failed) = match query {
        "name:none*" => (0, 0),
        "name:bad*" => (3, 1),
        _ => (3, 0),
    };
    let failure = FetchFailure {
        name: "bad.txt".into(),
        error: ApiError::new(ErrorCode::Network, "no peer delivered bad.txt"),
    };
    FetchBatch {
        id: 1,
        query: query.into(),
        queued: false,
        over: true,
        cancelled: false,
        found,
        size: 4 * found,
        done: found - failed,
        bytes: 4 * (found - failed),
        existing: 0,
        failed,
        failures: (failed > 0).then_some(failure).into_iter().collect(),
        truncated: false,
        asked: 1,
        unreachable: 0,
        started: 0,
        ended: Some(0),
    }
}

#[async_trait]
impl FetchServer for Answers {
    async fn start(
        &self,
        name: String,
        replace: Option<bool>,
        _digest: Option<String>,
    ) -> RpcResult<FetchStatus> {
        let id = match name.as_str() {
            "missing" => MISSING,
            "slow" => SLOW,
            "full" => {
                return Err(ApiError::new(ErrorCode::NoSpace, "no space left for full").into());
            }
            "forged" => {
                return Err(
                    ApiError::new(ErrorCode::Mismatch, "forged is not what was announced").into(),
                );
            }
            "there" if replace != Some(true) => {
                return Err(
                    ApiError::new(ErrorCode::Exists, "there is in the share already").into(),
                );
            }
            _ => FOUND,
        };
        if replace == Some(true) {
            self.seen.lock().unwrap().replaced.push(name);
        }
        Ok(status(id, FetchState::Searching))
    }

    /// Resolves a text: one with signs is a query, which three files match; any other is a name.
    async fn resolve(&self, name: String, expand: Option<bool>) -> RpcResult<FetchPlan> {
        if !name.contains(['*', ':']) && !name.ends_with('/') {
            return Ok(FetchPlan {
                names: vec![name],
                ..FetchPlan::default()
            });
        }
        let query = match name.strip_suffix('/') {
            Some(folder) => format!("name:{folder}/**"),
            None => format!("name:{name}"),
        };
        let all = ["photos/here.txt", "photos/b/here.txt", "photos/.bashrc"];
        let is_named = |_: &&str| expand == Some(true) && !name.starts_with("none");
        Ok(FetchPlan {
            names: all
                .into_iter()
                .filter(is_named)
                .map(str::to_owned)
                .collect(),
            query: Some(query),
            ..FetchPlan::default()
        })
    }

    async fn pass(&self, _name: String, _tree: Option<bool>) -> RpcResult<Option<String>> {
        Ok(None)
    }

    async fn wait(&self, id: u64, _seconds: Option<u32>) -> RpcResult<FetchStatus> {
        Ok(match id {
            MISSING => status(id, FetchState::Failed),
            SLOW => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                status(id, FetchState::Searching)
            }
            _ => status(id, FetchState::Done),
        })
    }

    async fn start_matching(&self, query: String, _: Option<bool>) -> RpcResult<FetchBatch> {
        Ok(batch(&query))
    }

    async fn wait_matching(&self, _: u64, _: Option<u32>) -> RpcResult<FetchBatch> {
        Ok(batch("name:*"))
    }

    async fn list_matching(&self) -> RpcResult<Vec<FetchBatch>> {
        Ok(vec![batch("name:bad*")])
    }

    async fn cancel_matching(&self, _: u64) -> RpcResult<FetchBatch> {
        Ok(batch("name:*"))
    }

    async fn list(&self) -> RpcResult<Vec<FetchStatus>> {
        Ok(vec![
            status(MISSING, FetchState::Failed),
            status(SLOW, FetchState::Receiving),
            status(FOUND, FetchState::Done),
        ])
    }

    async fn cancel(&self, id: u64, _: Option<bool>) -> RpcResult<FetchStatus> {
        self.seen.lock().unwrap().cancelled.push(id);
        Ok(status(id, FetchState::Cancelled))
    }

    async fn drop_kept(&self, id: Option<u64>, _: Option<String>) -> RpcResult<Vec<FetchStatus>> {
        Ok(vec![status(id.unwrap_or(MISSING), FetchState::Cancelled)])
    }
}

#[async_trait]
impl EventStreamServer for Answers {
    async fn follow(
        &self,
        pending: PendingSubscriptionSink,
        since: Option<u64>,
    ) -> SubscriptionResult {
        let sink = pending.accept().await?;
        for id in since.map_or(5, |since| since + 3)..100 {
            let event = Event {
                id,
                time: 0,
                kind: "peer.up".into(),
                data: json!({ "url": "http://127.0.0.1:5/" }),
            };
            let message = serde_json::value::to_raw_value(&event)?;
            sink.send(SubscriptionMessage::from(message)).await?;
        }
        sink.closed().await;
        Ok(())
    }
}
