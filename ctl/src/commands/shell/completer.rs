//! What Tab offers: commands, then what a command takes.
//!
//! Names come from the node and, for `fetch`, from the peers that it knows. They are asked for at the first Tab and
//! kept for a while, so that Tab stays quick.
//!
//! # Invariants
//! - A name that cannot be typed as it is shown is not offered.
//! - Tab never takes longer than [`LONGEST_WAIT`].

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use node_api::share::ShareFile;
use rustyline::{
    Helper, completion::Completer, highlight::Highlighter, hint::Hinter, validate::Validator,
};
use tokio::{runtime::Handle, time::timeout};

use super::COMMANDS;
use crate::{commands::Context, connection::Connection, error::CtlError, output::escaped};

/// Longest time in which Tab may ask the node.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long answers are good for.
const FRESH: Duration = Duration::from_secs(20);

/// Most peers that are asked for their files.
const PEERS_ASKED: usize = 8;

/// Offers completions.
pub(super) struct ShellCompleter {
    context: Context,
    runtime: Handle,
    known: RefCell<Option<(Instant, Known)>>,
}

/// What the node knew when it was asked.
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

    /// What came in time. Without a node there is nothing to offer.
    fn ask(&self) -> Known {
        let mut known = Known::default();
        if let Ok(node) = self.context.connect() {
            let asking = timeout(LONGEST_WAIT, gather(&node, &mut known));
            let _ = self.runtime.block_on(asking);
        }
        known
    }
}

async fn gather(node: &Connection, known: &mut Known) -> Result<(), CtlError> {
    known.here = names(node.files().await?.files);
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

/// Where the word to complete starts, and what it can become.
fn complete(typed: &str, known: impl Fn() -> Known) -> (usize, Vec<String>) {
    let Some((command, rest)) = typed.split_once(' ') else {
        let commands = COMMANDS.map(str::to_owned).to_vec();
        return (0, beginning_with(typed, commands));
    };
    let start = typed.len() - rest.trim_start().len();
    let candidates = match command {
        "fetch" => known().at_peers,
        "search" => known().here,
        "ls" | "hello" => known().peers,
        _ => Vec::new(),
    };
    (start, beginning_with(&typed[start..], candidates))
}

fn beginning_with(start: &str, candidates: Vec<String>) -> Vec<String> {
    let offered = |name: &String| name.starts_with(start) && escaped(name) == *name;
    candidates.into_iter().filter(offered).collect()
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
            here: vec!["here.txt".into()],
            at_peers: vec!["notes/a b.txt".into(), "notes/\u{1b}[2J".into()],
            peers: vec!["http://127.0.0.1:1/".into()],
        }
    }

    #[test]
    fn the_first_word_is_a_command() {
        assert_eq!(complete("fe", known), (0, vec!["fetch".to_owned()]));
        assert_eq!(complete("", known).1.len(), COMMANDS.len());
    }

    #[test]
    fn the_rest_is_what_the_command_takes() {
        assert_eq!(
            complete("fetch notes/a b", known),
            (6, vec!["notes/a b.txt".to_owned()])
        );
        assert_eq!(
            complete("search he", known),
            (7, vec!["here.txt".to_owned()])
        );
        assert_eq!(complete("hello ", known).1, ["http://127.0.0.1:1/"]);
        assert!(complete("status x", known).1.is_empty());
    }

    #[test]
    fn a_name_that_cannot_be_typed_is_not_offered() {
        assert_eq!(complete("fetch notes/", known).1, ["notes/a b.txt"]);
    }
}
