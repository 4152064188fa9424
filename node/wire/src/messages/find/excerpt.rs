//! A place in a file, as it travels.
//!
//! # Invariants
//! - Text travels as a string if every XML-RPC library reads that back as it
//!   was, and as base64 otherwise: files hold control characters.
//! - What does not fit is cut when it is written: texts at
//!   [`EXCERPT_TEXT_MAX`] bytes, marks and lines at their number.
//! - A part of a document is one member: `page`, `sheet`, `chapter` or `part`. Peers that do not know it pass it over.
//! - Marks that are not parts of the text make an excerpt invalid.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{number, read_number, saturated};
use crate::characters::is_xml;
use crate::limits::{EXCERPT_LINES_MAX, EXCERPT_MARKS_MAX, EXCERPT_PLACE_MAX, EXCERPT_TEXT_MAX};
use crate::value::Value;

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindPlace {
    /// A page or a slide, from 1.
    Page(u64),
    /// A sheet of a workbook.
    Sheet(String),
    /// A chapter of a book.
    Chapter(String),
    /// Another part.
    Part(String),
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindExcerpt {
    /// The text there; as sent, any characters.
    pub text: String,
    /// Parts of it that fit, as ranges of bytes, in order.
    pub marks: Vec<Range<usize>>,
    /// The part of the document that it is in; lines are counted in this part.
    pub place: Option<FindPlace>,
    /// Number of the line, from 1, if the text is one line.
    pub line: Option<u64>,
    /// The start of the first mark in the line, in bytes of the file, from 1.
    pub column: Option<u64>,
    /// Lines before it.
    pub before: Vec<String>,
    /// Lines behind it.
    pub after: Vec<String>,
}

impl FindExcerpt {
    /// Returns the number of bytes of text in it.
    #[must_use]
    pub fn text_len(&self) -> usize {
        let lines = self.before.iter().chain(&self.after);
        let place = self.place.as_ref().map_or(0, FindPlace::text_len);
        self.text.len() + place + lines.map(String::len).sum::<usize>()
    }

    pub(super) fn to_value(&self) -> Value {
        let text = cut(&self.text);
        let marks = self.marks.iter().filter(|mark| mark.end <= text.len());
        let ends = marks
            .take(EXCERPT_MARKS_MAX)
            .flat_map(|mark| [mark.start, mark.end]);
        let mut members = BTreeMap::from([("text".to_owned(), plain(text))]);
        let mut add = |key: &str, value: Value| {
            members.insert(key.to_owned(), value);
        };
        add(
            "marks",
            Value::Array(ends.map(|end| number(end as u64)).collect()),
        );
        if let Some(place) = &self.place {
            let (key, value) = place.to_member();
            add(key, value);
        }
        if let Some(line) = self.line {
            add("line", number(line));
        }
        if let Some(column) = self.column {
            add("column", number(column));
        }
        for (key, lines) in [("before", &self.before), ("after", &self.after)] {
            if !lines.is_empty() {
                let lines = lines.iter().take(EXCERPT_LINES_MAX);
                add(
                    key,
                    Value::Array(lines.map(|line| plain(cut(line))).collect()),
                );
            }
        }
        Value::Struct(members)
    }

    pub(super) fn from_value(value: &Value) -> Option<FindExcerpt> {
        let Value::Struct(members) = value else {
            return None;
        };
        let text = read_plain(members.get("text")?)?;
        let marks = read_marks(members.get("marks"), &text)?;
        Some(FindExcerpt {
            marks,
            text,
            place: FindPlace::from_members(members),
            line: members.get("line").and_then(read_number),
            column: members.get("column").and_then(read_number),
            before: read_lines(members.get("before"))?,
            after: read_lines(members.get("after"))?,
        })
    }
}

impl FindPlace {
    fn text_len(&self) -> usize {
        match self {
            FindPlace::Page(_) => 0,
            FindPlace::Sheet(name) | FindPlace::Chapter(name) | FindPlace::Part(name) => name.len(),
        }
    }

    fn to_member(&self) -> (&'static str, Value) {
        let name = |name: &str| plain(cut_at(name, EXCERPT_PLACE_MAX));
        match self {
            FindPlace::Page(page) => ("page", number(*page)),
            FindPlace::Sheet(sheet) => ("sheet", name(sheet)),
            FindPlace::Chapter(chapter) => ("chapter", name(chapter)),
            FindPlace::Part(part) => ("part", name(part)),
        }
    }

    /// Returns the first part that is one; what is not is passed over.
    fn from_members(members: &BTreeMap<String, Value>) -> Option<FindPlace> {
        if let Some(page) = members.get("page").and_then(read_number) {
            return Some(FindPlace::Page(page));
        }
        let name = |key: &str| {
            let name = members.get(key).and_then(read_plain);
            name.filter(|name| name.len() <= EXCERPT_PLACE_MAX)
        };
        let sheet = || name("sheet").map(FindPlace::Sheet);
        let chapter = || name("chapter").map(FindPlace::Chapter);
        let part = || name("part").map(FindPlace::Part);
        sheet().or_else(chapter).or_else(part)
    }
}

/// Returns the longest beginning that may travel.
fn cut(text: &str) -> &str {
    cut_at(text, EXCERPT_TEXT_MAX)
}

fn cut_at(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn plain(text: &str) -> Value {
    // Some libraries drop text that is nothing but white space.
    let is_safe = text.chars().all(is_xml) && (text.is_empty() || !text.trim().is_empty());
    if is_safe {
        Value::String(text.to_owned())
    } else {
        Value::Base64(text.as_bytes().to_vec())
    }
}

fn read_plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Base64(bytes) => String::from_utf8(bytes.clone()).ok()?,
        _ => return None,
    };
    (text.len() <= EXCERPT_TEXT_MAX).then_some(text)
}

