//! One line as it is shown: cut around the match, with marks.

use std::ops::Range;

use plugin_api::Excerpt;

use crate::{
    letters::{letter_at, letter_from},
    limits::{MARKS_MAX, SHOWN_BEFORE, SHOWN_MAX},
};

/// Returns the excerpt of a line with the matches `marks`: ranges of bytes, in order.
pub(crate) fn of_line(line: &[u8], number: u64, marks: &[Range<usize>]) -> Excerpt {
    let line = without_end(line);
    let first = marks.first().map_or(0, |mark| mark.start.min(line.len()));
    let window = window(line, first);
    let mut excerpt = Excerpt {
        line: Some(number),
        column: Some(first as u64 + 1),
        ..Excerpt::default()
    };
    let inside = marks.iter().take(MARKS_MAX).filter(|mark| {
        // One at the edge may be cut, one outside is not shown.
        mark.start >= window.start && (mark.start < window.end || mark.start == line.len())
    });
    let shown = &line[window.clone()];
    let ends = inside.map(|mark| {
        let end = mark.end.min(window.end).max(mark.start);
        mark.start - window.start..end - window.start
    });
    (excerpt.text, excerpt.marks) = to_text(shown, &ends.collect::<Vec<_>>());
    excerpt
}

/// Returns a line beside one that matches.
pub(crate) fn beside(line: &[u8]) -> String {
    let line = without_end(line);
    let end = window(line, 0).end;
    String::from_utf8_lossy(&line[..end]).into_owned()
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns the shown part of a long line that matches at the byte `first`.
fn window(line: &[u8], first: usize) -> Range<usize> {
    if line.len() <= SHOWN_MAX {
        return 0..line.len();
    }
    let start = first
        .saturating_sub(SHOWN_BEFORE)
        .min(line.len() - SHOWN_MAX);
    let end = start + SHOWN_MAX;
    // A letter is not cut in two.
    let is_inside = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let start = (start..first.max(start))
        .find(|at| !is_inside(at))
        .unwrap_or(start);
    let end = (end.saturating_sub(3)..=end)
        .rev()
        .find(|at| !is_inside(at))
        .unwrap_or(end);
    start..end
}

/// Returns bytes as text, and ranges of them as ranges of the text.
fn to_text(bytes: &[u8], ranges: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // A match of bytes may begin or end within a letter.
        let whole =
            |range: &Range<usize>| letter_at(text, range.start)..letter_from(text, range.end);
        return (text.to_owned(), ranges.iter().map(whole).collect());
    }
    let mut text = String::with_capacity(bytes.len());
    let mut places = Vec::with_capacity(bytes.len() + 1);
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            places.extend(std::iter::repeat_n(text.len(), letter.len_utf8()));
            text.push(letter);
        }
        if !chunk.invalid().is_empty() {
            places.extend(std::iter::repeat_n(text.len(), chunk.invalid().len()));
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    places.push(text.len());
    let place = |at: usize| places.get(at).copied().unwrap_or(text.len());
    let moved = ranges.iter().map(|range| {
        let start = place(range.start);
        start..place(range.end).max(start)
    });
    let moved = moved.collect();
    (text, moved)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "one mark is what is meant")]

    use super::*;

    #[test]
    fn a_line_has_no_end_and_its_marks() {
        let excerpt = of_line(b"let x = 1;\r\n", 7, &[4..5, 8..9]);
        assert_eq!(excerpt.text, "let x = 1;");
        assert_eq!(excerpt.marks, [4..5, 8..9]);
        assert_eq!((excerpt.line, excerpt.column), (Some(7), Some(5)));
    }

    #[test]
    fn a_long_line_is_cut_around_the_first_mark() {
        let line = [
            vec![b'a'; 1_000_000],
            b"needle".to_vec(),
            vec![b'b'; 1_000_000],
        ]
        .concat();
        let excerpt = of_line(&line, 1, &[1_000_000..1_000_006]);
        assert_eq!(excerpt.text.len(), SHOWN_MAX);
        assert_eq!(&excerpt.text[excerpt.marks[0].clone()], "needle");
        assert_eq!(excerpt.column, Some(1_000_001));
    }

    #[test]
    fn a_cut_goes_between_letters() {
        for first in 9_998..10_004 {
            let line = "é".repeat(20_000);
            let excerpt = of_line(line.as_bytes(), 1, &[first..first + 2]);
            assert!(
                !excerpt.text.contains(char::REPLACEMENT_CHARACTER),
                "{first}"
            );
            assert!(!beside(line.as_bytes()).contains(char::REPLACEMENT_CHARACTER));
        }
    }

    #[test]
    fn marks_stay_where_bytes_are_no_text() {
        let excerpt = of_line(b"\xff\xfeab\xffcd", 1, &[2..4, 5..7]);
        let marked = excerpt.marks.iter().map(|mark| &excerpt.text[mark.clone()]);
        assert_eq!(marked.collect::<Vec<_>>(), ["ab", "cd"]);
        assert_eq!(excerpt.column, Some(3));
    }

    #[test]
    fn an_empty_match_at_the_end_is_marked() {
        assert_eq!(of_line(b"ab\n", 1, &[2..2]).marks, [2..2]);
        assert_eq!(of_line(b"\n", 1, &[0..0]).marks, [0..0]);
    }
}
