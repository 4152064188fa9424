//! QR codes of invitations, for a terminal and for the page.

use std::fmt::Write;

use fast_qr::{QRBuilder, QRCode};
use serde_json::{Value, json};

/// A QR code.
pub(crate) struct Qr(QRCode);

impl Qr {
    /// Creates the code of a text; `None` if the text is too long for one.
    pub(crate) fn of(text: &str) -> Option<Qr> {
        QRBuilder::new(text).build().ok().map(Qr)
    }

    /// Returns the code as lines of blocks, with the margin that readers need: light parts are
    /// blocks, for a terminal with a dark background.
    pub(crate) fn to_blocks(&self) -> String {
        self.0.to_str()
    }

    /// Returns its size and its dark parts as the path of an SVG.
    pub(crate) fn to_json(&self) -> Value {
        let mut path = String::new();
        for row in 0..self.0.size {
            for column in 0..self.0.size {
                if self.0[row][column].value() {
                    let _ = write!(path, "M{column} {row}h1v1h-1z");
                }
            }
        }
        json!({ "size": self.0.size, "path": path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_path_show_the_same_code() {
        let address = format!("sixhop://{}/?at=192.168.1.5:4242", "a".repeat(64));
        let qr = Qr::of(&address).unwrap();
        let size = qr.0.size;
        let blocks = qr.to_blocks();
        assert!(blocks.lines().all(|line| line.chars().count() == size + 2));
        let json = qr.to_json();
        assert_eq!(json["size"], size);
        // The pattern of a corner, which every reader looks for.
        let path = json["path"].as_str().unwrap();
        assert!(path.starts_with("M0 0h1v1h-1zM1 0h1v1h-1z"), "{path}");
        let dark = (0..size).flat_map(|row| (0..size).map(move |column| (row, column)));
        let dark = dark.filter(|(row, column)| qr.0[*row][*column].value());
        assert_eq!(path.matches('M').count(), dark.count());
    }

    #[test]
    fn the_longest_address_has_a_code_and_a_book_has_none() {
        assert!(Qr::of(&"x".repeat(256)).is_some());
        assert!(Qr::of(&"x".repeat(10_000)).is_none());
    }
}
