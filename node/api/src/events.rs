//! Namespace `events`: the events of the node, as they happen.
//!
//! Events are numbered without gaps from 1. The node keeps the last ones, so a
//! client that was away asks from the last id it saw; a gap in the ids that it
//! gets says that it was away for too long.

#[cfg(feature = "rpc")]
use jsonrpsee::{core::SubscriptionResult, proc_macros::rpc};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    contract::namespace,
    level::Level,
    openrpc::{Method, param},
};

/// Number of events that a node keeps for replay.
pub const EVENTS_KEPT: usize = 1_024;

/// Greatest number of events in one answer of `events.since`.
pub const PAGE_MAX: u32 = 1_024;

/// Something that happened.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Event {
    /// Number of the event, one more than that of the event before.
    pub id: u64,
    /// The time of the event, Unix milliseconds.
    pub time: u64,
    /// The kind of event, such as `fetch.done`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its data: an object whose fields depend on the type.
    pub data: Value,
}

/// Some events that are over.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct EventPage {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Id of the oldest event that the node still has, if it has any.
    pub oldest: Option<u64>,
    /// Id of the newest event, 0 if there was none.
    pub newest: u64,
}

namespace! {
    /// Follows the events of the node, as they happen.
    "events" => Events {
        /// Answers with the events after the event `id`, oldest first, at most `limit` (1024).
        Read fn "since" since(id: [u64], limit: [Option<u32>]) -> [EventPage];
    }
}

/// Full name of the subscription.
const FOLLOW: &str = "events.subscribe";

/// Events as they happen, over WebSocket. A trait of its own because a
/// subscription cannot be declared through [`namespace!`].
#[cfg(feature = "rpc")]
#[cfg_attr(
    feature = "server",
    rpc(server, client, namespace = "events", namespace_separator = ".")
)]
#[cfg_attr(
    not(feature = "server"),
    rpc(client, namespace = "events", namespace_separator = ".")
)]
pub trait EventStream {
    /// Sends events as they happen, after those that came after the event `since`.
    #[subscription(name = "subscribe" => "event", unsubscribe = "unsubscribe", item = Event, param_kind = map)]
    async fn follow(&self, since: Option<u64>) -> SubscriptionResult;
}

/// Returns the subscription for the `OpenRPC` document.
pub(crate) fn describe_follow(schemas: &mut SchemaGenerator) -> Vec<Method> {
    vec![Method {
        name: FOLLOW,
        level: Level::Read,
        text: "Sends events as they happen, after those that came after the event `since`.",
        params: vec![param::<Option<u64>>(schemas, "since")],
        result: schemas.subschema_for::<Event>(),
        subscription: true,
    }]
}
