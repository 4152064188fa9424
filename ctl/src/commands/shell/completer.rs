//! Completion with Tab: commands, then the arguments of a command.
//!
//! Names come from the node and, for `fetch`, from the peers that it knows. They are asked for at the first Tab and
//! kept for a while, so that Tab stays quick.
//!
//! # Invariants
//! - A name that cannot be typed as it is shown is not offered.
//! - Tab never takes longer than [`LONGEST_WAIT`].

use std::{
    cell::RefCell,
    collections::BTreeSet,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use node_api::share::ShareFile;
use rustyline::{
    Helper, completion::Completer, highlight::Highlighter, hint::Hinter, validate::Validator,
};
use tokio::{runtime::Handle, time::timeout};

use super::{EXIT, NOT_HERE, words::Typed};
use crate::{
    cli::Cli,
    commands::Context,
    connection::Connection,
    error::CtlError,
    output::{escaped, shell_word},
};

/// Longest time in which Tab may ask the node.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The time that answers are good for.
const FRESH: Duration = Duration::from_secs(20);

/// Most peers that are asked for their files.
const PEERS_ASKED: usize = 8;

/// Offers completions.
pub(super) struct ShellCompleter {
    context: Context,
    runtime: Handle,
    known: RefCell<Option<(Instant, Known)>>,
}

/// The names that the node knew when it was asked.
#[derive(Clone, Debug, Default)]
struct Known {
    here: Vec<String>,
    at_peers: Vec<String>,
    peers: Vec<String>,
}

impl ShellCompleter {
    /// Completions from the node of this context.
    pub(super) fn new(context: Context, runtime: Handle) -> ShellCompleter {
        ShellCompleter {
            context,
            runtime,
            known: RefCell::new(None),
        }
    }

    fn known(&self) -> Known {
        let mut kept = self.known.borrow_mut();
        match &*kept {
            Some((asked, known)) if asked.elapsed() < FRESH => known.clone(),
            _ => {
                let known = self.ask();
                *kept = Some((Instant::now(), known.clone()));
                known
            }
        }
    }

    /// Returns the names that came in time. Without a node there is nothing to offer.
    fn ask(&self) -> Known {
        let mut known = Known::default();
        if let Ok(node) = self.context.connect() {
            // The timer needs the runtime, which this thread is not of.
            let asking = async { timeout(LONGEST_WAIT, gather(&node, &mut known)).await };
            let _ = self.runtime.block_on(asking);
        }
        known
    }
}

async fn gather(node: &Connection, known: &mut Known) -> Result<(), CtlError> {
    known.here = names(node.files(None).await?.files);
    let peers = node.peers().await?;
    known.peers = peers.into_iter().map(|peer| peer.url).collect();
    for peer in known.peers.iter().take(PEERS_ASKED) {
        if let Ok(files) = node.files_of_peer(peer).await {
            known.at_peers.extend(names(files));
        }
    }
    known.at_peers.sort();
    known.at_peers.dedup();
    Ok(())
}

fn names(files: Vec<ShareFile>) -> Vec<String> {
    files.into_iter().map(|file| file.name).collect()
}

impl Completer for ShellCompleter {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(&line[..position], || self.known()))
    }
}

/// Returns the start of the word to complete, and its completions.
fn complete(typed: &str, known: impl Fn() -> Known) -> (usize, Vec<String>) {
    let typed = Typed::read(typed);
    let last = typed.last();
    let before: Vec<&str> = typed.whole.iter().map(|word| word.text.as_str()).collect();
    let candidates = match before.as_slice() {
        [] | ["help"] => commands(),
        [command, ..] if last.text.starts_with('-') => options(command),
        [command] if has_actions(command) => actions(command),
        ["fetch", ..] => known().at_peers,
        ["search" | "grep", ..] => known().here,
        ["hello"] | ["peers", "rm"] => known().peers,
        ["ls"] => known().listable(),
        ["ls", _] => folders(&known().at_peers),
        _ => Vec::new(),
    };
    let begins = |name: &String| name.starts_with(&last.text) && escaped(name) == *name;
    let is_option = last.text.starts_with('-');
    let word = |name: String| {
        if is_option { name } else { shell_word(&name) }
    };
    let candidates = candidates.into_iter().filter(begins);
    (last.start, candidates.map(word).collect())
}

