//! `ctl shell`: commands at a prompt.
//!
//! On a terminal the line is edited, with history and completion; otherwise lines are read as they come and the
//! prompt is printed all the same, so that the shell can be driven by a program.
//!
//! # Invariants
//! - A command that fails does not end the shell; `exit` and end-of-file do, with exit code 0.
//! - Ctrl-C ends the command that runs. Without a terminal it ends the shell.
//! - For a file that nobody has, the answer on standard output is that of the chapter's client.

mod completer;
mod lines;
#[cfg(feature = "embedded")]
mod own_node;

use node_api::error::ErrorCode;
use tokio::runtime::Handle;

use super::Context;
use crate::{
    cli::{HelloArgs, LsArgs, SearchArgs, ShellArgs},
    connection::Existing,
    error::CtlError,
    output::{bytes, escaped},
};

use lines::{Line, Lines};

/// The prompt of the chapter's client.
const PROMPT: &str = "> ";

/// What `help` says.
const HELP: &str = "\
fetch NAME    find a file among the peers and bring it into the share
search QUERY  find files here, by name or glob
hello URL     introduce the node to a peer
peers         list the peers that the node knows
ls [URL]      list the files of the node, or of a peer
status        say what the node is and what it has done
help          this list
exit          leave; so does end-of-file";

/// The commands, for completion.
const COMMANDS: [&str; 8] = [
    "exit", "fetch", "hello", "help", "ls", "peers", "search", "status",
];

/// Whether the shell goes on after a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Prompt,
    Leave,
}

/// Runs the command. Blocks.
#[cfg_attr(
    not(feature = "embedded"),
    allow(
        unused_variables,
        reason = "without nodes inside, there is nothing to say"
    )
)]
pub(crate) fn run(args: &ShellArgs, context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    #[cfg(feature = "embedded")]
    if let Some(wanted) = own_node::wanted(args, context)? {
        return own_node::run(wanted, context, runtime);
    }
    let node = context.connect()?;
    let status = runtime.block_on(context.patience.bound(node.status()))?;
    context.output.note(&format!(
        "the node {}; type help to see what there is",
        status.url
    ));
    prompt(context, runtime)
}

/// Prompts for lines and does what they say.
fn prompt(context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    let mut lines = Lines::open(context, runtime)?;
    loop {
        let context = context.with_patience(context.patience.renewed());
        let next = match lines.next(&context, runtime)? {
            Line::Text(line) => runtime.block_on(obey(&line, &context))?,
            Line::Nothing => Next::Prompt,
            Line::End => Next::Leave,
        };
        if next == Next::Leave {
            return context.output.line("");
        }
    }
}

async fn obey(line: &str, context: &Context) -> Result<Next, CtlError> {
    let line = line.trim();
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if command == "exit" {
        return Ok(Next::Leave);
    }
    match carry_out(command, argument.trim(), context).await {
        Err(CtlError::OutputClosed) => Err(CtlError::OutputClosed),
        Err(error) => {
            context.output.error(&error);
            Ok(Next::Prompt)
        }
        Ok(()) => Ok(Next::Prompt),
    }
}

async fn carry_out(command: &str, argument: &str, context: &Context) -> Result<(), CtlError> {
    let argument = argument.to_owned();
    match command {
        "" => Ok(()),
        "fetch" => fetch(&needed(argument, "a name: fetch NAME")?, context).await,
        "search" => {
            let args = SearchArgs {
                query: needed(argument, "a query: search QUERY")?,
                limit: None,
                trace: false,
                quick: false,
                sure: false,
            };
            super::search::run(args, context).await
        }
        "hello" => {
            let url = needed(argument, "a URL: hello URL")?;
            super::hello::run(HelloArgs { url }, context).await
        }
        "ls" => {
            let peer = Some(argument).filter(|peer| !peer.is_empty());
            super::ls::run(
                LsArgs {
                    peer,
                    skipped: false,
                },
                context,
            )
            .await
        }
        "peers" => super::peers::run(context).await,
        "status" => super::status::run(context).await,
        "help" => context.output.lines(HELP),
        _ => Err(CtlError::usage(format!(
            "there is no command {command}; type help"
        ))),
    }
}

fn needed(argument: String, what: &str) -> Result<String, CtlError> {
    if argument.is_empty() {
        return Err(CtlError::usage(format!("give {what}")));
    }
    Ok(argument)
}

async fn fetch(name: &str, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let progress = output.progress(&format!("fetching {name}"));
    let fetched = node
        .fetch(name, Existing::Keep, &context.patience, |status| {
            progress.bytes(status.bytes);
            Ok(())
        })
        .await;
    drop(progress);
    match fetched {
        Ok(status) => {
            output.note(&format!("fetched {name} ({})", bytes(status.bytes)));
            Ok(())
        }
        Err(error) if error.code() == ErrorCode::NotFound => {
            output.line(&format!("Couldn't find the file {}", escaped(name)))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command() {
        for command in COMMANDS {
            let named = HELP
                .lines()
                .any(|line| line.split(' ').next() == Some(command));
            assert!(named, "{command}");
        }
        assert_eq!(HELP.lines().count(), COMMANDS.len());
    }
}
