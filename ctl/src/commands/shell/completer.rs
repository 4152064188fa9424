//! Completion with Tab: commands, then the arguments of a command.
//!
//! Names come from the node at the first Tab and are kept for a while, so that Tab stays quick.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use rustyline::{
    Helper,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::Highlighter,
    hint::Hinter,
    validate::Validator,
};
use tokio::runtime::Handle;

use super::{EXIT, NOT_HERE, words::Typed};
use crate::{
    cli::Cli,
    commands::Context,
    completion::{self, Completion, Known, ValueKind},
    output::shell_word,
};

/// The time that answers are good for.
const FRESH: Duration = Duration::from_secs(20);

/// Offers completions.
pub(super) struct ShellCompleter {
    context: Context,
    runtime: Handle,
    known: RefCell<Option<(Instant, Known)>>,
    files: FilenameCompleter,
}

/// The start of the word to complete, and its completions.
#[derive(Debug, Eq, PartialEq)]
enum Offered {
    Words(usize, Vec<String>),
    Files,
}

impl ShellCompleter {
    /// Completions from the node of this context.
    pub(super) fn new(context: Context, runtime: Handle) -> ShellCompleter {
        ShellCompleter {
            context,
            runtime,
            known: RefCell::new(None),
            files: FilenameCompleter::new(),
        }
    }

    fn known(&self) -> Known {
        let mut kept = self.known.borrow_mut();
        match &*kept {
            Some((asked, known)) if asked.elapsed() < FRESH => known.clone(),
            _ => {
                let known = completion::ask(&self.context, &self.runtime, ValueKind::All);
                *kept = Some((Instant::now(), known.clone()));
                known
            }
        }
    }
}

impl Completer for ShellCompleter {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        match complete(&line[..position], |_| self.known()) {
            Offered::Files => self.files.complete_path(line, position),
            Offered::Words(start, words) => {
                let pair = |word: String| Pair {
                    display: word.clone(),
                    replacement: word,
                };
                Ok((start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

fn complete(typed: &str, known: impl Fn(ValueKind) -> Known) -> Offered {
    let typed = Typed::read(typed);
    let last = typed.last();
    let before: Vec<&str> = typed.whole.iter().map(|word| word.text.as_str()).collect();
    let mut cli = Cli::command();
    cli.build();
    let words = match completion::complete(&cli, &before, &last.text, known) {
        Completion::Files => return Offered::Files,
        Completion::Words(words) => words.into_iter().map(|word| word.value),
    };
    let is_command = matches!(before.as_slice(), [] | ["help"]) && !last.text.starts_with('-');
    let mut words: Vec<String> = words
        .filter(|word| !is_command || !NOT_HERE.contains(&word.as_str()))
        .map(|word| {
            let is_option = last.text.starts_with('-');
            if is_option { word } else { shell_word(&word) }
        })
        .collect();
    if before.is_empty() && EXIT.starts_with(&last.text) {
        words.push(EXIT.to_owned());
    }
    Offered::Words(last.start, words)
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

    fn known(_: ValueKind) -> Known {
        Known {
            at_peers: vec!["it's.txt".into(), "notes/a b.txt".into()],
            ..Known::default()
        }
    }

    fn offered(typed: &str) -> Vec<String> {
        match complete(typed, known) {
            Offered::Words(_, words) => words,
            Offered::Files => vec!["(files)".to_owned()],
        }
    }

    #[test]
    fn commands_are_those_of_the_prompt() {
        assert_eq!(
            complete("  gre", known),
            Offered::Words(2, vec!["grep".to_owned()])
        );
        assert_eq!(offered("ex"), ["exit"]);
        assert_eq!(offered("help stat"), ["status"]);
        for word in ["shell", "up", "completions", "complete", "man"] {
            assert!(!offered("").contains(&word.to_owned()), "{word}");
        }
        assert!(offered("").contains(&"help".to_owned()));
    }

    #[test]
    fn a_word_is_quoted_where_it_must_be_and_begins_at_its_quote() {
        assert_eq!(
            complete("fetch notes/a", known),
            Offered::Words(6, vec!["'notes/a b.txt'".to_owned()])
        );
        assert_eq!(offered("fetch it"), [r"'it'\''s.txt'"]);
        assert_eq!(offered("fetch --replace 'notes/a b"), ["'notes/a b.txt'"]);
        assert_eq!(offered("fetch x --to "), ["(files)"]);
        assert_eq!(offered("fetch --re"), ["--replace"]);
    }
}