impl Known {
    /// Returns the arguments of `ls`: peers, folders and files.
    fn listable(self) -> Vec<String> {
        let folders = folders(&self.here);
        self.peers
            .into_iter()
            .chain(folders)
            .chain(self.here)
            .collect()
    }
}

/// Returns the folders in which these files are, each once.
fn folders(names: &[String]) -> Vec<String> {
    let ends = |name: &String| -> Vec<String> {
        let slashes = name.match_indices('/');
        slashes.map(|(at, _)| name[..=at].to_owned()).collect()
    };
    let folders: BTreeSet<String> = names.iter().flat_map(ends).collect();
    folders.into_iter().collect()
}

fn commands() -> Vec<String> {
    let cli = Cli::command();
    let names = cli.get_subcommands().map(clap::Command::get_name);
    let here = names.filter(|name| !NOT_HERE.contains(name));
    here.chain(["help", EXIT]).map(str::to_owned).collect()
}

fn options(command: &str) -> Vec<String> {
    let mut cli = Cli::command();
    cli.build();
    let Some(command) = cli.find_subcommand(command) else {
        return Vec::new();
    };
    let shown = command
        .get_arguments()
        .filter(|option| !option.is_hide_set());
    let names = shown.filter_map(clap::Arg::get_long);
    names.map(|name| format!("--{name}")).collect()
}

fn has_actions(command: &str) -> bool {
    !actions(command).is_empty()
}

fn actions(command: &str) -> Vec<String> {
    let cli = Cli::command();
    let command = cli.find_subcommand(command);
    let actions = command.into_iter().flat_map(clap::Command::get_subcommands);
    actions.map(|action| action.get_name().to_owned()).collect()
}

impl Helper for ShellCompleter {}

impl Hinter for ShellCompleter {
    type Hint = String;
}

impl Highlighter for ShellCompleter {}

impl Validator for ShellCompleter {}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            here: vec!["here.txt".into(), "photos/2013/a.jpg".into()],
            at_peers: vec![
                "it's.txt".into(),
                "notes/a b.txt".into(),
                "notes/\u{1b}[2J".into(),
            ],
            peers: vec!["http://127.0.0.1:1/".into()],
        }
    }

    fn offered(typed: &str) -> Vec<String> {
        complete(typed, known).1
    }

    #[test]
    fn the_first_word_is_a_command() {
        assert_eq!(complete("fe", known), (0, vec!["fetch".to_owned()]));
        assert_eq!(offered("  gr"), ["grep"]);
        assert!(offered("").len() > 10);
        assert!(!offered("").contains(&"shell".to_owned()));
    }

    #[test]
    fn the_rest_is_what_the_command_takes() {
        assert_eq!(
            complete("fetch notes/a", known),
            (6, vec!["'notes/a b.txt'".to_owned()])
        );
        assert_eq!(offered("fetch it"), [r"'it'\''s.txt'"]);
        assert_eq!(offered("fetch --replace 'notes/a b"), ["'notes/a b.txt'"]);
        assert_eq!(offered("search he"), ["here.txt"]);
        assert_eq!(offered("hello "), ["http://127.0.0.1:1/"]);
        assert_eq!(offered("peers "), ["ls", "rm"]);
        assert_eq!(offered("peers rm h"), ["http://127.0.0.1:1/"]);
        assert_eq!(
            offered("ls photos/"),
            ["photos/", "photos/2013/", "photos/2013/a.jpg"]
        );
        assert!(offered("status x").is_empty());
        assert_eq!(offered("help stat"), ["status"]);
    }

    #[test]
    fn options_are_those_of_the_command() {
        assert_eq!(offered("fetch --re"), ["--replace"]);
        assert_eq!(offered("search x --su"), ["--sure"]);
        assert!(offered("search x --").contains(&"--json".to_owned()));
        assert!(offered("eat --").is_empty());
    }

    #[test]
    fn a_name_that_cannot_be_typed_is_not_offered() {
        assert_eq!(offered("fetch notes/"), ["'notes/a b.txt'"]);
    }
}
