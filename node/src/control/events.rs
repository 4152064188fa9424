//! Namespace `events`.

use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait, to_json_raw_value},
};
use node_api::events::{Event, EventPage, EventStreamServer, EventsServer, PAGE_MAX};
use node_base::events::{EventLog, LoggedEvent};

use super::Owner;

/// Events that are taken from the log at a time.
const PAGE: usize = 64;

#[async_trait]
impl EventsServer for Owner {
    async fn since(&self, id: u64, limit: Option<u32>) -> RpcResult<EventPage> {
        let log = self.node.events();
        let limit = limit.unwrap_or(PAGE_MAX).min(PAGE_MAX) as usize;
        Ok(EventPage {
            events: log.since(id, limit).into_iter().map(describe).collect(),
            oldest: log.oldest(),
            newest: log.newest(),
        })
    }
}

#[async_trait]
impl EventStreamServer for Owner {
    async fn follow(
        &self,
        pending: PendingSubscriptionSink,
        since: Option<u64>,
    ) -> SubscriptionResult {
        let log = self.node.events();
        let since = since.unwrap_or_else(|| log.newest());
        let sink = pending.accept().await?;
        send(log, &sink, since).await?;
        Ok(())
    }
}

/// Sends events until the client is gone. A slow client waits for itself; what
/// the log forgets meanwhile is missing for it, as a gap in the ids.
async fn send(log: &EventLog, sink: &SubscriptionSink, mut since: u64) -> SubscriptionResult {
    let mut newest = log.watch();
    loop {
        for event in log.since(since, PAGE) {
            since = event.id;
            sink.send(to_json_raw_value(&describe(event))?).await?;
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            grown = newest.wait_for(|newest| *newest > since) => {
                grown?;
            }
        }
    }
}

fn describe(event: LoggedEvent) -> Event {
    Event {
        id: event.id,
        time: event.time,
        kind: event.kind.to_owned(),
        data: event.data,
    }
}
