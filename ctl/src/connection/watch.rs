//! Calls about queries that stand.

use node_api::watch::{Watch, WatchMatches, WatchesClient};

use super::Connection;
use crate::error::CtlError;

impl Connection {
    /// Has a query stand, or finds the watch that it is already.
    pub(crate) async fn watch_add(&self, query: &str, new_only: bool) -> Result<Watch, CtlError> {
        let added = WatchesClient::add(self.http(), query.to_owned(), Some(new_only));
        self.sorted_out(added.await)
    }

    /// Has the node fetch what a watch finds, or stop to.
    pub(crate) async fn watch_fetch(&self, id: u64, on: bool) -> Result<Watch, CtlError> {
        self.sorted_out(WatchesClient::fetch(self.http(), id, on).await)
    }

    /// Lists the queries that stand.
    pub(crate) async fn watches(&self) -> Result<Vec<Watch>, CtlError> {
        self.sorted_out(WatchesClient::list(self.http()).await)
    }

    /// Returns at most `limit` matches that were not taken, after at most so many seconds.
    pub(crate) async fn watch_next(
        &self,
        id: u64,
        limit: u32,
        seconds: u32,
    ) -> Result<WatchMatches, CtlError> {
        let next = WatchesClient::next(self.http(), id, None, Some(limit), Some(seconds));
        self.sorted_out(next.await)
    }

    /// Has the node forget the matches up to a number: their reader has taken them.
    pub(crate) async fn watch_taken(&self, id: u64, number: u64) -> Result<(), CtlError> {
        let taken = WatchesClient::next(self.http(), id, Some(number), Some(1), None);
        self.sorted_out(taken.await).map(drop)
    }

    /// Ends a watch. Returns whether there was one.
    pub(crate) async fn watch_remove(&self, id: u64) -> Result<bool, CtlError> {
        self.sorted_out(WatchesClient::remove(self.http(), id).await)
    }
}
