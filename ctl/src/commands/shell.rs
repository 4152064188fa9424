//! `ctl shell`: commands at a prompt.
//!
//! A line is a command of `ctl`, with the same words, quotes and options: one table for both. On a terminal the
//! line is edited, with history and completion; otherwise lines are read as they come and the prompt is printed all the
//! same, so that the shell can be driven by a program.
//!
//! # Invariants
//! - A command that fails does not end the shell; `exit` and end-of-file do, with exit code 0.
//! - Ctrl-C ends the command that runs. Without a terminal it ends the shell.
//! - For a file that nobody has, the answer on standard output is that of the chapter's client.

mod completer;
mod lines;
#[cfg(feature = "embedded")]
mod own_node;
pub(crate) mod words;

use clap::{
    CommandFactory, FromArgMatches,
    error::{ContextKind, ErrorKind},
    parser::ValueSource,
};
use node_api::error::ErrorCode;
use tokio::runtime::Handle;

use super::{Context, Typed};
use crate::{
    cli::{Cli, Command, ShellArgs},
    error::CtlError,
    output::escaped,
};

use lines::{Line, Lines};

/// The prompt of the chapter's client.
const PROMPT: &str = "> ";

/// The word that leaves the shell.
const EXIT: &str = "exit";

/// Commands of `ctl` that mean nothing at the prompt.
const NOT_HERE: [&str; 6] = ["shell", "up", "completions", "complete", "man", "mcp"];

/// The decision to go on after a line or not.
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

/// Prompts for lines and runs them.
fn prompt(context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    let mut lines = Lines::open(context, runtime)?;
    loop {
        let context = context.with_patience(context.patience.renewed());
        let next = match lines.next(&context, runtime)? {
            Line::Text(line) => obey(&line, &context, runtime)?,
            Line::Nothing => Next::Prompt,
            Line::End => Next::Leave,
        };
        if next == Next::Leave {
            return context.output.line("");
        }
    }
}

fn obey(line: &str, context: &Context, runtime: &Handle) -> Result<Next, CtlError> {
    let done = match words::words(line) {
        Ok(words) if words.first().is_some_and(|word| word == EXIT) => return Ok(Next::Leave),
        Ok(words) => carry_out(&words, context, runtime),
        Err(error) => Err(CtlError::usage(error.to_string())),
    };
    match done {
        Err(CtlError::OutputClosed) => Err(CtlError::OutputClosed),
        Err(error) => {
            context.output.error(&error);
            Ok(Next::Prompt)
        }
        Ok(()) => Ok(Next::Prompt),
    }
}

fn carry_out(words: &[String], context: &Context, runtime: &Handle) -> Result<(), CtlError> {
    match words {
        [] => return Ok(()),
        [help] if help == "help" => return context.output.lines(&help_text()),
        [command, ..] if NOT_HERE.contains(&command.as_str()) => {
            let text = format!("{command} is not for the prompt; type help");
            return Err(CtlError::usage(text));
        }
        _ => {}
    }
    let Some((cli, typed)) = parse(words, context)? else {
        return Ok(());
    };
    let context = Context {
        at_prompt: true,
        ..context.with_options(&cli.global, typed)
    };
    let name = missing_name(&cli.command);
    match (super::execute(cli.command, &context, runtime), name) {
        (Err(error), Some(name)) if error.code() == ErrorCode::NotFound => context
            .output
            .line(&format!("Couldn't find the file {}", escaped(&name))),
        (done, _) => done,
    }
}

/// Returns the name for which the chapter's client has a sentence of its own, if it is not found: that of one file.
fn missing_name(command: &Command) -> Option<String> {
    match command {
        Command::Fetch(args) => match args.names.as_slice() {
            [name] => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Reads words as those behind `ctl`. Says also which options about the node they have; nothing is left to do if they ask
/// for help.
fn parse(words: &[String], context: &Context) -> Result<Option<(Cli, Typed)>, CtlError> {
    let all = std::iter::once("ctl").chain(words.iter().map(String::as_str));
    let read = Cli::command()
        .try_get_matches_from(all)
        .and_then(|matches| {
            let is_typed = |option| matches.value_source(option) == Some(ValueSource::CommandLine);
            let typed = Typed {
                state: is_typed("state"),
                token_file: is_typed("token_file"),
            };
            Cli::from_arg_matches(&matches).map(|cli| (cli, typed))
        });
    match read {
        Ok(cli) => Ok(Some(cli)),
        Err(error) if is_help(&error) => {
            let text = error.render().to_string();
            context.output.line(text.trim_end())?;
            Ok(None)
        }
        Err(error) => Err(CtlError::usage(sentence(&error))),
    }
}

fn is_help(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// Returns the error in one line: clap's first paragraph.
fn sentence(error: &clap::Error) -> String {
    if let (ErrorKind::InvalidSubcommand, Some(word)) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        return format!("there is no command {word}; type help");
    }
    let text = error.render().to_string();
    let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
    let lines: Vec<&str> = paragraph.map(str::trim).collect();
    let text = lines.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Returns every command of the prompt, with its description.
fn help_text() -> String {
    let cli = Cli::command();
    let commands = cli
        .get_subcommands()
        .filter(|command| !NOT_HERE.contains(&command.get_name()))
        .map(|command| {
            let about = command.get_about().map(ToString::to_string);
            format!("{:<13} {}", command.get_name(), about.unwrap_or_default())
        });
    let mut lines: Vec<String> = commands.collect();
    lines.push(format!(
        "{:<13} {}",
        "help", "This list; help COMMAND says more"
    ));
    lines.push(format!("{EXIT:<13} Leave; so does end-of-file"));
    lines.join("\n")
}

/// Returns whether the prompt knows what a line says.
#[cfg(test)]
pub(crate) fn reads(line: &str) -> bool {
    let words = words::words(line).unwrap_or_default();
    let is_here = words
        .first()
        .is_some_and(|word| !NOT_HERE.contains(&word.as_str()));
    let all = std::iter::once("ctl").chain(words.iter().map(String::as_str));
    is_here && Cli::command().try_get_matches_from(all).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command_of_ctl() {
        let help = help_text();
        let named: Vec<&str> = help
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert_eq!(named.contains(&name), !NOT_HERE.contains(&name), "{name}");
        }
        assert!(named.contains(&"help") && named.contains(&EXIT));
    }

    #[test]
    fn an_error_is_one_sentence() {
        let error = |words: &[&str]| {
            let all = std::iter::once("ctl").chain(words.iter().copied());
            sentence(&Cli::command().try_get_matches_from(all).unwrap_err())
        };
        assert_eq!(error(&["eat"]), "there is no command eat; type help");
        assert!(
            error(&["fetch"]).contains("<NAME>"),
            "{}",
            error(&["fetch"])
        );
        assert!(error(&["search", "x", "--sur"]).contains("--sur"));
    }
}
