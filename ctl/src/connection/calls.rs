//! The calls of a controller to a node: the same for commands, shell and scripts.

use std::time::Duration;

use jsonrpsee::core::{client::ClientT, params::ObjectParams};
use node_api::{
    cache::{CacheBlob, CacheCleared, CacheClient},
    error::{ApiError, ErrorCode},
    events::{EventPage, EventsClient},
    fetch::{FetchBatch, FetchClient, FetchPlan, FetchState, FetchStatus, WAIT_SECONDS_MAX},
    level::Level,
    node::{Check, NodeClient, NodeStatus},
    peer::{Group, Peer, PeerState, PeersClient},
    plugin::{Plugin, PluginsClient},
    search::{LIMIT_MAX, SearchAnswer, SearchClient, SearchReach},
    share::{FolderListing, ShareClient, ShareFile, ShareRescan, SkippedEntry},
    ticket::{NewTicket, Ticket, TicketsClient},
    token::{Token, TokensClient},
};
use node_base::token::TokenHash;
use node_wire::Digest;
use serde_json::{Map, Value};

use super::Connection;
use crate::{error::CtlError, output::escaped, patience::Patience};

/// Files that one page of a listing has at most.
const PAGE: u32 = 1_000;

/// Files that one page of a listing of a peer has at most.
const PEER_PAGE: u32 = 2_000;

/// The time for a cancelled fetch to confirm.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Most files of a peer that are listed for a person or a script.
pub(crate) const PEER_FILES_MAX: usize = 1_000_000;

/// All files of a share.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Listing {
    /// The files, sorted by name.
    pub(crate) files: Vec<ShareFile>,
    /// Files in the directory that are not shared.
    pub(crate) skipped: u64,
}

/// Files that a peer shares.
#[derive(Clone, Debug)]
pub(crate) struct PeerListing {
    /// The files, sorted by name.
    pub(crate) files: Vec<ShareFile>,
    /// True if there are more than were wanted.
    pub(crate) more: bool,
}

/// A folder of a share, or a file, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Folder(String);

impl Folder {
    /// Creates the folder of this name, which may end with a `/`.
    pub(crate) fn new(text: &str) -> Folder {
        Folder(text.trim_end_matches('/').to_owned())
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Returns whether a file of this name is in it, or is it.
    pub(crate) fn has(&self, name: &str) -> bool {
        name == self.0 || name.starts_with(&self.prefix())
    }

    fn prefix(&self) -> String {
        if self.0.is_empty() {
            String::new()
        } else {
            format!("{}/", self.0)
        }
    }
}

/// Returns whether a text names a peer: by a URL, or as `HOST:PORT`. What does not is a folder or a file.
pub(crate) fn is_peer(text: &str) -> bool {
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(['/', ' ']) && port.parse::<u16>().is_ok()
    });
    text.contains("://") || has_port
}

/// A link to be added, without its text.
#[derive(Clone, Debug)]
pub(crate) struct NewLink {
    /// The hash of its text.
    pub(crate) hash: String,
    pub(crate) uses: Option<u32>,
    pub(crate) time: Option<Duration>,
    /// The hash of its password.
    pub(crate) password: Option<String>,
}

/// Returns the seconds of a time, at least one.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().max(1)
}

impl Connection {
    /// Returns the status of the node.
    pub(crate) async fn status(&self) -> Result<NodeStatus, CtlError> {
        self.sorted_out(NodeClient::status(&self.http).await)
    }

    /// Lists the known peers.
    pub(crate) async fn peers(&self) -> Result<Vec<Peer>, CtlError> {
        self.sorted_out(PeersClient::list(&self.http).await)
    }

    /// Introduces the node to a peer. The peer may not have answered; see [`require_answer`].
    ///
    /// [`require_answer`]: Connection::require_answer
    pub(crate) async fn hello(&self, url: &str) -> Result<Peer, CtlError> {
        self.sorted_out(PeersClient::add(&self.http, url.to_owned()).await)
    }

    /// Errors if a peer did not answer a `hello`.
    pub(crate) fn require_answer(peer: &Peer) -> Result<(), CtlError> {
        if peer.state == PeerState::Up {
            return Ok(());
        }
        let reason = peer.last_error.as_deref().unwrap_or("no answer");
        Err(CtlError::network(format!(
            "{} did not answer: {reason}; the node keeps it and tries again",
            peer.url
        )))
    }

    /// Finds files of the node.
    pub(crate) async fn search(
        &self,
        query: &str,
        limit: Option<u32>,
        reach: SearchReach,
    ) -> Result<SearchAnswer, CtlError> {
        let all = Some(LIMIT_MAX);
        let answer = SearchClient::query(&self.http, query.to_owned(), limit, Some(reach), all);
        self.sorted_out(answer.await)
    }

