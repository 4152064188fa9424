//! `on_match`: a function of the script is called with each content that matches a query.
//!
//! The node keeps the watch. A match counts as taken when the function has returned, so that a script that ends before that
//! gets it again when it runs the next time, and no other.

use std::time::Duration;

use node_api::{error::ErrorCode, watch::WatchMatch};
use rhai::FnPtr;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{Hooks, NodeKey, Queued, feed::Origin, lock};
use crate::{
    connection::Connection,
    error::CtlError,
    output::Output,
    script::{session::Session, verbs::Callee},
};

/// Seconds that one call waits for matches.
const SECONDS: u32 = 20;

/// The pause before a node that does not answer any more is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// A match for a function of the script.
pub(super) struct UntakenMatch {
    pub(super) handle: i64,
    pub(super) found: WatchMatch,
    watch: u64,
    connection: Connection,
    /// Is told when the match was taken.
    taken: oneshot::Sender<()>,
}

impl UntakenMatch {
    /// Has the node forget the match: the function has returned.
    pub(super) fn take(self, session: &Session) -> Result<(), CtlError> {
        let taken = self.connection.watch_taken(self.watch, self.found.number);
        session.wait(taken)?;
        // Without a receiver nobody waits for the next match.
        let _ = self.taken.send(());
        Ok(())
    }
}

/// A query that stands at a node.
struct Watching {
    origin: Origin,
    connection: Connection,
    query: String,
    watch: u64,
}

/// Has `callback` called with each content that matches a query.
pub(super) fn on_match(node: &Callee, query: &str, callback: FnPtr) -> Result<i64, CtlError> {
    let (session, connection) = (&node.session, node.connection.clone());
    let watch = session.wait(connection.watch_add(query, false))?.id;
    let watching = Watching {
        origin: node.origin()?,
        connection,
        query: query.to_owned(),
        watch,
    };
    session
        .hooks()
        .watch(node.key(), callback, |handle, sender| {
            let output = session.context().output;
            session
                .runtime()
                .spawn(follow(watching, node.key(), handle, sender, output))
        })
}

impl Hooks {
    fn watch(
        &self,
        key: NodeKey,
        callback: FnPtr,
        spawn: impl FnOnce(i64, mpsc::Sender<Queued>) -> tokio::task::JoinHandle<()>,
    ) -> Result<i64, CtlError> {
        let handle = self.table().watch(key, callback)?;
        lock(&self.watching).insert(handle, spawn(handle, self.sender.clone()));
        Ok(handle)
    }

    /// Ends a listener, a timer or a watch of the script. Says whether it was there.
    pub(super) fn off(&self, handle: i64) -> bool {
        if let Some(follower) = lock(&self.watching).remove(&handle) {
            follower.abort();
        }
        self.table().remove(handle)
    }
}

/// Queues the matches of a watch, one after the other.
async fn follow(
    mut watching: Watching,
    key: NodeKey,
    handle: i64,
    sender: mpsc::Sender<Queued>,
    output: Output,
) {
    loop {
        let queued = match watching.next(handle, output).await {
            Ok((found, taken)) => {
                if sender.send(Queued::Match(Box::new(found))).await.is_err() {
                    return;
                }
                // Without a sender the function was taken off, or the match is given again.
                if taken.await.is_err() {
                    return;
                }
                continue;
            }
            Err(CtlError::Closed { .. }) => Queued::Over(key),
            Err(error) => Queued::Failed(error),
        };
        // Without a receiver the run is over.
        let _ = sender.send(queued).await;
        return;
    }
}

impl Watching {
    /// Returns the next match. Waits for the owner's node while it is gone.
    async fn next(
        &mut self,
        handle: i64,
        output: Output,
    ) -> Result<(UntakenMatch, oneshot::Receiver<()>), CtlError> {
        loop {
            let page = self.connection.watch_next(self.watch, 1, SECONDS).await;
            let mut page = match page {
                Ok(page) => page,
                Err(error) if error.code() == ErrorCode::Network => {
                    self.find_again(output, error).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(found) = page.matches.pop() {
                let (taken, is_taken) = oneshot::channel();
                let found = UntakenMatch {
                    handle,
                    found,
                    watch: self.watch,
                    connection: self.connection.clone(),
                    taken,
                };
                return Ok((found, is_taken));
            }
        }
    }

    async fn find_again(&mut self, output: Output, error: CtlError) -> Result<(), CtlError> {
        match &self.origin {
            #[cfg(feature = "embedded")]
            Origin::Own(_) => return Err(error),
            Origin::Login(_) => {}
        }
        output.note(&format!("waiting for the node to be back: {error}"));
        loop {
            sleep(PAUSE).await;
            let Ok(connection) = self.origin.connection() else {
                continue;
            };
            if let Ok(watch) = connection.watch_add(&self.query, false).await {
                (self.connection, self.watch) = (connection, watch.id);
                return Ok(());
            }
        }
    }
}
