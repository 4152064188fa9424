//! Events of the node, as server-sent events, for as long as the page is looked at.
//!
//! Three kinds of message: `up` (the node answers; its status), `away` (it does not; why) and `news` (events). Events
//! that come close together are one message, so that a thousand a second are twenty messages.
//!
//! # Invariants
//! - A node that comes back is found again, and its events are sent from its first one on.
//! - Something is sent every [`ALIVE_EVERY`], so that a page that is gone is noticed.

use std::{io, time::Duration};

use jsonrpsee::core::client::Subscription;
use jsonrpsee_ws_client::WsClient;
use node_api::{
    events::{Event, EventStreamClient},
    node::NodeStatus,
};
use serde_json::{Map, Value, json};
use tiny_http::Request;
use tokio::{
    runtime::Handle,
    select,
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    link::NodeLink,
    reply::{Stream, told},
    site::number,
};
use crate::error::CtlError;

/// The time that events are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(50);

/// Most events in one message.
const GATHER_MAX: usize = 512;

/// Longest time without a message.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Pause before a node that is away is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The events that the page has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Seen {
    /// The start of the node of the events, Unix milliseconds.
    started: u64,
    /// The last one.
    last: u64,
}

/// The reason why a stream ends.
enum Over {
    /// The page is gone.
    Gone,
    /// The node is away.
    Away(CtlError),
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Over {
        Over::Gone
    }
}

impl From<CtlError> for Over {
    fn from(error: CtlError) -> Over {
        Over::Away(error)
    }
}

/// Sends news until the page is gone or everything ends.
pub(super) fn follow(
    request: Request,
    query: &str,
    node: &NodeLink,
    handle: &Handle,
    mut stop: watch::Receiver<bool>,
) {
    let seen = Seen {
        started: number(query, "started").unwrap_or(0),
        last: number(query, "since").unwrap_or(0),
    };
    let Ok(mut stream) = Stream::begin(request, "text/event-stream") else {
        return;
    };
    handle.block_on(async {
        select! {
            _ = stop.wait_for(|stopped| *stopped) => {}
            () = until_gone(&mut stream, node, seen) => {}
        }
    });
}

async fn until_gone(stream: &mut Stream, node: &NodeLink, mut seen: Seen) {
    loop {
        match while_up(stream, node, &mut seen).await {
            Err(Over::Gone) | Ok(()) => return,
            Err(Over::Away(error)) => {
                node.forget();
                if send(stream, "away", &told(&error)).is_err() {
                    return;
                }
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn while_up(stream: &mut Stream, node: &NodeLink, seen: &mut Seen) -> Result<(), Over> {
    let status = node.call("node.status", &Map::new()).await?;
    let started = serde_json::from_value::<NodeStatus>(status.clone());
    let started = started.map_err(|e| CtlError::failed(format!("what answers is no node: {e}")))?;
    if started.started != seen.started {
        *seen = Seen {
            started: started.started,
            last: 0,
        };
    }
    let connection = node.connection()?;
    let client: WsClient = connection.web_socket().await?;
    let events = EventStreamClient::follow(&client, Some(seen.last)).await;
    let mut events = events.map_err(|error| connection.classify(error))?;
    send(stream, "up", &status)?;
    loop {
        match gathered(&mut events).await {
            Ok(page) if page.is_empty() => stream.send(b": alive\n\n")?,
            Ok(page) => {
                let first = page.first().map_or(0, |event| event.id);
                let lost = first.saturating_sub(seen.last + 1);
                seen.last = page.last().map_or(seen.last, |event| event.id);
                send(stream, "news", &json!({ "events": page, "lost": lost }))?;
            }
            Err(Some(error)) => return Err(connection.classify(error.into()).into()),
            Err(None) => {
                let place = connection.place();
                return Err(CtlError::Closed { place }.into());
            }
        }
    }
}

/// Returns the events that come next, with those that come soon after. None within [`ALIVE_EVERY`]: an empty page.
async fn gathered(
    events: &mut Subscription<Event>,
) -> Result<Vec<Event>, Option<serde_json::Error>> {
    let Ok(first) = timeout(ALIVE_EVERY, events.next()).await else {
        return Ok(Vec::new());
    };
    let mut page = vec![first.ok_or(None)??];
    let until = Instant::now() + GATHER;
    while page.len() < GATHER_MAX {
        match timeout_at(until, events.next()).await {
            Ok(next) => page.push(next.ok_or(None)??),
            Err(_) => break,
        }
    }
    Ok(page)
}

/// Sends a message. JSON has no line breaks, so it is one line.
fn send(stream: &mut Stream, kind: &str, data: &Value) -> io::Result<()> {
    stream.send(format!("event: {kind}\ndata: {data}\n\n").as_bytes())
}
