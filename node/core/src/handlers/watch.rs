//! Looking at the directory of scripts again and again.
//!
//! A directory holds few scripts: to look is cheap, and works on every system
//! and file system.

use std::{sync::Arc, time::Duration};

use plugin_script::Scripts;
use serde_json::json;
use tokio::{select, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::events::EventLog;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(400);

/// Loads `scripts` and what changes of them, until `cancel`.
pub async fn watch_scripts(
    scripts: Arc<Scripts>,
    events: Arc<EventLog>,
    cancel: CancellationToken,
) {
    let mut trouble = None;
    loop {
        trouble = look(&scripts, &events, trouble).await;
        select! {
            () = sleep(PAUSE) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Looks once. Says what is wrong with the directory, once for each trouble.
async fn look(
    scripts: &Arc<Scripts>,
    events: &EventLog,
    trouble: Option<String>,
) -> Option<String> {
    let looking = Arc::clone(scripts);
    let looked = spawn_blocking(move || looking.refresh()).await;
    let error = match looked {
        Ok(Ok(news)) => {
            for (file, said) in news {
                tracing::info!(file, said, "a script of the plugin directory");
                events.emit("plugin.changed", json!({ "file": file, "text": said }));
            }
            return None;
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    if trouble.as_ref() != Some(&error) {
        tracing::warn!(error, "the plugin directory cannot be used");
    }
    Some(error)
}
