//! `on`, `on_match`, `off`, `every`, `wait` and `stop`, as a script has them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, serde::to_dynamic};
use tokio::time::timeout;

use super::{
    feed::{Feed, Place},
    lock,
    matches::on_match,
    table::Pattern,
};
use crate::{
    error::CtlError,
    script::{
        session::Session,
        verbs::{Callee, answer_of, owner},
    },
};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Shortest time between two calls of a timer, in seconds.
const PERIOD_MIN: f64 = 0.01;

/// Longest time that `every` and `wait` take, in seconds: a year.
const SECONDS_MAX: f64 = 31_536_000.0;

/// Registers the functions.
pub(in crate::script) fn register(engine: &mut Engine, session: &Arc<Session>) {
    register_on(engine, session);
    register_on_match(engine, session);
    register_wait(engine, session);
    register_every(engine, session);
    let here = Arc::clone(session);
    engine.register_fn("off", move |handle: i64| here.hooks().off(handle));
    let here = Arc::clone(session);
    engine.register_fn("stop", move || here.hooks().stop());
}

fn register_on(engine: &mut Engine, session: &Arc<Session>) {
    let here = Arc::clone(session);
    engine.register_fn("on", move |kind: &str, callback: FnPtr| {
        let node = owner(&here)?;
        answer_of(&node, |node| on(node, kind, callback))
    });
    engine.register_fn("on", |node: &mut Callee, kind: &str, callback: FnPtr| {
        answer_of(node, |node| on(node, kind, callback))
    });
}

fn register_on_match(engine: &mut Engine, session: &Arc<Session>) {
    let here = Arc::clone(session);
    engine.register_fn("on_match", move |query: &str, callback: FnPtr| {
        let node = owner(&here)?;
        answer_of(&node, |node| on_match(node, query, callback))
    });
    engine.register_fn(
        "on_match",
        |node: &mut Callee, query: &str, callback: FnPtr| {
            answer_of(node, |node| on_match(node, query, callback))
        },
    );
}

fn register_wait(engine: &mut Engine, session: &Arc<Session>) {
    let here = Arc::clone(session);
    engine.register_fn("wait", move |kind: &str| {
        answer_of(&owner(&here)?, |node| wait(node, kind, None))
    });
    let here = Arc::clone(session);
    engine.register_fn("wait", move |kind: &str, seconds: Dynamic| {
        answer_of(&owner(&here)?, |node| wait(node, kind, Some(&seconds)))
    });
    engine.register_fn("wait", |node: &mut Callee, kind: &str| {
        answer_of(node, |node| wait(node, kind, None))
    });
    engine.register_fn("wait", |node: &mut Callee, kind: &str, seconds: Dynamic| {
        answer_of(node, |node| wait(node, kind, Some(&seconds)))
    });
}

fn register_every(engine: &mut Engine, session: &Arc<Session>) {
    let session = Arc::clone(session);
    engine.register_fn(
        "every",
        move |seconds: Dynamic, callback: FnPtr| -> Fallible<i64> {
            let registered = time(&seconds, PERIOD_MIN).and_then(|period| {
                let mut table = session.hooks().table();
                table.time(period, Instant::now(), callback)
            });
            registered.map_err(|error| session.raise(error))
        },
    );
}

fn on(node: &Callee, kind: &str, callback: FnPtr) -> Result<i64, CtlError> {
    let pattern = Pattern::parse(kind)?;
    let session = &node.session;
    let place = session.wait(Place::now(node.origin()?, &node.connection))?;
    session.hooks().listen(
        node.key(),
        pattern,
        place,
        callback,
        session.runtime(),
        session.context().output,
    )
}

/// Returns the next event of a kind since the last one that was waited for, or since the script began. Nothing if there is
/// none in time.
fn wait(node: &Callee, kind: &str, seconds: Option<&Dynamic>) -> Result<Dynamic, CtlError> {
    let pattern = Pattern::parse(kind)?;
    let time = seconds.map(|seconds| time(seconds, 0.0)).transpose()?;
    let (session, hooks) = (&node.session, node.session.hooks());
    let kept = lock(&hooks.waits).remove(&node.key());
    let mut feed = match kept {
        Some(feed) => feed,
        None => {
            let place = Place::at(node.origin()?, &node.connection, hooks.begun);
            Feed::new(session.wait(place)?)
        }
    };
    let output = session.context().output;
    let next = async {
        loop {
            let event = feed.next(output).await?.event;
            if pattern.matches(&event.kind) {
                return Ok::<_, CtlError>(event);
            }
        }
    };
    let waited = session.wait(async {
        match time {
            Some(time) => timeout(time, next).await.ok().transpose(),
            None => next.await.map(Some),
        }
    });
    lock(&hooks.waits).insert(node.key(), feed);
    let Some(event) = waited? else {
        return Ok(Dynamic::UNIT);
    };
    to_dynamic(event)
        .map_err(|error| CtlError::failed(format!("the event does not fit into a script: {error}")))
}

/// Reads a number of seconds, not less than `least`.
fn time(seconds: &Dynamic, least: f64) -> Result<Duration, CtlError> {
    #[allow(clippy::cast_precision_loss, reason = "nobody waits that long")]
    let number = seconds
        .as_float()
        .or_else(|_| seconds.as_int().map(|whole| whole as f64));
    match number {
        Ok(number) if (least..=SECONDS_MAX).contains(&number) => {
            Ok(Duration::from_secs_f64(number))
        }
        _ => Err(CtlError::usage(format!(
            "{seconds} is no number of seconds from {least} to {SECONDS_MAX}"
        ))),
    }
}
