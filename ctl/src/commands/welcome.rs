//! `ctl` alone: what to do next.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser};
use node_api::{error::ErrorCode, node::NodeStatus};
use tokio::{runtime::Runtime, time::timeout};

use super::Context;
use crate::{cli::Cli, patience::Patience};

/// Longest wait for the node.
const WAIT: Duration = Duration::from_secs(2);

/// The next steps where no node runs.
const NO_NODE: &str = "\
No node runs here. What to do next:

  noded --share ~/shared             share a folder; it runs until Ctrl-C
  ctl hello http://HOST:4242         in another terminal: meet somebody's node
  ctl search '*.txt'                 see what is there

`ctl help` lists all commands, and `ctl run scripts/tour.rhai` shows three nodes at work.";

/// The next steps for a node without peers.
const NO_PEERS: &str = "\
The node runs and knows no other. What to do next:

  ctl hello http://HOST:4242         meet somebody's node
  ctl search '*.txt'                 see what is there
  ctl ui                             look at it in the browser

`ctl help` lists all commands.";

/// Says what to do next. It is an error of usage all the same: no command was given.
pub(crate) fn run() -> ExitCode {
    let text = match status() {
        None => NO_NODE.to_owned(),
        Some(status) if status.peers == 0 => NO_PEERS.to_owned(),
        Some(_) => Cli::command().render_help().to_string(),
    };
    // Without an outlet there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
    ExitCode::from(ErrorCode::Usage.exit_code())
}

/// Returns the status of the owner's node, if it runs.
fn status() -> Option<NodeStatus> {
    // A line with a command, for the options of every command: variables and the configuration hold.
    let cli = Cli::try_parse_from(["ctl", "status"]).ok()?;
    let runtime = Runtime::new().ok()?;
    runtime.block_on(async {
        let patience = Patience::listen(None).ok()?;
        let node = Context::new(&cli.global, patience).connect().ok()?;
        timeout(WAIT, node.status()).await.ok()?.ok()
    })
}
