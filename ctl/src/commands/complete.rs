//! `ctl complete`: prints what the last word can become, for the scripts of `ctl completions`.

use clap::CommandFactory;
use tokio::runtime::Handle;

use super::{Context, shell::words::Typed};
use crate::{
    cli::{Cli, CompleteArgs},
    completion::{self, Candidate, Completion},
    error::CtlError,
};

/// Runs the command. Each candidate is a line: the word, a tab, what it means. Nothing stands for files of this machine.
pub(crate) fn run(
    args: &CompleteArgs,
    context: &Context,
    runtime: &Handle,
) -> Result<(), CtlError> {
    let mut cli = Cli::command();
    cli.build();
    let words = args
        .line
        .as_deref()
        .map_or_else(|| args.words.clone(), words_of);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (last, before) = words.split_last().unwrap_or((&"", &[]));
    let ask = |wanted| completion::ask(context, runtime, wanted);
    let Completion::Words(words) = completion::complete(&cli, before, last, ask) else {
        return Ok(());
    };
    let line = |word: &Candidate| match &word.help {
        Some(help) => format!("{}\t{help}", word.value),
        None => word.value.clone(),
    };
    words
        .iter()
        .try_for_each(|word| context.output.line(&line(word)))
}

/// The words of a line behind `ctl`. The last one is empty if a new word begins.
fn words_of(line: &str) -> Vec<String> {
    let typed = Typed::read(line);
    let last = typed.last();
    let words = typed.whole.into_iter().chain([last]);
    words.skip(1).map(|word| word.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_as_a_shell_does() {
        assert_eq!(words_of("ctl fe"), ["fe"]);
        assert_eq!(words_of("ctl fetch "), ["fetch", ""]);
        assert_eq!(words_of("ctl fetch 'my so"), ["fetch", "my so"]);
        assert_eq!(words_of("ctl hello http://a"), ["hello", "http://a"]);
    }
}
