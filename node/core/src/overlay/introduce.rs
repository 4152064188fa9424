//! Introducing this node to its peers, and saving the peers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use node_wire::{dialect::Dialect, peer_url::PeerUrl, response::HelloAnswer};
use serde_json::json;
use tokio::{
    select,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Overlay, Source};
use crate::{
    client::{CallError, PeerKind},
    clock::now,
    state::StateDir,
};

/// The file of the saved peers: one URL a line.
pub const PEERS_FILE: &str = "peers";

/// Introductions in flight at a time.
const AT_A_TIME: usize = 4;

/// Longest time for one introduction.
const INTRODUCTION: Duration = Duration::from_secs(4);

/// Shortest time between two savings.
const SAVE_PAUSE: Duration = Duration::from_millis(250);

/// How often a peer of the settings that was dropped is tried again.
const SETTINGS_AGAIN: Duration = Duration::from_secs(60);

/// The task that introduces and saves.
#[derive(Debug)]
pub struct Introducer {
    overlay: Arc<Overlay>,
    state: Option<StateDir>,
    /// Peers of the settings: they are tried again even after they were dropped.
    settings: Vec<PeerUrl>,
    saved_revision: u64,
    saved_at: Instant,
}

impl Overlay {
    /// Introduces this node to `peer` now.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn introduce(&self, peer: &PeerUrl) -> Result<(), CallError> {
        let begun = now();
        let deadline = begun + INTRODUCTION;
        match self.say_hello(peer, deadline).await {
            Ok((kind, dialect)) => {
                let latency = now().saturating_duration_since(begun);
                self.peers().introduced(peer, kind, dialect, latency);
                self.met.notify_one();
                self.events
                    .emit("peer.answered", json!({ "url": peer.as_str() }));
                Ok(())
            }
            Err(error) => {
                self.peers().not_introduced(peer, &error.to_string(), now());
                Err(error)
            }
        }
    }

    /// A peer that answers in codes is told the URL under which we answer so.
    async fn say_hello(
        &self,
        peer: &PeerUrl,
        deadline: Instant,
    ) -> Result<(PeerKind, Option<Dialect>), CallError> {
        let answer = self.client.hello(peer, &self.ourselves, deadline).await?;
        let dialect = match answer.value {
            Some(HelloAnswer::Welcome(dialect)) => Some(dialect),
            Some(HelloAnswer::Refused) => Some(Dialect::Codes),
            None => None,
        };
        if dialect == Some(Dialect::Codes) {
            self.client
                .hello(peer, &self.ourselves.codes(), deadline)
                .await?;
        }
        Ok((answer.kind, dialect))
    }
}

impl Introducer {
    /// Starts from the peers of the settings and the saved ones.
    #[must_use]
    pub fn new(
        overlay: Arc<Overlay>,
        state: Option<StateDir>,
        settings: Vec<PeerUrl>,
    ) -> Introducer {
        for url in &settings {
            overlay.add(url, Source::Settings);
        }
        if let Some(state) = &state {
            load(&overlay, state);
        }
        Introducer {
            overlay,
            state,
            settings,
            saved_revision: 0,
            saved_at: now(),
        }
    }

    /// Works until it is cancelled; then saves once more.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut settings_at = now() + SETTINGS_AGAIN;
        loop {
            select! {
                () = cancel.cancelled() => break,
                () = self.work() => {}
            }
            if now() >= settings_at {
                settings_at = now() + SETTINGS_AGAIN;
                self.settings.iter().for_each(|url| {
                    self.overlay.add(url, Source::Settings);
                });
            }
        }
        self.save().await;
    }

    async fn work(&mut self) {
        let due = self.overlay.peers().to_introduce(now(), AT_A_TIME);
        if due.is_empty() {
            if now() >= self.saved_at + SAVE_PAUSE {
                self.save().await;
            }
            self.wait().await;
        }
        // What failed is in the table and is tried again from there.
        join_all(due.iter().map(|peer| self.overlay.introduce(peer))).await;
    }

    async fn wait(&self) {
        let far = now() + SETTINGS_AGAIN;
        let (next, revision) = {
            let peers = self.overlay.peers();
            (
                peers.next_introduction().unwrap_or(far).min(far),
                peers.revision(),
            )
        };
        select! {
            () = self.overlay.changed.notified() => {}
            () = sleep_until(next.into()) => {}
            () = sleep(SAVE_PAUSE), if revision != self.saved_revision => {}
        }
    }

    async fn save(&mut self) {
        let Some(state) = self.state.clone() else {
            return;
        };
        let (revision, text) = {
            let peers = self.overlay.peers();
            let lines: Vec<String> = peers
                .list()
                .iter()
                .map(|peer| format!("{}\n", peer.url.as_str()))
                .collect();
            (peers.revision(), lines.concat())
        };
        if revision == self.saved_revision {
            return;
        }
        (self.saved_revision, self.saved_at) = (revision, now());
        let saved = tokio::task::spawn_blocking(move || state.write(PEERS_FILE, &text)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "the peers could not be saved");
        }
    }
}

fn load(overlay: &Overlay, state: &StateDir) {
    match state.read(PEERS_FILE) {
        Ok(text) => {
            for url in text
                .unwrap_or_default()
                .lines()
                .filter_map(|line| PeerUrl::parse(line.trim()).ok())
            {
                overlay.add(&url, Source::Saved);
            }
        }
        Err(error) => tracing::warn!(%error, "the saved peers could not be read"),
    }
}