    /// Lists the files that the node shares: all, or those of a folder.
    pub(crate) async fn files(&self, folder: Option<&Folder>) -> Result<Listing, CtlError> {
        let mut listing = Listing {
            files: Vec::new(),
            skipped: 0,
        };
        if let Some(folder) = folder
            && let Ok(file) = ShareClient::stat(&self.http, folder.0.clone()).await
        {
            listing.files.push(file);
            return Ok(listing);
        }
        // Names are sorted: what is in a folder stands together, behind the name of the folder.
        let mut after = folder.map(Folder::prefix);
        loop {
            let page = ShareClient::list(&self.http, None, after.clone(), Some(PAGE)).await;
            let page = self.sorted_out(page)?;
            let of_page = page.files.len();
            let is_in = |file: &ShareFile| folder.is_none_or(|folder| folder.has(&file.name));
            let before = listing.files.len();
            listing
                .files
                .extend(page.files.into_iter().take_while(is_in));
            listing.skipped = page.skipped;
            let is_end = listing.files.len() - before < of_page;
            if is_end || page.next.is_none() || page.next <= after {
                return Ok(listing);
            }
            after = page.next;
        }
    }

    /// Lists one folder of the node, behind the name `after`.
    pub(crate) async fn browse(
        &self,
        folder: &Folder,
        after: Option<String>,
        limit: u32,
    ) -> Result<FolderListing, CtlError> {
        let name = (!folder.0.is_empty()).then(|| folder.0.clone());
        self.sorted_out(ShareClient::browse(&self.http, name, after, Some(limit)).await)
    }

    /// Returns whether the node shares a file of exactly this name.
    pub(crate) async fn has_file(&self, name: &str) -> Result<bool, CtlError> {
        match self.sorted_out(ShareClient::stat(&self.http, name.to_owned()).await) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Usage) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Lists the entries of the node's directory that are not shared.
    pub(crate) async fn skipped(&self) -> Result<Vec<SkippedEntry>, CtlError> {
        let mut skipped = Vec::new();
        let mut after = None;
        loop {
            let page = ShareClient::skipped(&self.http, after, Some(PAGE)).await;
            let page = self.sorted_out(page)?;
            skipped.extend(page.skipped);
            if page.next.is_none() {
                return Ok(skipped);
            }
            after = page.next;
        }
    }

    /// Has the node look at its directory, or a part of it.
    pub(crate) async fn rescan(&self, name: Option<String>) -> Result<ShareRescan, CtlError> {
        self.sorted_out(ShareClient::rescan(&self.http, name).await)
    }

    /// Lists the files that a peer shares, or those of a folder, sorted by name: at most `most`.
    pub(crate) async fn files_of_peer(
        &self,
        url: &str,
        folder: Option<&Folder>,
        most: usize,
    ) -> Result<PeerListing, CtlError> {
        let name = folder.map(|folder| folder.0.clone());
        let mut files = Vec::new();
        loop {
            let after = files.last().map(|file: &ShareFile| file.name.clone());
            let (url, limit) = (url.to_owned(), Some(PEER_PAGE));
            let page = PeersClient::files(&self.http, url, limit, name.clone(), after).await;
            let page = self.sorted_out(page)?;
            let is_last = page.len() < PEER_PAGE as usize;
            files.extend(page);
            if is_last || files.len() > most {
                let more = files.len() > most;
                files.truncate(most);
                return Ok(PeerListing { files, more });
            }
        }
    }

    /// Lists the cached content.
    pub(crate) async fn cached(&self) -> Result<Vec<CacheBlob>, CtlError> {
        self.sorted_out(CacheClient::list(&self.http).await)
    }

    /// Removes the cached content.
    pub(crate) async fn clear_cache(&self) -> Result<CacheCleared, CtlError> {
        self.sorted_out(CacheClient::clear(&self.http).await)
    }

    /// Lists the handlers.
    pub(crate) async fn plugins(&self) -> Result<Vec<Plugin>, CtlError> {
        self.sorted_out(PluginsClient::list(&self.http).await)
    }

    /// Returns the events after the event `id` that the node still has, at most `limit`.
    pub(crate) async fn events_after(&self, id: u64, limit: u32) -> Result<EventPage, CtlError> {
        self.sorted_out(EventsClient::since(&self.http, id, Some(limit)).await)
    }

