//! Lines that fit, and the lines around them, as ripgrep shows them.
//!
//! In a pipe `peer:name:line:column:text` for a line that fits, `peer:name-line-text` for one around it. For a person they
//! stand below the name of their file and its node: `line:text` and `line-text`. In a document the page, sheet, chapter or
//! part stands before the line, and no column behind it: `peer:name:page:line:text`. Lines around two hits that meet are shown
//! once; `--` stands where lines are left out.

use node_api::search::{Excerpt, Hit};

use crate::{
    cli::GrepArgs,
    output::{Output, Paint, Painted, address, named_node},
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
    Files(Option<Place>),
    /// A file, and the number of its lines that match.
    Counts(Option<(Place, u64)>),
}

/// A file of a node, or a part of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    node: String,
    node_name: Option<String>,
    name: String,
    /// The page, sheet, chapter or part, if lines are counted in it.
    part: Option<String>,
}

/// Something to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Row {
    /// A line that fits, or a match in it, and which of its bytes match.
    Fits {
        place: Place,
        line: u64,
        column: u64,
        text: String,
        marks: Vec<(u64, u64)>,
    },
    /// A line around one that fits.
    Around {
        place: Place,
        line: u64,
        text: String,
    },
    /// Lines that are left out before the next row, which is of this place.
    Gap(Place),
    /// A file that has some.
    File(Place),
    /// The number of lines of a file that match.
    Count(Place, u64),
}

/// Rows as lines.
#[derive(Debug)]
pub(super) enum Layout {
    /// Each row says its place.
    Plain,
    /// Rows stand below their place.
    Grouped {
        /// The last one.
        last: Option<Place>,
        /// The width of the window.
        window: Option<usize>,
    },
}

impl Layout {
    /// The layout of an outlet.
    pub(super) fn of(output: Output) -> Layout {
        if output.is_for_a_person() {
            Layout::Grouped {
                last: None,
                window: output.width(),
            }
        } else {
            Layout::Plain
        }
    }

    /// The lines of a row.
    pub(super) fn lines(&mut self, row: Row) -> Vec<Painted> {
        let mut lines = match (&mut *self, &row) {
            (
                Layout::Grouped { last, window },
                Row::Fits { place, .. } | Row::Around { place, .. },
            ) if !is_file(last.as_ref(), place) => heading(last, place, *window),
            // The heading says it.
            (Layout::Grouped { last, .. }, Row::Gap(place)) if !is_file(last.as_ref(), place) => {
                return Vec::new();
            }
            _ => Vec::new(),
        };
        lines.push(self.line(row));
        lines
    }

    fn line(&self, row: Row) -> Painted {
        let is_plain = matches!(self, Layout::Plain);
        let start = |place: &Place, sign: &str| match is_plain {
            true => painted(place).with(Paint::Dim, sign),
            false => match &place.part {
                Some(part) => Painted::default()
                    .with(Paint::Line, part.as_str())
                    .with(Paint::Dim, sign),
                None => Painted::default(),
            },
        };
        match row {
            Row::Fits {
                place,
                line,
                column,
                text,
                marks,
            } => {
                let painted = start(&place, ":").with(Paint::Line, line.to_string());
                let column = if is_plain && place.part.is_none() {
                    format!(":{column}:")
                } else {
                    ":".to_owned()
                };
                painted.with(Paint::Dim, column).with_marks(&text, &marks)
            }
            Row::Around { place, line, text } => start(&place, "-")
                .with(Paint::Line, line.to_string())
                .with(Paint::Dim, "-")
                .with(Paint::Plain, text),
            Row::Gap(_) => Painted::default().with(Paint::Dim, "--"),
            Row::File(place) => painted(&place),
            Row::Count(place, count) => painted(&place)
                .with(Paint::Dim, ":")
                .with(Paint::Plain, count.to_string()),
        }
    }
}

/// Returns the heading of the lines of a file, below a space.
fn heading(last: &mut Option<Place>, place: &Place, window: Option<usize>) -> Vec<Painted> {
    let space = last.replace(place.clone()).map(|_| Painted::default());
    let node = named_node(place.node_name.as_deref(), &place.node);
    let head = Painted::heading(&place.name, &node, window);
    space.into_iter().chain(head).collect()
}

