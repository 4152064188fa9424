//! The lines of a file that are printed, and their printing.

use serde_json::json;

use crate::{
    download::Target,
    error::CtlError,
    output::{Output, escaped},
};

/// Longest line that is printed whole, in bytes; more comes as another part of the line.
const LINE_MAX: usize = 64 * 1024;

/// The lines that are wanted, from 1, the last one included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LineRange {
    first: u64,
    last: u64,
}

impl LineRange {
    /// All lines.
    pub(crate) const ALL: LineRange = LineRange {
        first: 1,
        last: u64::MAX,
    };

    /// Returns the first line.
    pub(crate) fn first(self) -> u64 {
        self.first
    }

    /// Returns the last line.
    pub(crate) fn last(self) -> u64 {
        self.last
    }

    /// Writes those of the lines that are not before `first`.
    pub(crate) fn from(self, first: u64) -> String {
        if self.last == u64::MAX {
            format!("{first}-")
        } else {
            format!("{first}-{}", self.last)
        }
    }

    /// Takes `:LINE`, `:FIRST-LAST` or `:FIRST-` off the end of a typed text. `None` if it has no such end.
    ///
    /// # Errors
    /// If there are no such lines: line 0, or a last line before the first.
    pub(crate) fn split(typed: &str) -> Result<Option<(&str, LineRange)>, CtlError> {
        let Some((name, lines)) = typed.rsplit_once(':') else {
            return Ok(None);
        };
        let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_content = name.eq_ignore_ascii_case("blake3");
        if name.is_empty()
            || is_content
            || !is_number(first)
            || !(last.is_empty() || is_number(last))
        {
            return Ok(None);
        }
        let number = |text: &str| text.parse().unwrap_or(u64::MAX);
        let range = LineRange {
            first: number(first),
            last: if last.is_empty() {
                u64::MAX
            } else {
                number(last)
            },
        };
        if range.first == 0 || range.last < range.first {
            return Err(CtlError::usage(format!(
                "{}: lines count from 1, and the first comes before the last",
                escaped(typed)
            )));
        }
        Ok(Some((name, range)))
    }
}

/// The name, the digest and the format of a printed file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printed<'a> {
    pub(super) name: &'a str,
    pub(super) digest: Option<&'a str>,
    pub(super) output: Output,
}

/// Prints the lines of a range out of the bytes of a file.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    of: Printed<'a>,
    range: LineRange,
    /// The number of the line to which the next byte belongs.
    line: u64,
    /// True if that line has bytes already.
    is_begun: bool,
    /// Bytes of a line that is not whole yet, for people and for JSON.
    held: Vec<u8>,
    bytes: u64,
    lines: u64,
}

