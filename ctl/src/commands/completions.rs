//! `ctl completions`: prints completions for a shell.

use clap::CommandFactory;

use crate::{
    cli::{Cli, CompletionsArgs},
    error::CtlError,
    output::Output,
};

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs, output: Output) -> Result<(), CtlError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ctl", &mut script);
    output.prompt(&String::from_utf8_lossy(&script))
}
