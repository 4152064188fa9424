//! Rows of cells as lines that fit a window.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::escaped;

/// Space between two columns.
const GAP: &str = "  ";

/// Width below which no column is made narrower.
const NARROWEST: usize = 8;

/// Lays out columns below a head, as wide as they need to be and together no wider than `window`. A cell that is wider
/// than its column goes on in the next line, so that a name is seen whole.
pub(super) fn aligned(head: &[&str], rows: &[Vec<String>], window: Option<usize>) -> Vec<String> {
    let head = head.iter().map(|cell| cell.to_uppercase()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(
            rows.iter()
                .map(|row| row.iter().map(|cell| escaped(cell)).collect()),
        )
        .collect();
    let mut widths = widths(&rows);
    if let Some(window) = window {
        fit(&mut widths, window);
    }
    rows.iter().flat_map(|row| lines(row, &widths)).collect()
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    (0..columns).map(widest).collect()
}

/// Makes the widest columns narrower until a row fits into `window`.
fn fit(widths: &mut [usize], window: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > window {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => return,
        }
    }
}

/// Returns the lines of one row. Nothing is padded behind its last cell.
fn lines(row: &[String], widths: &[usize]) -> Vec<String> {
    let cells: Vec<Vec<&str>> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| pieces(cell, *width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |n: usize| {
        let cells: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(pieces, width)| padded(pieces.get(n).copied().unwrap_or_default(), *width))
            .collect();
        cells.join(GAP).trim_end().to_owned()
    };
    (0..height.max(1)).map(line).collect()
}

/// Parts of a cell that are no wider than `width`, at least one. A part ends behind a space or a slash if there is one in
/// its last half.
fn pieces(cell: &str, width: usize) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), cell);
    loop {
        let end = end_between_words(rest, end_of_piece(rest, width));
        pieces.push(&rest[..end]);
        rest = &rest[end..];
        if rest.is_empty() {
            return pieces;
        }
    }
}

/// Returns the end of the last whole word of a part that ends at `end`, if that leaves half of it.
fn end_between_words(text: &str, end: usize) -> usize {
    if end == text.len() || text[end..].starts_with(' ') {
        return end;
    }
    let word = text[..end].rfind([' ', '/']).map(|at| at + 1);
    word.filter(|word| *word * 2 > end).unwrap_or(end)
}

fn end_of_piece(text: &str, width: usize) -> usize {
    // Joined letters are narrower than their parts.
    if text.width() <= width {
        return text.len();
    }
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        used += letter.width().unwrap_or(0);
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// A text in lines of at most `width`, as far as its words allow.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Cells with tabs between them. An escaped cell has no tab.
pub(super) fn tabbed(row: &[String]) -> String {
    let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
    cells.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        let row = |cells: &[&str; 2]| cells.map(str::to_owned).to_vec();
        rows.iter().map(row).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = rows(&[["ünï", "1"], ["longer name", "22"]]);
        assert_eq!(
            aligned(&["name", "size"], &rows, None),
            ["NAME         SIZE", "ünï          1", "longer name  22"]
        );
    }

    #[test]
    fn wide_letters_take_two_columns_and_marks_none() {
        let rows = rows(&[["日本語.txt", "1"], ["cafe\u{301}.txt", "2"], ["a", "3"]]);
        assert_eq!(
            aligned(&["name", "size"], &rows, Some(80)),
            [
                "NAME        SIZE",
                "日本語.txt  1",
                "cafe\u{301}.txt    2",
                "a           3"
            ]
        );
    }

    #[test]
    fn joined_letters_stay_together() {
        let family = "👩\u{200d}👩\u{200d}👧.txt";
        assert_eq!(pieces(family, family.width()), [family]);
    }

    #[test]
    fn a_long_name_is_whole_and_widens_no_other_row() {
        let long = "x".repeat(200);
        let rows = rows(&[[&long, "1.5 KiB"], ["a", "2 B"]]);
        let lines = aligned(&["name", "size"], &rows, Some(40));
        assert!(lines.iter().all(|line| line.width() <= 40), "{lines:?}");
        let (first, rest) = (&lines[1], lines[2..lines.len() - 1].concat());
        assert_eq!(first.split_whitespace().nth(1), Some("1.5"));
        let name = first.split_whitespace().next().unwrap_or_default();
        assert_eq!(format!("{name}{rest}"), long);
        assert!(lines[lines.len() - 1].ends_with("2 B"));
    }

    #[test]
    fn a_cell_is_taken_apart_between_words_where_it_can_be() {
        assert_eq!(
            pieces("every change is noticed", 10),
            ["every ", "change is ", "noticed"]
        );
        assert_eq!(pieces("photos/holiday.jpg", 12), ["photos/", "holiday.jpg"]);
        assert_eq!(pieces("a bcdefghijkl", 8), ["a bcdefg", "hijkl"]);
        assert_eq!(
            pieces("Anna's nas (10.0.0.1:1)", 15),
            ["Anna's nas ", "(10.0.0.1:1)"]
        );
    }

    #[test]
    fn a_window_of_no_width_ends_and_loses_nothing() {
        let rows = rows(&[["some name.txt", "日本語"]]);
        for window in [0, 1, 9] {
            let text = aligned(&["n", "s"], &rows, Some(window)).concat();
            assert!(text.contains("日本語"), "{text}");
        }
    }

    #[test]
    fn a_text_is_taken_apart_between_words_and_loses_none() {
        assert_eq!(wrapped("a bc  def", 4), ["a bc", " def"]);
        assert_eq!(wrapped("longer x", 3), ["longer", "x"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("a b", 0), ["a", "b"]);
    }

    #[test]
    fn a_cell_cannot_forge_another() {
        let row = ["a\tb".to_owned(), "c\nd".to_owned()];
        assert_eq!(tabbed(&row), "a\\u{9}b\tc\\u{a}d");
    }
}