    /// Calls any method with named parameters.
    pub(crate) async fn call(
        &self,
        method: &str,
        named: &Map<String, Value>,
    ) -> Result<Value, CtlError> {
        let mut params = ObjectParams::new();
        for (name, value) in named {
            params
                .insert(name, value)
                .map_err(|error| CtlError::usage(format!("parameter {name}: {error}")))?;
        }
        self.sorted_out(self.http.request(method, params).await)
    }

    /// Forgets a peer. Says whether it was known.
    pub(crate) async fn forget(&self, url: &str) -> Result<bool, CtlError> {
        self.sorted_out(PeersClient::remove(&self.http, url.to_owned()).await)
    }

    /// Lists the groups of nodes.
    pub(crate) async fn groups(&self) -> Result<Vec<Group>, CtlError> {
        self.sorted_out(PeersClient::groups(&self.http).await)
    }

    /// Adds nodes to a group.
    pub(crate) async fn group_add(
        &self,
        name: &str,
        nodes: Vec<String>,
    ) -> Result<Group, CtlError> {
        self.sorted_out(PeersClient::group_add(&self.http, name.to_owned(), nodes).await)
    }

    /// Removes nodes from a group, or the whole group. Says whether anything was removed.
    pub(crate) async fn group_remove(
        &self,
        name: &str,
        nodes: Option<Vec<String>>,
    ) -> Result<bool, CtlError> {
        self.sorted_out(PeersClient::group_remove(&self.http, name.to_owned(), nodes).await)
    }

    /// Adds a token by the hash of its text.
    pub(crate) async fn token_add(
        &self,
        name: &str,
        may: Level,
        hash: &TokenHash,
        time: Option<Duration>,
    ) -> Result<Token, CtlError> {
        let seconds = time.map(|time| time.as_secs().max(1));
        let added = TokensClient::add(&self.http, name.to_owned(), may, hash.to_string(), seconds);
        self.sorted_out(added.await)
    }

    /// Lists the tokens.
    pub(crate) async fn tokens(&self) -> Result<Vec<Token>, CtlError> {
        self.sorted_out(TokensClient::list(&self.http).await)
    }

    /// Removes a token. Says whether there was one.
    pub(crate) async fn token_remove(&self, name: &str) -> Result<bool, CtlError> {
        self.sorted_out(TokensClient::remove(&self.http, name.to_owned()).await)
    }

    /// Adds a link that gives files and folders, by the hash of its text.
    pub(crate) async fn ticket_share(
        &self,
        names: Vec<String>,
        link: NewLink,
    ) -> Result<NewTicket, CtlError> {
        let NewLink {
            hash,
            uses,
            time,
            password,
        } = link;
        let added = TicketsClient::share(
            &self.http,
            names,
            hash,
            uses,
            time.map(whole_seconds),
            password,
        );
        self.sorted_out(added.await)
    }

    /// Adds a link that takes files, by the hash of its text.
    pub(crate) async fn ticket_ask(
        &self,
        into: Option<String>,
        max_bytes: Option<u64>,
        link: NewLink,
    ) -> Result<NewTicket, CtlError> {
        let NewLink {
            hash,
            uses,
            time,
            password,
        } = link;
        let seconds = time.map(whole_seconds);
        let added = TicketsClient::ask(&self.http, hash, into, max_bytes, uses, seconds, password);
        self.sorted_out(added.await)
    }

    /// Lists the links.
    pub(crate) async fn tickets(&self) -> Result<Vec<Ticket>, CtlError> {
        self.sorted_out(TicketsClient::list(&self.http).await)
    }

    /// Removes a link. Says whether there was one.
    pub(crate) async fn ticket_remove(&self, id: u64) -> Result<bool, CtlError> {
        self.sorted_out(TicketsClient::remove(&self.http, id).await)
    }

    /// Checks what the node needs.
    pub(crate) async fn doctor(&self) -> Result<Vec<Check>, CtlError> {
        self.sorted_out(NodeClient::doctor(&self.http).await)
    }

    /// Says what is logged, after changing it to `levels` if they are given.
    pub(crate) async fn log_level(&self, levels: Option<String>) -> Result<String, CtlError> {
        self.sorted_out(NodeClient::log_level(&self.http, levels).await)
    }

    /// Ends the node cleanly.
    pub(crate) async fn stop(&self) -> Result<bool, CtlError> {
        self.sorted_out(NodeClient::stop(&self.http).await)
    }

    /// Makes a new secret. This connection ends then, too.
    pub(crate) async fn renew_secret(&self) -> Result<bool, CtlError> {
        self.sorted_out(NodeClient::renew_secret(&self.http).await)
    }

