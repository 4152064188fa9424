//! Looking at the file of the policy again and again.

use std::{sync::Arc, time::Duration};

use plugin_api::PolicySource;
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    events::{Event, EventLog},
    threads::Threads,
};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(400);

/// Loads changes of the policy, until `cancel`.
pub async fn watch_policy(
    source: Arc<dyn PolicySource>,
    events: Arc<EventLog>,
    cancel: CancellationToken,
) {
    loop {
        look_at_policy(&source, &events).await;
        select! {
            () = sleep(PAUSE) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Looks once and reports changes. To be done once before anybody can ask.
pub(crate) async fn look_at_policy(source: &Arc<dyn PolicySource>, events: &EventLog) {
    let (looking, file) = (Arc::clone(source), source.file());
    // The examples of a policy are run before it is used.
    let threads = Threads::new("policy file", 1);
    match threads.run(move || looking.refresh()).await {
        Ok(None) => {}
        Ok(Some(said)) => {
            tracing::warn!(file, said, "the policy");
            events.emit(&Event::PluginChanged {
                file: file.to_owned(),
                text: said,
            });
        }
        Err(error) => tracing::error!(%error, "looking at the policy panicked"),
    }
}
