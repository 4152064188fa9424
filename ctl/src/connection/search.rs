//! A search whose hits come one after the other.

use jsonrpsee::core::client::Subscription;
use jsonrpsee_ws_client::WsClient;
use node_api::search::{SearchNews, SearchReach, SearchStreamClient};

use super::Connection;
use crate::error::CtlError;

/// A search in progress. Dropping it ends it.
pub(crate) struct SearchStream<'a> {
    connection: &'a Connection,
    /// The subscription lives as long as its connection.
    _client: WsClient,
    news: Subscription<SearchNews>,
}

impl Connection {
    /// Begins a search whose hits come one after the other.
    pub(crate) async fn search_stream(
        &self,
        query: &str,
        limit: Option<u32>,
        reach: SearchReach,
    ) -> Result<SearchStream<'_>, CtlError> {
        let client = self.web_socket().await?;
        let news = SearchStreamClient::follow(&client, query.to_owned(), limit, Some(reach));
        let news = news.await;
        Ok(SearchStream {
            connection: self,
            news: news.map_err(|error| self.classify(error))?,
            _client: client,
        })
    }
}

impl SearchStream<'_> {
    /// Returns the next news. The last one is [`SearchNews::Done`].
    pub(crate) async fn next(&mut self) -> Result<SearchNews, CtlError> {
        match self.news.next().await {
            Some(Ok(SearchNews::Failed(error))) => Err(error.into()),
            Some(Ok(news)) => Ok(news),
            Some(Err(error)) => Err(self.connection.classify(error.into())),
            None => Err(CtlError::Closed {
                place: self.connection.place(),
            }),
        }
    }
}