    /// Says what a text means that was typed as the name of what is to be fetched. With `expand` the files that match
    /// a query are named.
    pub(crate) async fn resolve(&self, typed: &str, expand: bool) -> Result<FetchPlan, CtlError> {
        let plan = FetchClient::resolve(&self.http, typed.to_owned(), Some(expand));
        self.sorted_out(plan.await)
    }

    /// Lists the fetches that run and the last ones that ended.
    pub(crate) async fn transfers(&self) -> Result<Vec<FetchStatus>, CtlError> {
        self.sorted_out(FetchClient::list(&self.http).await)
    }

    /// Lists the fetches of all files that match a query.
    pub(crate) async fn batches(&self) -> Result<Vec<FetchBatch>, CtlError> {
        self.sorted_out(FetchClient::list_matching(&self.http).await)
    }

    /// Stops the fetch of this number, also for others that wait: one file, or all that match a query.
    pub(crate) async fn stop_transfer(&self, id: u64) -> Result<Stopped, CtlError> {
        let cancelled = FetchClient::cancel(&self.http, id, Some(true)).await;
        match self.sorted_out(cancelled) {
            Err(error) if error.code() == ErrorCode::NotFound => {
                let batch = FetchClient::cancel_matching(&self.http, id).await;
                self.sorted_out(batch).map(Stopped::Batch)
            }
            status => status.map(Stopped::File),
        }
    }

    /// Stops the fetch of this number and removes the bytes that are kept of it.
    pub(crate) async fn drop_transfer(&self, id: u64) -> Result<Vec<FetchStatus>, CtlError> {
        self.sorted_out(FetchClient::drop_kept(&self.http, Some(id), None).await)
    }

    /// Starts to bring a file into the share, or this content under its name.
    pub(crate) async fn start_fetch(
        &self,
        name: &str,
        digest: Option<String>,
        existing: Existing,
    ) -> Result<FetchStatus, CtlError> {
        let replace = Some(existing == Existing::Replace);
        let (name, digest) = match content(name)? {
            Some(content) => (content.clone(), Some(content)),
            None => (name.to_owned(), digest),
        };
        self.sorted_out(self.http.start(name, replace, digest).await)
    }

    /// Starts to fetch all files that match a query.
    pub(crate) async fn start_matching(
        &self,
        query: &str,
        existing: Existing,
    ) -> Result<FetchBatch, CtlError> {
        let replace = Some(existing == Existing::Replace);
        let start = FetchClient::start_matching(&self.http, query.to_owned(), replace);
        self.sorted_out(start.await)
    }

    /// Waits for the end of a fetch, for 20 seconds at most, and says how far it is.
    pub(crate) async fn wait_fetch(&self, id: u64) -> Result<FetchStatus, CtlError> {
        self.sorted_out(FetchClient::wait(&self.http, id, Some(WAIT_SECONDS_MAX)).await)
    }

    /// Brings a file into the share and waits until it is there. `on_change` sees every new status, the last one
    /// included, also when patience ends: then the interest in the fetch is given up at the node.
    pub(crate) async fn fetch(
        &self,
        name: &str,
        digest: Option<String>,
        existing: Existing,
        patience: &Patience,
        mut on_change: impl FnMut(&FetchStatus) -> Result<(), CtlError>,
    ) -> Result<FetchStatus, CtlError> {
        let started = patience
            .bound(self.start_fetch(name, digest, existing))
            .await?;
        let id = started.id;
        let watched = patience.bound(self.watch(started, &mut on_change)).await;
        match watched {
            Err(stop @ (CtlError::Interrupted | CtlError::Deadline(_))) => {
                if let Some(status) = self.cancel(id).await {
                    on_change(&status)?;
                }
                Err(stop)
            }
            over => outcome(over?),
        }
    }

    /// Follows a fetch until it is over.
    async fn watch(
        &self,
        started: FetchStatus,
        on_change: &mut impl FnMut(&FetchStatus) -> Result<(), CtlError>,
    ) -> Result<FetchStatus, CtlError> {
        let mut status = started;
        on_change(&status)?;
        while !status.state.is_over() {
            let next = self.sorted_out(self.http.wait(status.id, Some(1)).await)?;
            if next != status {
                on_change(&next)?;
            }
            status = next;
        }
        Ok(status)
    }

