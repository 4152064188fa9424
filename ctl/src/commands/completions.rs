//! `ctl completions`: prints completions for a shell.
//!
//! The scripts are small: at each Tab they ask `ctl complete`, so that names, peers and fetches are those of the moment.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    cli::{Cli, CompletionsArgs},
    error::CtlError,
    output::Output,
};

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs, output: Output) -> Result<(), CtlError> {
    let script = match args.shell {
        Shell::Bash => include_str!("completions/ctl.bash"),
        Shell::Zsh => include_str!("completions/ctl.zsh"),
        Shell::Fish => include_str!("completions/ctl.fish"),
        Shell::PowerShell => include_str!("completions/ctl.ps1"),
        other => return generated(other, output),
    };
    output.lines(script.trim_end())
}

/// A script of commands and options alone, for a shell that has no way to ask.
fn generated(shell: Shell, output: Output) -> Result<(), CtlError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ctl", &mut script);
    output.lines(String::from_utf8_lossy(&script).trim_end())
}
