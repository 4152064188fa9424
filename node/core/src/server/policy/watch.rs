//! Looking at the file of the policy again and again.

use std::{sync::Arc, time::Duration};

use plugin_script::{POLICY_FILE, PolicyFile};
use serde_json::json;
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{events::EventLog, threads::Threads};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(400);

/// Loads what changes of the policy, until `cancel`.
pub async fn watch_policy(file: Arc<PolicyFile>, events: Arc<EventLog>, cancel: CancellationToken) {
    loop {
        look_at_policy(&file, &events).await;
        select! {
            () = sleep(PAUSE) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Looks once and tells what changed. To be done once before anybody can ask.
pub(crate) async fn look_at_policy(file: &Arc<PolicyFile>, events: &EventLog) {
    let looking = Arc::clone(file);
    // The examples of a policy are run before it is used.
    let threads = Threads::new("policy file", 1);
    match threads.run(move || looking.refresh()).await {
        Ok(None) => {}
        Ok(Some(said)) => {
            tracing::warn!(file = POLICY_FILE, said, "the policy");
            events.emit(
                "plugin.changed",
                json!({ "file": POLICY_FILE, "text": said }),
            );
        }
        Err(error) => tracing::error!(%error, "looking at the policy panicked"),
    }
}
