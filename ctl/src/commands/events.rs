//! `ctl events`: shows the events of the node, as they happen.

use jsonrpsee::core::client::Subscription;
use node_api::events::{Event, EventStreamClient};

use super::Context;
use crate::{
    cli::EventsArgs,
    connection::Connection,
    error::CtlError,
    output::{Output, escaped, plural, timestamp},
};

/// Runs the command.
pub(crate) async fn run(args: EventsArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let follow = follow(&args, &node, context.output);
    context.while_read(follow).await
}

async fn follow(args: &EventsArgs, node: &Connection, output: Output) -> Result<(), CtlError> {
    let client = node.web_socket().await?;
    let followed = EventStreamClient::follow(&client, args.since).await;
    let mut events: Subscription<Event> = followed.map_err(|error| node.classify(error))?;
    let mut last = args.since;
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let event = match events.next().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(node.classify(error.into())),
            None => {
                return Err(CtlError::Closed {
                    place: node.place(),
                });
            }
        };
        note_gap(output, last, event.id);
        show(output, &event)?;
        last = Some(event.id);
        left -= 1;
    }
    Ok(())
}

/// Says so when events are missing: the node forgot them, or this program was too slow.
fn note_gap(output: Output, last: Option<u64>, id: u64) {
    let lost = last.map_or(0, |last| id.saturating_sub(last.saturating_add(1)));
    if lost > 0 {
        let lost = plural(lost, "event", "events");
        output.note(&format!("lost {lost} before number {id}"));
    }
}

fn show(output: Output, event: &Event) -> Result<(), CtlError> {
    if output.is_json() {
        return output.json(event);
    }
    output.line(&format!(
        "{} {} {} {}",
        event.id,
        timestamp(event.time),
        escaped(&event.kind),
        escaped(&event.data.to_string())
    ))
}
