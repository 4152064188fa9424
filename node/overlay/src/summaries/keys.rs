//! The keys of a file in filters.
//!
//! On the first level the full name (`n:`), its last part (`l:`), its words in lower
//! case (`w:`), and the digest (`d:`, hex). On the second all pieces of two and of
//! three letters of the full name in lower case (`2:`, `3:`).

use node_wire::{Digest, filter::hash};

/// Returns the key of a file by its full name.
pub fn full_name(name: &str) -> u64 {
    hash(&format!("n:{name}"))
}

/// Returns the key of a file by the last part of its name.
pub fn last_part(part: &str) -> u64 {
    hash(&format!("l:{part}"))
}

/// Returns the key of a word, in lower case.
pub fn word(word: &str) -> u64 {
    hash(&format!("w:{word}"))
}

/// Returns the key of content.
pub fn digest(digest: &Digest) -> u64 {
    hash(&format!("d:{digest}"))
}

/// Calls `add` with the keys of the first level of a name.
pub fn of_name(name: &str, add: &mut impl FnMut(u64)) {
    add(full_name(name));
    add(last_part(name.rsplit('/').next().unwrap_or(name)));
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .for_each(|text| add(word(text)));
}

/// Calls `add` with the keys of the second level of a name or of a text in it, in lower case, folded
/// where that is something else. A text of one letter has none.
pub fn grams(lower: &str, add: &mut impl FnMut(u64)) {
    pieces(lower, add);
    let folded = plugin_words::folded(lower);
    if folded != lower {
        pieces(&folded, add);
    }
}

fn pieces(text: &str, add: &mut impl FnMut(u64)) {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    let end = |at: usize| letters.get(at).map_or(text.len(), |(byte, _)| *byte);
    for length in [2, 3] {
        for first in 0..(letters.len() + 1).saturating_sub(length) {
            let gram = &text[end(first)..end(first + length)];
            add(hash(&format!("{length}:{gram}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(text: &str) -> HashSet<u64> {
        let mut keys = HashSet::new();
        grams(text, &mut |key| {
            keys.insert(key);
        });
        keys
    }

    #[test]
    fn a_text_in_a_name_has_pieces_of_the_name_only() {
        assert!(of("über-uns/plan.txt").is_superset(&of("ber-u")));
        assert!(of("Café.txt").is_superset(&of("cafe")));
        assert!(of("x").is_empty() && of("").is_empty());
        assert_eq!((of("ab").len(), of("abc").len()), (1, 3));
        assert!(!of("here.txt").is_superset(&of("missing")));
    }
}
