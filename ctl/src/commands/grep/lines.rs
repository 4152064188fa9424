//! Lines that fit, and the lines around them, as ripgrep shows them.
//!
//! `peer:name:line:column:text` for a line that fits, `peer:name-line-text` for one around it. Lines around two hits
//! that meet are shown once; `--` stands where lines are left out.
//!
//! # Invariants
//! - Text from outside is escaped, tabs excepted.

use node_api::search::{Excerpt, Hit};

use crate::{
    cli::GrepArgs,
    output::{escaped, escaped_line},
};

/// The way in which hits are shown.
#[derive(Debug)]
pub(super) enum Shown {
    /// Their lines, with so many before and behind.
    Lines {
        lines: Lines,
        before: usize,
        after: usize,
    },
    /// Each match by itself.
    Matches,
    /// Files that have some, and the one before.
    Files(Option<String>),
    /// The number of hits of each file, and that of the file before.
    Counts(Option<(String, u64)>),
}

impl Shown {
    /// Returns the form that the flags select.
    pub(super) fn of(args: &GrepArgs) -> Shown {
        let (before, after) = super::around(args);
        if args.files_with_matches {
            Shown::Files(None)
        } else if args.count {
            Shown::Counts(None)
        } else if args.only_matching {
            Shown::Matches
        } else {
            Shown::Lines {
                lines: Lines::new(before.max(after)),
                before,
                after,
            }
        }
    }

    /// Returns the lines to show when `hit` has come.
    pub(super) fn hit(&mut self, hit: &Hit) -> Vec<String> {
        let place = format!("{}:{}", escaped(peer(&hit.node)), escaped(&hit.name));
        match self {
            Shown::Lines {
                lines,
                before,
                after,
            } => lines.hit(&trimmed(hit, *before, *after)),
            Shown::Matches => matches(&place, hit),
            Shown::Files(last) => {
                let is_new = last.as_ref() != Some(&place);
                *last = Some(place.clone());
                is_new.then_some(place).into_iter().collect()
            }
            Shown::Counts(last) => match last {
                Some((file, count)) if *file == place => {
                    *count += 1;
                    Vec::new()
                }
                _ => {
                    let before = last.replace((place, 1));
                    before.into_iter().map(counted).collect()
                }
            },
        }
    }

    /// Returns the lines to show when there are no more hits.
    pub(super) fn end(&mut self) -> Vec<String> {
        match self {
            Shown::Lines { lines, .. } => lines.end(),
            Shown::Counts(last) => last.take().into_iter().map(counted).collect(),
            Shown::Matches | Shown::Files(_) => Vec::new(),
        }
    }
}

fn counted((place, count): (String, u64)) -> String {
    format!("{place}:{count}")
}

/// Returns a hit with so many lines around it.
fn trimmed(hit: &Hit, before: usize, after: usize) -> Hit {
    let mut hit = hit.clone();
    if let Some(excerpt) = &mut hit.excerpt {
        let surplus = excerpt.before.len().saturating_sub(before);
        excerpt.before.drain(..surplus);
        excerpt.after.truncate(after);
    }
    hit
}

/// Returns each match by itself; an empty one is not shown.
fn matches(place: &str, hit: &Hit) -> Vec<String> {
    let Some(excerpt) = &hit.excerpt else {
        return Vec::new();
    };
    let line = excerpt.line.unwrap_or(0);
    let column = excerpt.column.unwrap_or(1);
    let first = excerpt.marks.first().map_or(0, |(start, _)| *start);
    let shown = excerpt.marks.iter().filter_map(|(start, end)| {
        let range = usize::try_from(*start).ok()?..usize::try_from(*end).ok()?;
        let text = excerpt.text.get(range).filter(|text| !text.is_empty())?;
        let column = column + start.saturating_sub(first);
        Some(format!("{place}:{line}:{column}:{}", escaped_line(text)))
    });
    shown.collect()
}

/// The last hit, and lines that may have to be shown yet.
#[derive(Debug)]
pub(super) struct Lines {
    context: usize,
    last: Option<Last>,
    any: bool,
}

/// The hit before.
#[derive(Debug)]
struct Last {
    /// `peer:name`.
    place: String,
    /// Number of the last line that was shown.
    line: u64,
    /// Lines behind it that are not shown yet.
    after: Vec<String>,
}

impl Lines {
    /// Creates a form with so many lines around each hit.
    pub(super) fn new(context: usize) -> Lines {
        Lines {
            context,
            last: None,
            any: false,
        }
    }

