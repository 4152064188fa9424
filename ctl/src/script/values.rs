//! Functions for scripts beside the verbs: time, dates, regular expressions.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use regex::{Regex, RegexBuilder};
use rhai::{Engine, EvalAltResult};

use super::session::Session;
use crate::{
    error::CtlError,
    output::{parse_time, timestamp},
};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Most memory that a compiled regular expression takes, in bytes.
const PATTERN_MAX: usize = 1024 * 1024;

/// Registers the functions.
pub(super) fn register(engine: &mut Engine, session: &Arc<Session>) {
    engine.register_fn("now", now);
    let here = Arc::clone(session);
    engine.register_fn("date", move |milliseconds: i64| -> Fallible<String> {
        let time = u64::try_from(milliseconds).map(timestamp);
        time.map_err(|_| {
            here.raise(CtlError::usage(format!(
                "{milliseconds} is before 1970; a date is counted in milliseconds from then on"
            )))
        })
    });
    let here = Arc::clone(session);
    engine.register_fn("date", move |text: &str| -> Fallible<i64> {
        let time = parse_time(text).and_then(|time| i64::try_from(time).ok());
        time.ok_or_else(|| {
            here.raise(CtlError::usage(format!(
                "{text} is no date, such as 2026-01-31 or 2026-01-31T12:00:00Z"
            )))
        })
    });
    let here = Arc::clone(session);
    engine.register_fn("matches", move |text: &str, pattern: &str| {
        let compiled = compiled(pattern).map_err(|error| here.raise(error))?;
        Ok::<_, Box<EvalAltResult>>(compiled.is_match(text))
    });
}

/// Returns the time in Unix milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.map_or(0, |since| since.as_millis());
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

fn compiled(pattern: &str) -> Result<Regex, CtlError> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_MAX).build();
    built.map_err(|error| CtlError::usage(format!("{pattern} is no regular expression: {error}")))
}
