//! Looking at the owner's directories again and again.
//!
//! A directory holds few files: to look is cheap, and works on every system
//! and file system. Each is looked at apart, so that a program that takes its time to
//! introduce itself holds up no script.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use super::plugins::Plugins;
use crate::{
    events::{Event, EventLog},
    threads::Threads,
};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(400);

/// Loads `plugins` and their changes, until `cancel`.
pub async fn watch_plugins(
    plugins: Arc<Plugins>,
    events: Arc<EventLog>,
    cancel: CancellationToken,
) {
    let directories = 0..plugins.count();
    join_all(directories.map(|directory| watch(&plugins, directory, &events, &cancel))).await;
}

async fn watch(
    plugins: &Arc<Plugins>,
    directory: usize,
    events: &EventLog,
    cancel: &CancellationToken,
) {
    let threads = Threads::new("plugins", 1);
    let mut trouble = None;
    while !cancel.is_cancelled() {
        trouble = look(&threads, plugins, directory, events, trouble).await;
        select! {
            () = sleep(PAUSE) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// Looks once. Reports trouble with the directory, once each.
async fn look(
    threads: &Threads,
    plugins: &Arc<Plugins>,
    directory: usize,
    events: &EventLog,
    trouble: Option<String>,
) -> Option<String> {
    let looking = Arc::clone(plugins);
    let looked = threads.run(move || looking.refresh(directory)).await;
    let error = match looked {
        Ok(Ok(news)) => {
            for (file, said) in news {
                tracing::info!(file, said, "a file of the plugin directory");
                events.emit(&Event::PluginChanged { file, text: said });
            }
            return None;
        }
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    if trouble.as_ref() != Some(&error) {
        tracing::warn!(error, "the plugin directory cannot be used");
    }
    Some(error)
}
