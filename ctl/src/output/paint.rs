//! Parts of a line and their colours.
//!
//! # Invariants
//! - Text from outside is escaped before a colour is put around it.
//! - A line that begins with a colour ends without one.

use std::fmt::Write;

use clap::ValueEnum;
use unicode_width::UnicodeWidthStr;

use super::escaped_line;

/// When results have colours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The kind of a part of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Paint {
    /// Text like any other.
    Plain,
    /// The name of a file.
    Name,
    /// A node, a size, what is less important.
    Dim,
    /// The number of a line.
    Line,
    /// A match.
    Match,
    /// The head of a table, or a label.
    Head,
    /// Something that needs to be looked at.
    Bad,
}

/// A line in parts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Painted(Vec<(Paint, String)>);

impl ColorWhen {
    /// Returns true if an outlet has colours. `NO_COLOR` holds if it is not empty.
    pub(super) fn holds(
        self,
        is_terminal: bool,
        no_color: Option<&str>,
        terminal: Option<&str>,
    ) -> bool {
        match self {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                is_terminal && no_color.is_none_or(str::is_empty) && terminal != Some("dumb")
            }
        }
    }
}

impl Paint {
    /// The parameters of the control sequence that begins it.
    fn code(self) -> Option<&'static str> {
        Some(match self {
            Paint::Plain => return None,
            Paint::Name => "35",
            Paint::Dim => "2",
            Paint::Line => "32",
            Paint::Match => "1;31",
            Paint::Head => "1",
            Paint::Bad => "31",
        })
    }
}

impl Painted {
    /// The line with one more part.
    #[must_use]
    pub(crate) fn with(mut self, paint: Paint, text: impl Into<String>) -> Painted {
        let text = text.into();
        if !text.is_empty() {
            self.0.push((paint, text));
        }
        self
    }

    /// The name of a file and what is known of it: in one line, or in two if they are wider than the window.
    pub(crate) fn heading(name: &str, details: &str, window: Option<usize>) -> Vec<Painted> {
        let head = Painted::default().with(Paint::Name, name);
        let width = escaped_line(name).width() + 2 + escaped_line(details).width();
        if window.is_none_or(|window| width <= window) {
            return vec![head.with(Paint::Dim, format!("  {details}"))];
        }
        vec![
            head,
            Painted::default().with(Paint::Dim, format!("  {details}")),
        ]
    }

    /// The line with a text of which `marks`, in bytes, match.
    #[must_use]
    pub(crate) fn with_marks(mut self, text: &str, marks: &[(u64, u64)]) -> Painted {
        let mut done = 0;
        for (start, end) in marks {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            let (start, end) = (place(*start), place(*end));
            let (Some(before), Some(marked)) = (text.get(done..start), text.get(start..end)) else {
                break;
            };
            self = self.with(Paint::Plain, before).with(Paint::Match, marked);
            done = end;
        }
        self.with(Paint::Plain, text.get(done..).unwrap_or_default())
    }

    /// The line as it is written, escaped, with colours or without.
    pub(crate) fn text(&self, is_colored: bool) -> String {
        let mut line = String::new();
        for (paint, text) in &self.0 {
            let text = escaped_line(text);
            let written = match paint.code().filter(|_| is_colored) {
                Some(code) => write!(line, "\u{1b}[{code}m{text}\u{1b}[0m"),
                None => write!(line, "{text}"),
            };
            written.expect("a string takes everything");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_told_otherwise() {
        for (when, is_terminal, no_color, terminal, expected) in [
            (ColorWhen::Auto, true, None, Some("xterm"), true),
            (ColorWhen::Auto, true, Some(""), None, true),
            (ColorWhen::Auto, true, Some("1"), Some("xterm"), false),
            (ColorWhen::Auto, true, None, Some("dumb"), false),
            (ColorWhen::Auto, false, None, Some("xterm"), false),
            (ColorWhen::Always, false, Some("1"), None, true),
            (ColorWhen::Never, true, None, Some("xterm"), false),
        ] {
            let holds = when.holds(is_terminal, no_color, terminal);
            assert_eq!(
                holds, expected,
                "{when:?} {is_terminal} {no_color:?} {terminal:?}"
            );
        }
    }

    #[test]
    fn a_heading_is_one_line_if_it_fits() {
        let lines = |window| {
            let lines = Painted::heading("文書.txt", "5 B  nas (10.0.0.1:1)", window);
            lines
                .iter()
                .map(|line| line.text(false))
                .collect::<Vec<_>>()
        };
        let whole = "文書.txt  5 B  nas (10.0.0.1:1)";
        assert_eq!(lines(Some(31)), [whole]);
        assert_eq!(lines(None), [whole]);
        assert_eq!(lines(Some(30)), ["文書.txt", "  5 B  nas (10.0.0.1:1)"]);
    }

    #[test]
    fn matches_are_marked_and_foreign_sequences_escaped() {
        let line = Painted::default()
            .with(Paint::Line, "7")
            .with_marks("a \u{1b}[2J poem é poem", &[(7, 11), (15, 19)]);
        assert_eq!(
            line.text(true),
            "\u{1b}[32m7\u{1b}[0ma \\u{1b}[2J \u{1b}[1;31mpoem\u{1b}[0m é \u{1b}[1;31mpoem\u{1b}[0m"
        );
        assert_eq!(line.text(false), "7a \\u{1b}[2J poem é poem");
    }

    #[test]
    fn marks_that_make_no_sense_mark_nothing() {
        for marks in [&[(3, 2)][..], &[(0, 99)], &[(2, 3)], &[(1, 4), (0, 1)]] {
            let line = Painted::default().with_marks("aé b", marks);
            assert_eq!(line.text(false), "aé b", "{marks:?}");
        }
    }
}
