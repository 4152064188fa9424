//! The standard error of a program: logged, a little at a time.

use std::time::{Duration, Instant};

/// Longest line that is kept, in bytes; the rest of it is left out.
const LINE_MAX: usize = 300;

/// Most lines that are logged in a [`WINDOW`].
const LINES_MAX: u32 = 20;

/// Time for [`LINES_MAX`].
const WINDOW: Duration = Duration::from_secs(10);

/// The last lines, and how many were logged.
#[derive(Debug, Default)]
pub(crate) struct Grumbling {
    line: Vec<u8>,
    last: Option<String>,
    window: Option<Instant>,
    logged: u32,
    left_out: u64,
}

impl Grumbling {
    /// Takes the bytes that came.
    pub(crate) fn take(&mut self, bytes: &[u8], now: Instant) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let room = LINE_MAX - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.end_line(now);
            }
        }
    }

    /// Returns the last line that is not empty, escaped.
    pub(crate) fn last(&self) -> Option<String> {
        let line = shown(&self.line);
        if line.is_empty() {
            self.last.clone()
        } else {
            Some(line)
        }
    }

    fn end_line(&mut self, now: Instant) {
        let line = shown(&self.line);
        self.line.clear();
        if line.is_empty() {
            return;
        }
        if self.may_log(now) {
            tracing::debug!(line, "a program says");
        }
        self.last = Some(line);
    }

    fn may_log(&mut self, now: Instant) -> bool {
        let is_new = self.window.is_none_or(|begun| now >= begun + WINDOW);
        if is_new {
            if self.left_out > 0 {
                let lines = self.left_out;
                tracing::debug!(lines, "more that programs said was left out");
            }
            (self.window, self.logged, self.left_out) = (Some(now), 0, 0);
        }
        let may = self.logged < LINES_MAX;
        self.logged += u32::from(may);
        self.left_out += u64::from(!may);
        may
    }
}

/// Returns a line without characters that could steer a terminal or a log.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let escape = |letter: char| {
        let escaped = letter.escape_debug();
        let is_plain = matches!(letter, '"' | '\'' | '\\');
        let plain = is_plain.then_some(letter);
        plain.into_iter().chain(escaped.filter(move |_| !is_plain))
    };
    text.trim().chars().flat_map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_kept_short_and_escaped() {
        let mut said = Grumbling::default();
        let now = Instant::now();
        assert_eq!(said.last(), None);
        said.take(b"Traceback\n\x1b[31m\"re", now);
        said.take(b"d\" \xff\n\n", now);
        assert_eq!(said.last().as_deref(), Some("\\u{1b}[31m\"red\" \u{fffd}"));
        said.take(&vec![b'x'; 1 << 20], now);
        assert_eq!(said.last().map(|line| line.len()), Some(LINE_MAX));
    }

    #[test]
    fn a_flood_is_left_out_until_the_time_is_over() {
        let mut said = Grumbling::default();
        let now = Instant::now();
        said.take("line\n".repeat(1000).as_bytes(), now);
        assert_eq!(said.logged, LINES_MAX);
        assert_eq!(said.left_out, 1000 - u64::from(LINES_MAX));
        said.take(b"line\n", now + WINDOW);
        assert_eq!((said.logged, said.left_out), (1, 0));
    }
}
