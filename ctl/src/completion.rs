//! Completions of a word, on the command line and at the prompt of the shell.
//!
//! Commands, options and their values come from the table of commands; names, peers and fetches from the node, and from the
//! peers that it knows. `ctl complete` prints them for the shells of systems, and `ctl shell` offers them at Tab.
//!
//! # Invariants
//! - Text that cannot be typed as it is shown is not offered.
//! - The node is asked for no longer than a second; without one there is less to offer.

mod known;

use clap::{Arg, Command};
use node_api::openrpc;

pub(crate) use known::{Known, ValueKind, ask};

use crate::output::escaped;

/// The completions of a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Completion {
    /// One of these.
    Words(Vec<Candidate>),
    /// A file of this machine.
    Files,
}

/// One completion of a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) value: String,
    /// Its meaning in one line, if that is known.
    pub(crate) help: Option<String>,
}

impl Candidate {
    fn bare(value: impl Into<String>) -> Candidate {
        Candidate {
            value: value.into(),
            help: None,
        }
    }

    fn with(value: impl Into<String>, help: Option<String>) -> Candidate {
        Candidate {
            value: value.into(),
            help: help.and_then(|help| help.lines().next().map(str::to_owned)),
        }
    }
}

/// The command that words before the last one name.
struct Place<'a> {
    command: &'a Command,
    /// The names of the commands, without `ctl`.
    path: Vec<&'a str>,
    /// Number of words beside options.
    arguments: usize,
    /// The option whose value comes next.
    option: Option<&'a Arg>,
    /// True behind `--`.
    no_options: bool,
}

/// Returns what `last` can become behind the words `before`. `cli` is the table of commands, built; `known` asks the node.
pub(crate) fn complete(
    cli: &Command,
    before: &[&str],
    last: &str,
    known: impl Fn(ValueKind) -> Known,
) -> Completion {
    let place = Place::of(cli, before);
    let offered = match place.option {
        Some(option) => values(option),
        None if last.starts_with('-') && !place.no_options => {
            Completion::Words(options(place.command))
        }
        None => arguments(cli, &place, known),
    };
    match offered {
        Completion::Words(mut words) => {
            words.retain(|word| word.value.starts_with(last) && escaped(&word.value) == word.value);
            Completion::Words(words)
        }
        Completion::Files => Completion::Files,
    }
}

impl<'a> Place<'a> {
    fn of(cli: &'a Command, before: &[&str]) -> Place<'a> {
        let mut place = Place {
            command: cli,
            path: Vec::new(),
            arguments: 0,
            option: None,
            no_options: false,
        };
        for word in before {
            place.pass(word);
        }
        place
    }

    fn pass(&mut self, word: &str) {
        if self.option.take().is_some() {
            return;
        }
        if word == "--" {
            self.no_options = true;
        } else if word.starts_with('-') && word.len() > 1 && !self.no_options {
            self.option = self.option_of(word).filter(|option| takes_value(option));
        } else if let (0, Some(command)) = (self.arguments, self.command.find_subcommand(word)) {
            self.path.push(command.get_name());
            self.command = command;
        } else {
            self.arguments += 1;
        }
    }

    /// The option of `--name`, or the last one of `-abc`. One with its value behind `=` takes none from the next word.
    fn option_of(&self, word: &str) -> Option<&'a Arg> {
        let mut options = self.command.get_arguments();
        match word.strip_prefix("--") {
            Some(name) => options.find(|option| option.get_long() == Some(name)),
            None => {
                let short = word.chars().next_back();
                options.find(|option| option.get_short() == short)
            }
        }
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values()
}

/// Returns the values that an option can have.
fn values(option: &Arg) -> Completion {
    let possible = option.get_possible_values();
    if !possible.is_empty() {
        let value = |value: &clap::builder::PossibleValue| {
            let help = value.get_help().map(ToString::to_string);
            Candidate::with(value.get_name(), help)
        };
        return Completion::Words(possible.iter().map(value).collect());
    }
    let names = option.get_value_names().unwrap_or_default();
    let is_path = |name: &str| ["PATH", "DIR", "FILE"].contains(&name);
    if names.iter().any(|name| is_path(name)) {
        Completion::Files
    } else {
        Completion::Words(Vec::new())
    }
}

fn options(command: &Command) -> Vec<Candidate> {
    let shown = command
        .get_arguments()
        .filter(|option| !option.is_hide_set());
    let options = shown.filter_map(|option| {
        let help = option.get_help().map(ToString::to_string);
        Some(Candidate::with(format!("--{}", option.get_long()?), help))
    });
    options.collect()
}

fn commands(of: &Command) -> Vec<Candidate> {
    // A command with actions has `help` as one more, which explains nothing that --help does not.
    let is_action_help =
        |command: &Command| command.get_name() == "help" && of.get_name() != env!("CARGO_PKG_NAME");
    let shown = of
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && !is_action_help(command));
    let about = |command: &Command| command.get_about().map(ToString::to_string);
    shown
        .map(|command| Candidate::with(command.get_name(), about(command)))
        .collect()
}

