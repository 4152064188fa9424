//! The output for a person or a program.
//!
//! Results go to standard output, everything else to standard error. Text is for people: aligned and with short
//! sizes on a terminal, tab-separated with exact sizes into a pipe. `--json` is for programs: one object, or one a
//! line for streams. Colours are for terminals, see [`ColorWhen`].
//!
//! # Invariants
//! - Text that came from outside is escaped on its way out, terminal or not. Nothing passes [`Output::line`] by, and
//!   that writes one line.
//! - JSON has printable characters only and still says the same.
//! - Nothing is shown of progress unless standard error is a terminal.

mod human;
mod json;
mod paint;
mod progress;
mod table;

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

use node_wire::escaped_whole;
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};
use tokio::{io::Interest, net::unix::pipe};

use crate::error::CtlError;

pub(crate) use human::{address, ago, node as named_node, parse_time, plural, timestamp, word};
pub(crate) use node_base::size::shown as bytes;
pub(crate) use paint::{ColorWhen, Paint, Painted};
pub(crate) use progress::Progress;

/// The format of results.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The amount of output beside results and errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verbosity {
    /// Notes and progress.
    Normal,
    /// Nothing.
    Quiet,
}

/// Standard output and standard error, as the person wants them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) verbosity: Verbosity,
    pub(crate) color: ColorWhen,
}