impl<'a> Printer<'a> {
    /// Creates the printer of a file.
    pub(super) fn new(of: Printed<'a>, range: LineRange) -> Printer<'a> {
        Printer {
            of,
            range,
            line: 1,
            is_begun: false,
            held: Vec::new(),
            bytes: 0,
            lines: 0,
        }
    }

    /// Returns whether the last line of the range was printed.
    pub(super) fn is_over(&self) -> bool {
        self.line > self.range.last
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// If they cannot be written, or a person would get a file that is no text.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Result<(), CtlError> {
        let is_raw = !self.of.output.is_json() && !self.of.output.is_for_a_person();
        let mut wanted = bytes.len()..bytes.len();
        let mut at = 0;
        while at < bytes.len() && !self.is_over() {
            let rest = bytes.get(at..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let next = at + end.map_or(rest.len(), |end| end + 1);
            if self.line >= self.range.first {
                wanted = wanted.start.min(at)..next;
                if !is_raw {
                    self.print(bytes.get(at..next).unwrap_or_default())?;
                }
            }
            self.is_begun = end.is_none();
            self.line += u64::from(end.is_some());
            at = next;
        }
        let wanted = bytes.get(wanted).unwrap_or_default();
        self.bytes += wanted.len() as u64;
        if is_raw {
            return Target::StandardOutput.write(wanted).await;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If the rest cannot be written, or the file has no line of the range.
    pub(super) fn end(mut self) -> Result<(), CtlError> {
        self.line_of_held()?;
        let lines = self.line - 1 + u64::from(self.is_begun);
        if self.range.first > lines.max(1) {
            let name = escaped(self.of.name);
            return Err(CtlError::not_found(format!(
                "{name} has no line {}, it has {lines}",
                self.range.first
            )));
        }
        if self.of.output.is_json() {
            return self.of.output.json(&json!({
                "type": "end",
                "name": self.of.name,
                "digest": self.of.digest,
                "bytes": self.bytes,
                "lines": self.lines,
            }));
        }
        Ok(())
    }

    /// Prints a part of one line, with its end if it is the last part, as an object or for a person.
    fn print(&mut self, part: &[u8]) -> Result<(), CtlError> {
        if self.of.output.is_for_a_person() && part.contains(&0) {
            let name = escaped(self.of.name);
            return Err(CtlError::failed(format!(
                "{name} is no text; give it to a program, as in `ctl cat NAME | xxd`, or write it to a file with \
                 `ctl fetch NAME --to PATH`"
            )));
        }
        let (text, is_end) = match part.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (part, false),
        };
        self.held.extend_from_slice(text);
        while self.held.len() > LINE_MAX {
            let rest = self.held.split_off(boundary(&self.held, LINE_MAX));
            let begin = std::mem::replace(&mut self.held, rest);
            self.write_line(&begin, true)?;
        }
        if is_end {
            let whole = std::mem::take(&mut self.held);
            self.write_line(&whole, false)?;
        }
        Ok(())
    }

    /// Prints the last line if the file ends without the end of a line.
    fn line_of_held(&mut self) -> Result<(), CtlError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let last = std::mem::take(&mut self.held);
        self.write_line(&last, false)
    }

    fn write_line(&mut self, bytes: &[u8], is_cut: bool) -> Result<(), CtlError> {
        let text = String::from_utf8_lossy(bytes);
        self.lines += u64::from(!is_cut);
        if !self.of.output.is_json() {
            return self.of.output.line(&text);
        }
        let mut line = json!({
            "type": "line",
            "name": self.of.name,
            "line": self.line,
            "text": text,
        });
        if matches!(text, std::borrow::Cow::Owned(_)) {
            line["invalid_utf8"] = json!(true);
        }
        if is_cut {
            line["continued"] = json!(true);
        }
        self.of.output.json(&line)
    }
}

/// Returns the last place at or before `at` that does not cut a character of UTF-8.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let is_inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut places = (at.saturating_sub(3)..=at).rev();
    places.find(|at| !is_inside(at)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(typed: &str) -> Option<(&str, u64, u64)> {
        let split = LineRange::split(typed).unwrap();
        split.map(|(name, range)| (name, range.first, range.last))
    }

    #[test]
    fn lines_stand_behind_the_last_colon() {
        assert_eq!(split("a.txt:12"), Some(("a.txt", 12, 12)));
        assert_eq!(split("a.txt:3-5"), Some(("a.txt", 3, 5)));
        assert_eq!(split("a.txt:3-"), Some(("a.txt", 3, u64::MAX)));
        assert_eq!(
            split("10:30 notes.txt:1-2"),
            Some(("10:30 notes.txt", 1, 2))
        );
        let digest = format!("blake3:{}", "1".repeat(64));
        assert_eq!(split(&digest), None);
        let lines = format!("{digest}:2");
        assert_eq!(split(&lines), Some((digest.as_str(), 2, 2)));
    }

    #[test]
    fn other_colons_belong_to_the_name() {
        for name in [
            "a.txt",
            "10:30 notes.txt",
            "a:",
            "a:b",
            "a:-3",
            "a:1-b",
            ":12",
            "a:1-2-3",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    #[test]
    fn lines_that_cannot_be_are_refused() {
        for typed in ["a:0", "a:0-3", "a:5-3"] {
            assert_eq!(
                LineRange::split(typed).unwrap_err().exit_code(),
                2,
                "{typed}"
            );
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = "aé€𝄞".as_bytes();
        let whole = [0, 1, 3, 6, 10];
        for at in 0..=text.len() {
            let cut = boundary(text, at);
            assert_eq!(
                cut,
                *whole.iter().rfind(|place| **place <= at).unwrap(),
                "{at}"
            );
        }
        assert_eq!(boundary(&[0x80; 9], 5), 5, "no character at all");
    }
}
