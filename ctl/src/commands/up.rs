//! `ctl up`: runs a node in this terminal, as `noded` does.

use std::process::ExitCode;

use crate::cli::{GlobalArgs, UpArgs};

/// Runs the command until a signal or the owner ends the node.
pub(crate) fn run(args: UpArgs, global: &GlobalArgs) -> ExitCode {
    let mut options = args.node;
    options.state = options.state.or_else(|| global.state.clone());
    node::run(options)
}