impl Output {
    /// Returns true if results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Returns true if a person looks at standard output.
    pub(crate) fn is_for_a_person(self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// Returns the width of the window of a person.
    pub(crate) fn width(self) -> Option<usize> {
        if self.is_for_a_person() {
            window(&io::stdout())
        } else {
            None
        }
    }

    /// Returns true if a person looks, at a window that is wide enough for these lines.
    pub(crate) fn has_room_for(self, lines: &str) -> bool {
        let widest = lines.lines().map(|line| line.chars().count()).max();
        self.width()
            .is_some_and(|width| widest.unwrap_or(0) <= width)
    }

    /// A text in lines that fit behind a margin of the window of a person, taken apart at spaces; one line otherwise.
    pub(crate) fn wrapped(self, text: &str, margin: usize) -> Vec<String> {
        match self.width() {
            Some(window) => table::wrapped(text, window.saturating_sub(margin)),
            None => vec![text.to_owned()],
        }
    }

    /// Returns true if results have colours.
    fn is_colored(self) -> bool {
        let variable = |name| std::env::var(name).ok();
        let (no_color, terminal) = (variable("NO_COLOR"), variable("TERM"));
        let is_terminal = io::stdout().is_terminal();
        self.color
            .holds(is_terminal, no_color.as_deref(), terminal.as_deref())
    }

    /// Waits until nobody reads standard output any more, which may be never. For commands that wait for something to
    /// write: others see it when they write.
    pub(crate) async fn closed() {
        // Its mode is left as it is: other writes to it are to block.
        let outlet = io::stdout().as_fd().try_clone_to_owned();
        let outlet = outlet.and_then(pipe::Sender::from_owned_fd_unchecked);
        // A file cannot be waited for, and does not go away.
        if let Ok(outlet) = outlet {
            while let Ok(ready) = outlet.ready(Interest::ERROR).await {
                if ready.is_error() || ready.is_write_closed() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Writes one line of text, whatever is in it: all but tabs is escaped here once more, so that nobody's text makes
    /// two lines of one.
    pub(crate) fn line(self, text: &str) -> Result<(), CtlError> {
        writeln!(io::stdout().lock(), "{}", escaped_line(text)).map_err(CtlError::output)
    }

    /// Writes a line in parts, with colours where they are wanted. The parts are escaped.
    pub(crate) fn painted(self, line: &Painted) -> Result<(), CtlError> {
        let line = line.text(self.is_colored());
        writeln!(io::stdout().lock(), "{line}").map_err(CtlError::output)
    }

    /// Writes the lines of a text that this program or the owner's script wrote.
    pub(crate) fn lines(self, text: &str) -> Result<(), CtlError> {
        text.split('\n').try_for_each(|line| self.line(line))
    }

    /// Writes text without ending the line.
    pub(crate) fn prompt(self, text: &str) -> Result<(), CtlError> {
        let mut stdout = io::stdout().lock();
        write!(stdout, "{}", escaped_line(text))
            .and_then(|()| stdout.flush())
            .map_err(CtlError::output)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), CtlError> {
        self.line(&json::line(value)?)
    }

    /// Writes an object as one line of a stream of JSON, which says its kind: `hit`, `progress`, `end`.
    pub(crate) fn record(self, kind: &str, said: &impl Serialize) -> Result<(), CtlError> {
        self.json(&json::Record { kind, said })
    }

    /// Writes a value as JSON for a person to read, or as one line into a pipe.
    pub(crate) fn json_for_reading(self, value: &impl Serialize) -> Result<(), CtlError> {
        if self.is_for_a_person() {
            self.lines(&json::page(value)?)
        } else {
            self.json(value)
        }
    }

    /// Writes rows of cells: aligned below `head` for a person, tab-separated otherwise. Cells are escaped.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) -> Result<(), CtlError> {
        if self.is_for_a_person() {
            let lines = table::aligned(head, rows, window(&io::stdout()));
            lines.iter().enumerate().try_for_each(|(at, line)| {
                let paint = if at == 0 { Paint::Head } else { Paint::Plain };
                self.painted(&Painted::default().with(paint, line.as_str()))
            })
        } else {
            rows.iter()
                .try_for_each(|row| self.line(&table::tabbed(row)))
        }
    }

    /// Formats a size in bytes: short for a person, exact otherwise.
    pub(crate) fn size(self, size: u64) -> String {
        if self.is_for_a_person() {
            bytes(size)
        } else {
            size.to_string()
        }
    }

    /// Formats a node: its name and address for a person, its URL otherwise.
    pub(crate) fn node(self, name: Option<&str>, url: &str) -> String {
        if self.is_for_a_person() {
            human::node(name, url)
        } else {
            url.to_owned()
        }
    }

    /// Formats a time in Unix milliseconds: its age for a person, exact otherwise.
    pub(crate) fn moment(self, milliseconds: u64) -> String {
        if self.is_for_a_person() {
            ago(milliseconds, std::time::SystemTime::now())
        } else {
            timestamp(milliseconds)
        }
    }

    /// Says something beside the results, unless it should be quiet. Escapes it.
    pub(crate) fn note(self, text: &str) {
        if self.verbosity == Verbosity::Normal {
            complain(&escaped(text));
        }
    }

    /// Says why the command failed.
    pub(crate) fn error(self, error: &CtlError) {
        let text = match self.format {
            Format::Text => error.line(),
            Format::Json => error.json().and_then(|value| json::line(&value).ok()),
        };
        if let Some(text) = text {
            complain(&text);
        }
    }

    /// Shows how far something is, if somebody looks.
    pub(crate) fn progress(self, what: &str) -> Progress {
        let wanted = self.format == Format::Text && self.verbosity == Verbosity::Normal;
        if wanted && io::stderr().is_terminal() {
            Progress::shown(&escaped(what))
        } else {
            Progress::hidden()
        }
    }
}

/// Returns the width of the window that `outlet` writes to, if it is a terminal that has one.
fn window(outlet: &impl AsFd) -> Option<usize> {
    let (Width(width), _) = terminal_size_of(outlet)?;
    (width > 0).then_some(width.into())
}

/// Returns a value as one line of JSON in printable characters.
pub(crate) fn json_line(value: &impl Serialize) -> Result<String, CtlError> {
    json::line(value)
}

/// Returns foreign text on one line, safe for a terminal.
pub(crate) fn escaped(text: &str) -> String {
    escaped_whole(text).to_string()
}

/// Returns foreign text on one line, safe for a terminal, whose tabs are kept.
pub(crate) fn escaped_line(text: &str) -> String {
    let pieces: Vec<_> = text.split('\t').map(escaped).collect();
    pieces.join("\t")
}

/// Returns text of a script, safe for a terminal, whose line breaks and tabs are kept.
pub(crate) fn escaped_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escaped_line).collect();
    lines.join("\n")
}

/// Writes a line to standard error. If that is closed, nobody can read it.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Returns foreign text as one word of a POSIX shell, safe for a terminal.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-._/:,+@%".contains(c);
    let text = escaped(text);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_word_is_quoted_only_if_need_be() {
        for (text, word) in [
            ("a/b-1.txt", "a/b-1.txt"),
            ("Käse.txt", "Käse.txt"),
            ("my song.mp3", "'my song.mp3'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
            ("-rf", "'-rf'"),
            ("", "''"),
            ("\u{1b}[2J", r"'\u{1b}[2J'"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }

    #[test]
    fn terminal_tricks_are_spelt_out() {
        let cases = [
            (
                "\u{1b}]8;;http://x\u{7}name",
                r"\u{1b}]8;;http://x\u{7}name",
            ),
            ("\u{1b}]52;c;aGk=\u{7}", r"\u{1b}]52;c;aGk=\u{7}"),
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"),
            ("\u{1b}[2J\u{1b}[H", r"\u{1b}[2J\u{1b}[H"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\rb\nc\td", r"a\u{d}b\u{a}c\u{9}d"),
            ("\u{202e}gpj.exe", r"\u{202e}gpj.exe"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn no_character_makes_a_second_line_or_steers_a_terminal() {
        let all = (0..0x20)
            .chain(0x7f..0xa0)
            .chain([0x85, 0xad, 0x61c, 0x200b, 0xfeff])
            .chain(0x200e..=0x200f)
            .chain(0x2028..=0x202e)
            .chain(0x2066..=0x2069);
        for c in all.filter_map(char::from_u32).filter(|c| *c != '\t') {
            let text = escaped_line(&format!("a{c}b\tc"));
            let code = u32::from(c);
            assert_eq!(text, format!("a\\u{{{code:x}}}b\tc"), "{code:x}");
            assert_eq!(escaped_line(&text), text, "what is escaped stays");
        }
    }

    #[test]
    fn lines_and_tabs_of_a_script_stay() {
        assert_eq!(escaped_lines("a\tb\n\u{1b}c\n"), "a\tb\n\\u{1b}c\n");
        assert_eq!(escaped_lines(""), "");
    }
}