    /// Fetches all files that match a query and waits until that is over. `on_change` sees every new status. When
    /// patience ends, it is cancelled at the node.
    pub(crate) async fn fetch_matching(
        &self,
        query: &str,
        existing: Existing,
        patience: &Patience,
        mut on_change: impl FnMut(&FetchBatch) -> Result<(), CtlError>,
    ) -> Result<FetchBatch, CtlError> {
        let started = patience.bound(self.start_matching(query, existing)).await?;
        let id = started.id;
        let watch = async {
            let mut batch = started;
            on_change(&batch)?;
            while !batch.over {
                let wait = FetchClient::wait_matching(&self.http, id, Some(1));
                let next = self.sorted_out(wait.await)?;
                if next != batch {
                    on_change(&next)?;
                }
                batch = next;
            }
            Ok(batch)
        };
        let watched = patience.bound(watch).await;
        if let Err(CtlError::Interrupted | CtlError::Deadline(_)) = &watched {
            let cancel = FetchClient::cancel_matching(&self.http, id);
            let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel).await;
        }
        watched
    }

    /// Returns the pass that lets this program ask the node's peer port for one file, if one is needed.
    pub(crate) async fn pass(&self, name: &str) -> Result<Option<String>, CtlError> {
        self.sorted_out(FetchClient::pass(&self.http, name.to_owned(), None).await)
    }

    /// Returns the pass that lets this program ask the node's peer port for the tree of content, if one is needed.
    pub(crate) async fn pass_of_tree(&self, digest: &Digest) -> Result<Option<String>, CtlError> {
        let content = format!("blake3:{digest}");
        self.sorted_out(FetchClient::pass(&self.http, content, Some(true)).await)
    }

    /// Gives up the interest in a fetch. `None` if the node does not say in time what became of it: the command ends
    /// with the reason why it gave up, whatever the node says now.
    async fn cancel(&self, id: u64) -> Option<FetchStatus> {
        let cancel = FetchClient::cancel(&self.http, id, None);
        let cancelled = tokio::time::timeout(CANCEL_TIMEOUT, cancel).await;
        cancelled.ok()?.ok()
    }

    pub(super) fn sorted_out<T>(
        &self,
        answer: Result<T, jsonrpsee::core::ClientError>,
    ) -> Result<T, CtlError> {
        answer.map_err(|error| self.callee.classify(error))
    }

    /// Classifies the failure of a call that somebody else made over a connection of this one.
    pub(crate) fn classify(&self, error: jsonrpsee::core::ClientError) -> CtlError {
        self.callee.classify(error)
    }
}

/// A fetch that was stopped.
#[derive(Clone, Debug)]
pub(crate) enum Stopped {
    /// The fetch of one file.
    File(FetchStatus),
    /// The fetch of all files that match a query.
    Batch(FetchBatch),
}

/// The treatment of a file that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Existing {
    /// Leave it and fail.
    Keep,
    /// Write over it.
    Replace,
}

fn outcome(status: FetchStatus) -> Result<FetchStatus, CtlError> {
    match (status.state, status.error) {
        (FetchState::Done, _) => Ok(FetchStatus {
            error: None,
            ..status
        }),
        (_, Some(error)) => Err(error.into()),
        (FetchState::Cancelled, None) => Err(ApiError::new(
            ErrorCode::Cancelled,
            format!("the fetch of {} was cancelled", status.name),
        )
        .into()),
        (_, None) => Err(CtlError::failed(format!(
            "the fetch of {} failed and the node does not say why",
            status.name
        ))),
    }
}

/// Returns the digest, if this is `blake3:` and one: it names content and not a file. The file is then called by its digest,
/// which is written with small letters.
///
/// # Errors
/// If `blake3:` is followed by something else.
pub(crate) fn content(name: &str) -> Result<Option<String>, CtlError> {
    let digest = match name.split_once(':') {
        Some((prefix, digest)) if prefix.eq_ignore_ascii_case("blake3") => digest,
        _ => return Ok(None),
    };
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        Ok(Some(digest.to_ascii_lowercase()))
    } else {
        Err(CtlError::usage(format!(
            "{} is not a digest: 64 hex digits follow `blake3:`, not {}",
            escaped(name),
            digest.chars().count()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling_and_64_digits() {
        let content = |text: &str| content(text).map_err(|error| error.exit_code());
        assert_eq!(content("a.bin"), Ok(None));
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            content(&format!("blake3:{digest}")),
            Ok(Some(digest.clone()))
        );
        let all_upper = format!("BLAKE3:{}", digest.to_uppercase());
        assert_eq!(content(&all_upper), Ok(Some(digest.clone())));
        let upper = digest.to_uppercase();
        assert_eq!(
            content(&format!("blake3:{upper}")),
            Ok(Some(digest.clone()))
        );
        for wrong in ["", "x", &digest[4..], &digest.replace('a', "g")] {
            assert_eq!(content(&format!("blake3:{wrong}")), Err(2), "{wrong}");
        }
    }
}
