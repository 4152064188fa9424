//! The time behind the body of a script: events and timers, one at a time.

use std::{future::pending, sync::Arc, time::Instant};

use node_api::events::Event;
use rhai::{AST, Dynamic, Engine, EvalAltResult, FnPtr, serde::to_dynamic};
use tokio::{select, time::sleep_until};

use super::{Hooks, Queued, matches::UntakenMatch};
use crate::{error::CtlError, script::session::Session};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// The next thing to deliver.
enum Next {
    Queued(Queued),
    /// A timer is due.
    Due,
}

/// Delivers until the script says `stop`, or nothing can come any more.
pub(in crate::script) fn deliver(
    engine: &Engine,
    ast: &AST,
    session: &Arc<Session>,
) -> Fallible<()> {
    let hooks = session.hooks();
    while !hooks.is_stopped() && !hooks.table().is_empty() {
        let waited = session.wait(async { Ok(next(hooks).await) });
        match waited.map_err(|stop| session.raise(stop))? {
            Next::Queued(Queued::Event(listeners, event)) => {
                tell(engine, ast, session, &listeners, &event)?;
            }
            Next::Queued(Queued::Match(found)) => tell_match(engine, ast, session, *found)?,
            Next::Queued(Queued::Over(key)) => hooks.table().remove_node(key),
            Next::Queued(Queued::Failed(error)) => return Err(session.raise(error)),
            Next::Due => {
                let due = hooks.table().take_due(Instant::now());
                if let Some(callback) = due {
                    // What a timer gives has no meaning.
                    let _given: Dynamic = callback.call(engine, ast, ())?;
                }
            }
        }
    }
    Ok(())
}

async fn next(hooks: &Hooks) -> Next {
    let due = hooks.table().next_due();
    let mut queue = hooks.queue.lock().await;
    select! {
        queued = queue.recv() => match queued {
            Some(queued) => Next::Queued(queued),
            // We hold a sender ourselves.
            None => pending().await,
        },
        () = sleep_until_some(due) => Next::Due,
    }
}

async fn sleep_until_some(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// Calls the listeners of an event, until one gives `false`.
fn tell(
    engine: &Engine,
    ast: &AST,
    session: &Arc<Session>,
    listeners: &[i64],
    event: &Event,
) -> Fallible<()> {
    let plain = to_dynamic(event)?;
    for handle in listeners {
        // One before it may have taken it off.
        let callback: Option<FnPtr> = session.hooks().table().callback(*handle);
        let Some(callback) = callback else { continue };
        let given = callback.call::<Dynamic>(engine, ast, (plain.clone(),))?;
        session
            .check()
            .map_err(|stop: CtlError| session.raise(stop))?;
        if given.as_bool() == Ok(false) || session.hooks().is_stopped() {
            break;
        }
    }
    Ok(())
}

/// Calls the function of a match, and has the node forget it then.
fn tell_match(
    engine: &Engine,
    ast: &AST,
    session: &Arc<Session>,
    found: UntakenMatch,
) -> Fallible<()> {
    let callback: Option<FnPtr> = session.hooks().table().callback(found.handle);
    let Some(callback) = callback else {
        return Ok(());
    };
    let mut plain = to_dynamic(&found.found)?;
    if let Some(mut map) = plain.write_lock::<rhai::Map>() {
        for key in ["node_name", "score", "excerpt"] {
            map.entry(key.into()).or_insert(Dynamic::UNIT);
        }
    }
    let _given = callback.call::<Dynamic>(engine, ast, (plain,))?;
    let taken = session.check().and_then(|()| found.take(session));
    taken.map_err(|stop: CtlError| session.raise(stop))
}
