//! Rows of cells as lines.

use super::escaped;

/// Space between two columns.
const GAP: &str = "  ";

/// Columns below a head, as wide as they need to be. The last one is not padded.
pub(super) fn aligned(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head = head.iter().map(|cell| cell.to_uppercase()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(
            rows.iter()
                .map(|row| row.iter().map(|cell| escaped(cell)).collect()),
        )
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|c| c.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    rows.iter().map(|row| aligned_row(row, &widths)).collect()
}

fn aligned_row(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    cells.join(GAP).trim_end().to_owned()
}

/// Cells with tabs between them. An escaped cell has no tab.
pub(super) fn tabbed(row: &[String]) -> String {
    let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
    cells.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        vec![row(["ünï", "1"]), row(["longer name", "22"])]
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = aligned(&["name", "size"], &rows());
        assert_eq!(
            lines,
            ["NAME         SIZE", "ünï          1", "longer name  22"]
        );
    }

    #[test]
    fn a_cell_cannot_forge_another() {
        let row = ["a\tb".to_owned(), "c\nd".to_owned()];
        assert_eq!(tabbed(&row), "a\\u{9}b\tc\\u{a}d");
    }
}