/// Returns the completions of a word that is no option.
fn arguments(cli: &Command, place: &Place<'_>, known: impl Fn(ValueKind) -> Known) -> Completion {
    let bare = |texts: Vec<String>| texts.into_iter().map(Candidate::bare).collect();
    Completion::Words(match (place.path.as_slice(), place.arguments) {
        (["help", ..], _) => commands(cli),
        (["fetch"], _) => bare(known(ValueKind::AtPeers).at_peers),
        (["cat"], _) => bare(known(ValueKind::All).files()),
        (["search" | "grep"], _) => bare(known(ValueKind::Here).here),
        (["hello"] | ["peers", "rm"], 0) => bare(known(ValueKind::Peers).peers),
        (["ls"], 0) => bare(known(ValueKind::HereAndPeers).listable()),
        (["ls"], 1) => bare(known(ValueKind::AtPeers).folders_at_peers()),
        (["rescan"], 0) | (["share", "add"], _) => bare(known(ValueKind::Here).here_with_folders()),
        (["transfers", "cancel" | "drop"], 0) => fetches(known(ValueKind::Fetches)),
        (["call"], 0) => bare(methods()),
        (["run"], 0) | (["plugin", "check" | "test"], _) => return Completion::Files,
        (_, 0) if place.command.has_subcommands() => commands(place.command),
        (_, at) => return argument(place.command, at),
    })
}

/// Returns the values that the table of commands gives for the argument at a place.
fn argument(command: &Command, at: usize) -> Completion {
    let argument = command.get_positionals().nth(at);
    argument.map_or_else(|| Completion::Words(Vec::new()), values)
}

fn fetches(known: Known) -> Vec<Candidate> {
    let fetch = |(id, name): (u64, String)| Candidate::with(id.to_string(), Some(escaped(&name)));
    known.fetches.into_iter().map(fetch).collect()
}

/// The methods of the control connection.
fn methods() -> Vec<String> {
    let document = openrpc::document(&[]);
    let methods = document["methods"].as_array().into_iter().flatten();
    let names = methods.filter_map(|method| method["name"].as_str());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn known(_: ValueKind) -> Known {
        Known {
            here: vec!["here.txt".into(), "photos/2013/a.jpg".into()],
            at_peers: vec![
                "it's.txt".into(),
                "notes/a b.txt".into(),
                "\u{1b}[2J".into(),
            ],
            peers: vec!["http://127.0.0.1:1/".into()],
            fetches: vec![(12, "a.txt".into())],
        }
    }

    /// The values that the last of the words can become.
    fn offered(words: &[&str]) -> Vec<String> {
        let mut cli = Cli::command();
        cli.build();
        let (last, before) = words.split_last().unwrap();
        match complete(&cli, before, last, known) {
            Completion::Words(words) => words.into_iter().map(|word| word.value).collect(),
            Completion::Files => vec!["(files)".to_owned()],
        }
    }

    #[test]
    fn the_first_word_is_a_command_also_behind_options() {
        assert_eq!(offered(&["fe"]), ["fetch"]);
        assert_eq!(offered(&["--json", "--timeout", "3s", "gre"]), ["grep"]);
        assert_eq!(offered(&["--timeout=3s", "-q", "gre"]), ["grep"]);
        assert!(offered(&[""]).len() > 15);
        assert!(!offered(&[""]).contains(&"complete".to_owned()), "hidden");
        assert_eq!(offered(&["help", "stat"]), ["status"]);
    }

    #[test]
    fn what_a_command_takes_comes_from_the_node() {
        assert_eq!(offered(&["fetch", "no"]), ["notes/a b.txt"]);
        assert_eq!(offered(&["fetch", ""]), ["it's.txt", "notes/a b.txt"]);
        assert_eq!(offered(&["fetch", "--replace", "x", "it"]), ["it's.txt"]);
        assert_eq!(offered(&["cat", "he"]), ["here.txt"]);
        assert_eq!(offered(&["cat", "it"]), ["it's.txt"]);
        assert_eq!(offered(&["search", "he"]), ["here.txt"]);
        assert_eq!(offered(&["hello", ""]), ["http://127.0.0.1:1/"]);
        assert_eq!(offered(&["peers", ""]), ["ls", "rm"]);
        assert_eq!(offered(&["peers", "rm", "h"]), ["http://127.0.0.1:1/"]);
        let photos = ["photos/", "photos/2013/", "photos/2013/a.jpg"];
        assert_eq!(offered(&["ls", "photos/"]), photos);
        assert_eq!(offered(&["rescan", "photos/"]), photos);
        assert_eq!(offered(&["ls", "http://127.0.0.1:1/", ""]), ["notes/"]);
        assert_eq!(offered(&["transfers", "cancel", ""]), ["12"]);
        assert!(offered(&["call", "share."]).contains(&"share.list".to_owned()));
        assert!(offered(&["status", ""]).is_empty());
        assert!(offered(&["eat", ""]).is_empty());
    }

    #[test]
    fn options_and_their_values_are_those_of_the_command() {
        assert_eq!(offered(&["fetch", "--re"]), ["--replace"]);
        assert_eq!(offered(&["search", "x", "--su"]), ["--sure"]);
        assert!(offered(&["search", "x", "--"]).contains(&"--json".to_owned()));
        assert_eq!(offered(&["search", "--color", "a"]), ["auto", "always"]);
        assert_eq!(offered(&["completions", "ba"]), ["bash"]);
        assert!(offered(&["search", "--limit", ""]).is_empty());
        assert!(offered(&["fetch", "--", "--re"]).is_empty());
        for files in [
            &["fetch", "x", "--to", ""][..],
            &["run", "sc"],
            &["plugin", "check", "a.rhai", ""],
            &["--state", ""],
        ] {
            assert_eq!(offered(files), ["(files)"], "{files:?}");
        }
    }
}
