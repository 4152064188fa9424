//! The starts of letters in bytes.

/// Returns the start of the letter that the byte `at` stands in.
pub(crate) fn letter_at(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let inside = (at.saturating_sub(3)..=at).rev();
    inside
        .into_iter()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// Returns the start of the first letter at the byte `at` or behind it.
pub(crate) fn letter_from(text: &str, at: usize) -> usize {
    let behind = (at..text.len()).find(|at| text.is_char_boundary(*at));
    behind.unwrap_or(text.len())
}
