//! `ctl`, the controller of a Sixhop node: commands, a shell, scripts.
//!
//! Participants: `cli` is the command line; `connection` finds the node and calls it; `commands` has one file for each
//! command; `completion` is what Tab offers; `script` runs rhai scripts; `ui` is the page; `download` brings files to places outside the share, `reading` reads them; `mcp` serves programs that act for people; `output` is all that is
//! seen; `error` classifies all that goes wrong; `patience` is the deadline and Ctrl-C.
//!
//! Absent on purpose: knowledge of how a node works. Everything goes through the control connection, except that
//! `download` speaks to the peer port like any peer, and that the feature `embedded` starts whole nodes.
//!
//! # Invariants
//! - Results go to standard output, everything else to standard error.
//! - Each run ends with one of the exit codes that `ctl --help` lists.

mod cli;
mod commands;
mod completeness;
mod completion;
mod connection;
mod download;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod mcp;
mod output;
mod patience;
mod qr;
mod reading;
mod script;
mod ui;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};
use tokio::runtime::Runtime;

use cli::{Cli, Command};
use commands::Context;
use error::CtlError;
use node_api::error::ErrorCode;
use output::{ColorWhen, Format, Output, Verbosity};
use patience::Patience;

/// Runs the program `ctl` with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(feature = "embedded")]
    if let Some(code) = node::worker::run_if_asked() {
        return code;
    }
    node_base::platform::process::forbid_core_dumps();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(_) if std::env::args_os().len() <= 1 => return commands::welcome::run(),
        Err(error) => return not_understood(&error),
    };
    #[cfg(feature = "embedded")]
    if let Command::Up(args) = cli.command {
        return commands::up::run(*args, &cli.global);
    }
    let output = cli.global.output();
    let result = start(cli);
    if let Err(error) = &result {
        output.error(error);
    }
    ExitCode::from(result.map_or_else(|error| error.exit_code(), |()| 0))
}

/// Prints help, version, or the error in a command line.
fn not_understood(error: &clap::Error) -> ExitCode {
    let is_answer = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    if is_answer || !wants_json {
        // Without an outlet there is nobody to tell.
        let _ = error.print();
    } else {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        let output = Output {
            format: Format::Json,
            verbosity: Verbosity::Quiet,
            color: ColorWhen::Never,
        };
        output.error(&CtlError::usage(first.trim_start_matches("error: ")));
    }
    ExitCode::from(if is_answer {
        0
    } else {
        ErrorCode::Usage.exit_code()
    })
}

fn start(cli: Cli) -> Result<(), CtlError> {
    let runtime = Runtime::new()
        .map_err(|error| CtlError::failed(format!("cannot start the runtime: {error}")))?;
    let result = within(&runtime, cli);
    // A thread that still reads standard input must not hold up the end.
    runtime.shutdown_background();
    result
}

fn within(runtime: &Runtime, cli: Cli) -> Result<(), CtlError> {
    let patience = runtime
        .block_on(async { Patience::listen(cli.global.timeout) })
        .map_err(|error| CtlError::failed(format!("cannot listen for signals: {error}")))?;
    let context = Context::new(&cli.global, patience);
    commands::execute(cli.command, &context, runtime.handle())
}