fn read_lines(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::Array(lines)) if lines.len() <= EXCERPT_LINES_MAX => {
            lines.iter().map(read_plain).collect()
        }
        Some(_) => None,
    }
}

fn read_marks(value: Option<&Value>, text: &str) -> Option<Vec<Range<usize>>> {
    let ends = match value {
        None => return Some(Vec::new()),
        Some(Value::Array(ends)) if ends.len() <= 2 * EXCERPT_MARKS_MAX => ends,
        Some(_) => return None,
    };
    let ends: Vec<usize> = ends
        .iter()
        .map(|end| read_number(end).map(saturated))
        .collect::<Option<_>>()?;
    let (pairs, rest) = ends.as_chunks::<2>();
    let marks = pairs.iter().map(|[start, end]| *start..*end);
    let right = |mark: &Range<usize>| mark.start <= mark.end && text.get(mark.clone()).is_some();
    let marks: Vec<_> = marks.collect();
    (rest.is_empty() && marks.iter().all(right)).then_some(marks)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn any_excerpt() -> impl Strategy<Value = FindExcerpt> {
        let lines = || proptest::collection::vec("\\PC{0,20}|[\\x00-\\x20]{0,4}", 0..3);
        let place = prop_oneof![
            Just(None),
            (0..1u64 << 50).prop_map(|page| Some(FindPlace::Page(page))),
            "\\PC{0,20}|[\\x00-\\x20]{0,4}".prop_map(|name| Some(FindPlace::Sheet(name))),
            "\\PC{0,20}".prop_map(|name| Some(FindPlace::Chapter(name))),
            "\\PC{0,20}".prop_map(|name| Some(FindPlace::Part(name))),
        ];
        (
            "[a-z\\x01 ]{0,40}",
            place,
            proptest::option::of(1..1u64 << 50),
            proptest::option::of(1..1u64 << 50),
            lines(),
            lines(),
        )
            .prop_map(|(text, place, line, column, before, after)| FindExcerpt {
                marks: vec![0..text.len() / 2, text.len() / 2..text.len()],
                text,
                place,
                line,
                column,
                before,
                after,
            })
    }

    #[test]
    fn what_does_not_fit_is_cut_at_a_character() {
        let text = "é".repeat(EXCERPT_TEXT_MAX);
        let excerpt = FindExcerpt {
            marks: vec![0..2, 0..text.len()],
            text,
            before: vec![String::new(); EXCERPT_LINES_MAX + 1],
            ..FindExcerpt::default()
        };
        let back = FindExcerpt::from_value(&excerpt.to_value()).unwrap();
        assert_eq!(back.text.len(), EXCERPT_TEXT_MAX);
        let marks: Vec<_> = back.marks.iter().map(|mark| mark.end).collect();
        assert_eq!((marks, back.before.len()), (vec![2], EXCERPT_LINES_MAX));
    }

    #[test]
    fn a_part_that_is_none_is_passed_over() {
        let with = |key: &str, value: Value| {
            let members = [("text".to_owned(), "a".into()), (key.to_owned(), value)];
            let excerpt = FindExcerpt::from_value(&Value::Struct(BTreeMap::from(members)));
            excerpt.unwrap().place
        };
        assert_eq!(with("page", 7.into()), Some(FindPlace::Page(7)));
        let notes = Some(FindPlace::Part("notes".to_owned()));
        assert_eq!(with("part", "notes".into()), notes);
        assert_eq!(with("page", "seven".into()), None);
        assert_eq!(
            with("sheet", "x".repeat(EXCERPT_PLACE_MAX + 1).as_str().into()),
            None
        );
        assert_eq!(with("slide", 7.into()), None);
    }

    #[test]
    fn marks_outside_the_text_or_inside_a_character_make_it_none() {
        for marks in [vec![0, 9], vec![1, 2], vec![2, 0], vec![0], vec![-1, 0]] {
            let marks = marks.into_iter().map(Value::Int).collect();
            let value = Value::Struct(BTreeMap::from([
                ("text".to_owned(), "éé".into()),
                ("marks".to_owned(), Value::Array(marks)),
            ]));
            assert_eq!(FindExcerpt::from_value(&value), None, "{value:?}");
        }
    }
}
