//! The log of the process, on standard error.
//!
//! Its level can be changed while it runs, and lines of one kind have a limit.

mod levels;
mod limited;

use std::{
    env, fmt, io,
    sync::{Mutex, OnceLock},
};

use node_base::sync::lock;
use tracing_subscriber::{
    EnvFilter,
    fmt::format,
    reload::{self, Handle},
};

use self::{
    levels::{Levels, NoLevel},
    limited::Limited,
};
use crate::cli::LogFormat;

/// Variable that sets the level of the log.
const VARIABLE: &str = "SIXHOP_LOG";

/// The log that this process writes, once it writes one.
static LOG: OnceLock<Log> = OnceLock::new();

/// The error of a log that cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The variable makes no sense.
    #[error("{VARIABLE}: {0}")]
    Variable(#[source] NoLevel),
    /// The variable is not text.
    #[error("{VARIABLE} is not UTF-8; give error, warn, info, debug or trace")]
    NotText,
    /// The requested setting is not valid.
    #[error(transparent)]
    Levels(#[from] NoLevel),
    /// The program that embeds the node has a log of its own, or none.
    #[error(
        "the log is not that of the node: the program that runs it writes its own; run the node with `noded` or `ctl up`"
    )]
    NotOurs,
    /// The log does not take it.
    #[error("the log cannot be changed: {0}")]
    Fixed(#[from] reload::Error),
}

/// Changes which events pass.
type Reload = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

struct Log {
    levels: Mutex<Levels>,
    reload: Reload,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}

/// Logs to standard error from now on, as `SIXHOP_LOG` says.
///
/// # Errors
/// [`LogError`] when that variable makes no sense.
pub(crate) fn to_stderr(format: LogFormat) -> Result<(), LogError> {
    let said = match env::var(VARIABLE) {
        Ok(said) => said,
        Err(env::VarError::NotPresent) => String::new(),
        Err(env::VarError::NotUnicode(_)) => return Err(LogError::NotText),
    };
    let levels: Levels = said.parse().map_err(LogError::Variable)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(levels.filter())
        .with_writer(io::stderr)
        // A terminal that is gone is no reason to end otherwise than cleanly.
        .log_internal_errors(false)
        .with_ansi(false);
    // Somebody who embeds the node may have set up logging before.
    let started = match format {
        LogFormat::Text => {
            let events = Limited::new(format::format().with_ansi(false), format);
            let builder = builder.event_format(events).with_filter_reloading();
            let reload = reloading(builder.reload_handle());
            builder.try_init().is_ok().then_some(reload)
        }
        LogFormat::Json => {
            let events = format::format().json().flatten_event(true);
            let events = Limited::new(events, format);
            let builder = builder.json().event_format(events).with_filter_reloading();
            let reload = reloading(builder.reload_handle());
            builder.try_init().is_ok().then_some(reload)
        }
    };
    if let Some(reload) = started {
        let levels = Mutex::new(levels);
        // A process that already has a log keeps that one.
        let _ = LOG.set(Log { levels, reload });
    }
    Ok(())
}

fn reloading<S: 'static>(handle: Handle<EnvFilter, S>) -> Reload {
    Box::new(move |filter| handle.reload(filter))
}

/// Returns the level of the log, after changing it to `wanted` if that is given.
///
/// # Errors
/// [`LogError`] when it makes no sense or there is no log to change.
pub(crate) fn levels(wanted: Option<&str>) -> Result<String, LogError> {
    let log = LOG.get().ok_or(LogError::NotOurs)?;
    let wanted: Option<Levels> = wanted.map(str::parse).transpose()?;
    let mut levels = lock(&log.levels);
    if let Some(wanted) = wanted {
        (log.reload)(wanted.filter())?;
        *levels = wanted;
    }
    Ok(levels.to_string())
}