/// `peer:name`, or `peer:name:part`.
fn painted(place: &Place) -> Painted {
    let file = Painted::default()
        .with(Paint::Dim, format!("{}:", place.node))
        .with(Paint::Name, place.name.as_str());
    match &place.part {
        Some(part) => file.with(Paint::Dim, ":").with(Paint::Line, part.as_str()),
        None => file,
    }
}

/// Returns true if the last place is in the file of this one.
fn is_file(last: Option<&Place>, place: &Place) -> bool {
    let of = |place: &Place| Place {
        part: None,
        ..place.clone()
    };
    last.map(of) == Some(of(place))
}

impl Place {
    /// The file.
    fn of(hit: &Hit) -> Place {
        Place {
            node: address(&hit.node).to_owned(),
            node_name: hit.node_name.clone(),
            name: hit.name.clone(),
            part: None,
        }
    }

    /// The file, and the part in which its lines are counted.
    fn of_line(hit: &Hit) -> Place {
        Place {
            part: hit.excerpt.as_ref().and_then(Excerpt::place),
            ..Place::of(hit)
        }
    }
}

impl Shown {
    /// As the flags say.
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

    /// Returns the rows to show when `hit` has come.
    pub(super) fn hit(&mut self, hit: &Hit) -> Vec<Row> {
        let place = Place::of(hit);
        match self {
            Shown::Lines {
                lines,
                before,
                after,
            } => lines.hit(&trimmed(hit, *before, *after)),
            Shown::Matches => matches(&Place::of_line(hit), hit),
            Shown::Files(last) => {
                let is_new = last.as_ref() != Some(&place);
                *last = Some(place.clone());
                is_new.then_some(Row::File(place)).into_iter().collect()
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

    /// Returns the rows to show when there are no more hits.
    pub(super) fn end(&mut self) -> Vec<Row> {
        match self {
            Shown::Lines { lines, .. } => lines.end(),
            Shown::Counts(last) => last.take().into_iter().map(counted).collect(),
            Shown::Matches | Shown::Files(_) => Vec::new(),
        }
    }
}

fn counted((place, count): (Place, u64)) -> Row {
    Row::Count(place, count)
}

/// A hit with so many lines around it.
fn trimmed(hit: &Hit, before: usize, after: usize) -> Hit {
    let mut hit = hit.clone();
    if let Some(excerpt) = &mut hit.excerpt {
        let surplus = excerpt.before.len().saturating_sub(before);
        excerpt.before.drain(..surplus);
        excerpt.after.truncate(after);
    }
    hit
}

/// Each match by itself; one of nothing is not shown.
fn matches(place: &Place, hit: &Hit) -> Vec<Row> {
    let Some(excerpt) = &hit.excerpt else {
        return Vec::new();
    };
    let line = excerpt.line.unwrap_or(0);
    let column = excerpt.column.unwrap_or(1);
    let first = excerpt.marks.first().map_or(0, |(start, _)| *start);
    let shown = excerpt.marks.iter().filter_map(|(start, end)| {
        let range = usize::try_from(*start).ok()?..usize::try_from(*end).ok()?;
        let text = excerpt.text.get(range).filter(|text| !text.is_empty())?;
        Some(Row::Fits {
            place: place.clone(),
            line,
            column: column + start.saturating_sub(first),
            text: text.to_owned(),
            marks: vec![(0, text.len() as u64)],
        })
    });
    shown.collect()
}

/// The last hit, and the lines behind it that may have to be shown.
#[derive(Debug)]
pub(super) struct Lines {
    context: usize,
    last: Option<Last>,
    any: bool,
}

/// The hit before.
#[derive(Debug)]
struct Last {
    place: Place,
    /// Number of the last line that was shown.
    line: u64,
    /// Lines behind it that are not shown yet.
    after: Vec<String>,
}

impl Lines {
    /// For so many lines around each hit.
    pub(super) fn new(context: usize) -> Lines {
        Lines {
            context,
            last: None,
            any: false,
        }
    }

    /// Returns the rows to show when `hit` has come.
    pub(super) fn hit(&mut self, hit: &Hit) -> Vec<Row> {
        let place = Place::of_line(hit);
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
            shown.push(Row::Gap(place.clone()));
        }
        let before = before.into_iter();
        shown.extend(before.map(|(number, text)| around(&place, number, &text)));
        let column = excerpt.column.unwrap_or(1);
        shown.push(Row::Fits {
            place: place.clone(),
            line,
            column,
            text: excerpt.text.clone(),
            marks: excerpt.marks.clone(),
        });
        self.any = true;
        self.last = Some(Last {
            place,
            line,
            after: excerpt.after.clone(),
        });
        shown
    }

    /// Returns the rows to show when there are no more hits, or none in this file.
    pub(super) fn end(&mut self) -> Vec<Row> {
        let shown = self.rest(u64::MAX);
        self.last = None;
        shown
    }

    /// The lines behind the hit before, as far as they come before line `until`.
    fn rest(&mut self, until: u64) -> Vec<Row> {
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

    /// Lines before a hit that were not shown yet.
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

fn around(place: &Place, line: u64, text: &str) -> Row {
    Row::Around {
        place: place.clone(),
        line,
        text: text.to_owned(),
    }
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
            node_name: None,
            handler: "grep".to_owned(),
            score: None,
            excerpt: Some(Excerpt {
                text: text.to_owned(),
                marks: Vec::new(),
                line: Some(line),
                column: Some(3),
                before: owned(before),
                after: owned(after),
                ..Excerpt::default()
            }),
        }
    }

    fn shown(context: usize, hits: &[Hit]) -> Vec<String> {
        shown_in(&mut Layout::Plain, context, hits)
    }

    fn shown_in(layout: &mut Layout, context: usize, hits: &[Hit]) -> Vec<String> {
        let mut lines = Lines::new(context);
        let mut shown: Vec<_> = hits.iter().flat_map(|hit| lines.hit(hit)).collect();
        shown.extend(lines.end());
        let lines = shown.into_iter().flat_map(|row| layout.lines(row));
        lines
            .map(|line| line.text(false).replace("127.0.0.1:4242", "P"))
            .collect()
    }

    #[test]
    fn a_person_sees_hits_below_their_file() {
        let hits = [
            hit("a", 2, &["1"], "2", &["3"]),
            hit("a", 9, &["8"], "9", &[]),
            hit("b", 1, &[], "\tx\u{1b}", &[]),
        ];
        assert_eq!(
            shown_in(
                &mut Layout::Grouped {
                    last: None,
                    window: None
                },
                1,
                &hits
            ),
            [
                "a  P",
                "1-1",
                "2:2",
                "3-3",
                "--",
                "8-8",
                "9:9",
                "",
                "b  P",
                "1:\tx\\u{1b}"
            ]
        );
    }

    #[test]
    fn a_line_of_a_document_has_its_part_and_no_column() {
        let paged = |page, line| {
            let mut hit = hit("a.pdf", line, &[], "x", &[]);
            hit.excerpt.as_mut().unwrap().page = Some(page);
            hit
        };
        let hits = [paged(1, 9), paged(2, 3)];
        assert_eq!(shown(0, &hits), ["P:a.pdf:1:9:x", "P:a.pdf:2:3:x"]);
        let mut grouped = Layout::Grouped {
            last: None,
            window: None,
        };
        assert_eq!(
            shown_in(&mut grouped, 0, &hits),
            ["a.pdf  P", "1:9:x", "2:3:x"]
        );
    }

    #[test]
    fn what_matches_is_marked() {
        let mut hit = hit("a", 1, &[], "a poem", &[]);
        hit.excerpt.as_mut().unwrap().marks = vec![(2, 6)];
        let mut lines = Lines::new(0);
        let rows = lines.hit(&hit);
        let [line] = &Layout::Plain.lines(rows[0].clone())[..] else {
            panic!("one line");
        };
        assert!(line.text(true).ends_with("a \u{1b}[1;31mpoem\u{1b}[0m"));
    }

    #[test]
    fn a_line_has_its_place_and_nothing_that_steers_a_terminal() {
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