    /// Returns the lines to show when `hit` has come.
    pub(super) fn hit(&mut self, hit: &Hit) -> Vec<String> {
        let place = format!("{}:{}", escaped(peer(&hit.node)), escaped(&hit.name));
        let none = Excerpt::default();
        let excerpt = hit.excerpt.as_ref().unwrap_or(&none);
        let line = excerpt.line.unwrap_or(0);
        let follows = self
            .last
            .as_ref()
            .is_some_and(|last| last.place == place && last.line < line);
        let mut shown = if follows { self.rest(line) } else { self.end() };
        let before = self.before(excerpt, line, follows);
        let first = before.first().map_or(line, |(number, _)| *number);
        if self.context > 0
            && self.any
            && self.last.as_ref().is_none_or(|last| last.line + 1 < first)
        {
            shown.push("--".to_owned());
        }
        let before = before.into_iter();
        shown.extend(before.map(|(number, text)| around(&place, number, &text)));
        let column = excerpt.column.unwrap_or(1);
        let text = escaped_line(&excerpt.text);
        shown.push(format!("{place}:{line}:{column}:{text}"));
        self.any = true;
        self.last = Some(Last {
            place,
            line,
            after: excerpt.after.clone(),
        });
        shown
    }

    /// Returns the lines to show when there are no more hits, or none in this file.
    pub(super) fn end(&mut self) -> Vec<String> {
        let shown = self.rest(u64::MAX);
        self.last = None;
        shown
    }

    /// Returns the lines behind the hit before, as far as they come before line `until`.
    fn rest(&mut self, until: u64) -> Vec<String> {
        let Some(last) = &mut self.last else {
            return Vec::new();
        };
        let mut shown = Vec::new();
        for text in std::mem::take(&mut last.after) {
            if last.line + 1 >= until {
                break;
            }
            last.line += 1;
            shown.push(around(&last.place, last.line, &text));
        }
        shown
    }

    /// Returns lines before a hit that were not shown yet.
    fn before(&self, excerpt: &Excerpt, line: u64, follows: bool) -> Vec<(u64, String)> {
        let shown = match &self.last {
            Some(last) if follows => last.line,
            _ => 0,
        };
        let first = line.saturating_sub(excerpt.before.len() as u64);
        let numbered = (first..).zip(excerpt.before.iter().cloned());
        numbered.filter(|(number, _)| *number > shown).collect()
    }
}

fn around(place: &str, line: u64, text: &str) -> String {
    format!("{place}-{line}-{}", escaped_line(text))
}

/// Returns the part of a URL that identifies the node.
fn peer(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(name: &str, line: u64, before: &[&str], text: &str, after: &[&str]) -> Hit {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Hit {
            name: name.to_owned(),
            size: Some(1),
            modified: None,
            digest: None,
            node: "http://127.0.0.1:4242/".to_owned(),
            handler: "grep".to_owned(),
            score: None,
            excerpt: Some(Excerpt {
                text: text.to_owned(),
                marks: Vec::new(),
                line: Some(line),
                column: Some(3),
                before: owned(before),
                after: owned(after),
            }),
        }
    }

    fn shown(context: usize, hits: &[Hit]) -> Vec<String> {
        let mut lines = Lines::new(context);
        let mut shown: Vec<_> = hits.iter().flat_map(|hit| lines.hit(hit)).collect();
        shown.extend(lines.end());
        shown
            .into_iter()
            .map(|line| line.replace("127.0.0.1:4242", "P"))
            .collect()
    }

    #[test]
    fn a_line_has_its_whole_place_and_no_control_characters() {
        let hits = [
            hit("a\u{1b}", 1, &[], "\tx\u{1b}[2J", &[]),
            hit("b", 2, &[], "y", &[]),
        ];
        assert_eq!(
            shown(0, &hits),
            ["P:a\\u{1b}:1:3:\tx\\u{1b}[2J", "P:b:2:3:y"]
        );
    }

    #[test]
    fn lines_around_two_hits_are_shown_once() {
        let hits = [
            hit("a", 2, &["1"], "2", &["3"]),
            hit("a", 3, &["2"], "3", &["4"]),
            hit("a", 5, &["4"], "5", &["6"]),
        ];
        assert_eq!(
            shown(1, &hits),
            [
                "P:a-1-1",
                "P:a:2:3:2",
                "P:a:3:3:3",
                "P:a-4-4",
                "P:a:5:3:5",
                "P:a-6-6"
            ]
        );
    }

    #[test]
    fn a_gap_and_another_file_are_marked() {
        let hits = [
            hit("a", 2, &["1"], "2", &["3"]),
            hit("a", 9, &["8"], "9", &[]),
            hit("b", 1, &[], "1", &["2"]),
        ];
        assert_eq!(
            shown(1, &hits),
            [
                "P:a-1-1",
                "P:a:2:3:2",
                "P:a-3-3",
                "--",
                "P:a-8-8",
                "P:a:9:3:9",
                "--",
                "P:b:1:3:1",
                "P:b-2-2",
            ]
        );
    }
}
