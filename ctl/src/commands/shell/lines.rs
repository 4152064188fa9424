//! The source of the shell's lines.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use rustyline::{Config, Editor, error::ReadlineError, history::FileHistory};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Stdin},
    runtime::Handle,
};

use super::{PROMPT, completer::ShellCompleter};
use crate::{commands::Context, error::CtlError};

/// Lines that the history keeps.
const HISTORY: usize = 1_000;

/// One line, or what came instead.
#[derive(Debug)]
pub(super) enum Line {
    /// A line.
    Text(String),
    /// Ctrl-C at the prompt.
    Nothing,
    /// End-of-file.
    End,
}

/// A source of lines.
pub(super) enum Lines {
    /// A person at a terminal.
    Edited(Box<Edited>),
    /// A file or a program.
    Plain(BufReader<Stdin>),
}

/// An editor and where its history is kept.
pub(super) struct Edited {
    editor: Editor<ShellCompleter, FileHistory>,
    history: Option<PathBuf>,
}

impl Lines {
    /// Opens standard input.
    pub(super) fn open(context: &Context, runtime: &Handle) -> Result<Lines, CtlError> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            Edited::open(context, runtime).map(|edited| Lines::Edited(Box::new(edited)))
        } else {
            let _inside = runtime.enter();
            Ok(Lines::Plain(BufReader::new(tokio::io::stdin())))
        }
    }

    /// Prompts and waits for the next line.
    pub(super) fn next(&mut self, context: &Context, runtime: &Handle) -> Result<Line, CtlError> {
        match self {
            Lines::Edited(edited) => edited.next(),
            Lines::Plain(stdin) => {
                context.output.prompt(PROMPT)?;
                runtime.block_on(context.patience.bound(read_line(stdin)))
            }
        }
    }
}

async fn read_line(stdin: &mut BufReader<Stdin>) -> Result<Line, CtlError> {
    let mut bytes = Vec::new();
    let count = stdin
        .read_until(b'\n', &mut bytes)
        .await
        .map_err(unreadable)?;
    if count == 0 {
        return Ok(Line::End);
    }
    Ok(Line::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

impl Edited {
    fn open(context: &Context, runtime: &Handle) -> Result<Edited, CtlError> {
        let config = Config::builder()
            .max_history_size(HISTORY)
            .map_err(broken)?
            .history_ignore_dups(true)
            .map_err(broken)?
            .history_ignore_space(true)
            .build();
        let mut editor = Editor::with_config(config).map_err(broken)?;
        editor.set_helper(Some(ShellCompleter::new(context.clone(), runtime.clone())));
        let history = context.state().ok().map(|state| state.join("history"));
        if let Some(file) = &history {
            // The first time there is none; a broken one is not worth an error.
            let _ = editor.load_history(file);
        }
        Ok(Edited { editor, history })
    }

    fn next(&mut self) -> Result<Line, CtlError> {
        let line = match self.editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Eof) => return Ok(Line::End),
            Err(ReadlineError::Interrupted) => return Ok(Line::Nothing),
            Err(error) => return Err(broken(error)),
        };
        let added = self
            .editor
            .add_history_entry(&line)
            .is_ok_and(|added| added);
        if let Some(file) = self.history.as_ref().filter(|_| added) {
            // Saved after each line, readable by the owner alone; without a state directory there is no history.
            let _ = self.editor.save_history(file);
        }
        Ok(Line::Text(line))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: ReadlineError) -> CtlError {
    match error {
        ReadlineError::Io(error) => unreadable(error),
        other => CtlError::failed(format!("the line cannot be edited: {other}")),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> CtlError {
    CtlError::failed(format!("cannot read standard input: {error}"))
}
