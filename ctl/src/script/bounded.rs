//! Functions of rhai that have no bound of their own, with one.
//!
//! `replace` allocates its result before anything looks at its size; `sleep` cannot be interrupted; `exit` cannot be
//! told from the last value of a script. Functions registered here hide those of the packages.

use std::{sync::Arc, time::Duration};

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Position};

use super::session::Session;
use crate::error::CtlError;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Longest sleep, in seconds: beyond it, the clock overflows.
const SLEEP_MAX: f64 = 31_536_000.0;

/// Registers the functions. `longest` is the longest string, in bytes.
pub(super) fn register(engine: &mut Engine, longest: usize, session: &Arc<Session>) {
    register_replace(engine, longest);
    register_sleep(engine, session);
    register_exit(engine, session);
}

fn register_replace(engine: &mut Engine, longest: usize) {
    engine.register_fn(
        "replace",
        move |text: &mut ImmutableString, from: &str, to: &str| replace(text, from, to, longest),
    );
    engine.register_fn(
        "replace",
        move |text: &mut ImmutableString, from: &str, to: char| {
            replace(text, from, to.encode_utf8(&mut [0; 4]), longest)
        },
    );
    engine.register_fn(
        "replace",
        move |text: &mut ImmutableString, from: char, to: &str| {
            replace(text, from.encode_utf8(&mut [0; 4]), to, longest)
        },
    );
    engine.register_fn(
        "replace",
        move |text: &mut ImmutableString, from: char, to: char| {
            replace(
                text,
                from.encode_utf8(&mut [0; 4]),
                to.encode_utf8(&mut [0; 4]),
                longest,
            )
        },
    );
}

fn replace(text: &mut ImmutableString, from: &str, to: &str, longest: usize) -> Fallible<()> {
    let matches = text.matches(from).count();
    let grown = matches.saturating_mul(to.len().saturating_sub(from.len()));
    if text.len().saturating_add(grown) > longest {
        return Err(
            EvalAltResult::ErrorDataTooLarge("Length of string".into(), Position::NONE).into(),
        );
    }
    *text = text.replace(from, to).into();
    Ok(())
}

fn register_sleep(engine: &mut Engine, session: &Arc<Session>) {
    let for_whole = Arc::clone(session);
    let for_fraction = Arc::clone(session);
    #[allow(clippy::cast_precision_loss, reason = "nobody sleeps that long")]
    engine.register_fn("sleep", move |seconds: i64| {
        sleep(seconds as f64, &for_whole)
    });
    engine.register_fn("sleep", move |seconds: f64| sleep(seconds, &for_fraction));
}

/// Sleeps; not at all for a value that is not a number of seconds.
fn sleep(seconds: f64, session: &Session) -> Fallible<()> {
    let seconds = if seconds > SLEEP_MAX {
        SLEEP_MAX
    } else {
        seconds
    }; // not `min`, which turns NaN into the longest
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let slept = session.wait(async {
        tokio::time::sleep(time).await;
        Ok(())
    });
    slept.map_err(|stop| session.raise(stop))
}

fn register_exit(engine: &mut Engine, session: &Arc<Session>) {
    let plain = Arc::clone(session);
    let coded = Arc::clone(session);
    engine.register_fn("exit", move || -> Fallible<()> {
        Err(plain.raise(CtlError::ScriptExit(0)))
    });
    engine.register_fn("exit", move |code: Dynamic| -> Fallible<()> {
        let exit = code.as_int().ok().and_then(|code| u8::try_from(code).ok());
        let bad = || CtlError::usage(format!("exit takes a number from 0 to 255, not {code}"));
        Err(coded.raise(exit.map_or_else(bad, CtlError::ScriptExit)))
    });
}
