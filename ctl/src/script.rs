//! `ctl run`: scripts in rhai that drive nodes.
//!
//! Participants: the *engine* is the language with what a script may do; the *session* is the one run, with the
//! owner's node (found at the first call that needs it) and the nodes that the script started; the *verbs* are the
//! functions; the *hooks* call functions of the script when something happens; the *report* turns what went wrong into `FILE:LINE:COLUMN in FUNCTION: MESSAGE` and an exit code.
//!
//! A script is its owner's own program, so it may run as long as it likes unless `--max-time` or
//! `--max-operations` say otherwise. What it cannot do is reach by accident what it has no business with: there are
//! no functions for files, processes or the network, `import` and `eval` are refused, and sizes are limited.
//!
//! # Invariants
//! - Only `engine` configures the language.
//! - A script stops within a moment of Ctrl-C and of its deadline, whatever it waits for.
//! - When the run is over, so are the nodes that it started.

mod bounded;
mod calling;
mod engine;
mod hooks;
#[cfg(feature = "embedded")]
mod nodes;
mod options;
mod report;
mod session;
mod values;
mod verbs;

use std::{sync::Arc, time::Duration};

use rhai::{AST, Engine, EvalAltResult, Scope};
use tokio::runtime::Handle;

use crate::{commands::Context, error::CtlError};

use session::Session;

/// Stack of the thread that runs the script, in bytes: enough for the deepest calls that the engine allows.
const STACK: usize = 64 * 1024 * 1024;

/// A script and how to run it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Its name in error messages.
    pub(crate) label: String,
    pub(crate) text: String,
    pub(crate) args: Vec<String>,
    pub(crate) max_time: Option<Duration>,
    pub(crate) max_operations: Option<u64>,
}

/// Runs a script to its end. Blocks; must not be called on a thread of the runtime.
pub(crate) fn run(script: Script, context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    let patience = context.patience.clone().with_timeout(script.max_time);
    let context = context.with_patience(patience);
    let session = Arc::new(Session::new(context, runtime.clone()));
    let for_thread = Arc::clone(&session);
    let thread = std::thread::Builder::new()
        .name("script".to_owned())
        .stack_size(STACK)
        .spawn(move || evaluate(&script, &for_thread))
        .map_err(|error| {
            CtlError::failed(format!("cannot start a thread for the script: {error}"))
        })?;
    let result = thread.join().unwrap_or_else(|_| {
        Err(CtlError::failed(
            "the script ended by a defect of this program",
        ))
    });
    session.end();
    result
}

fn evaluate(script: &Script, session: &Arc<Session>) -> Result<(), CtlError> {
    let engine = engine::build(session, script);
    let explain = |error: Box<EvalAltResult>| report::explain(&script.label, session, &error);
    let text = without_shebang(&script.text);
    let ast = engine
        .compile(&text)
        .map_err(|error| explain(error.into()))?;
    run_ast(&engine, &ast).map_err(explain)?;
    hooks::deliver(&engine, &ast, session).map_err(explain)?;
    session.check()
}

fn run_ast(engine: &Engine, ast: &AST) -> Result<(), Box<EvalAltResult>> {
    engine.run_ast_with_scope(&mut Scope::new(), ast)
}

/// Turns a first line `#!…` into a comment, so that positions stay. A byte order mark before it is left out.
fn without_shebang(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.strip_prefix("#!") {
        Some(rest) => format!("//{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
