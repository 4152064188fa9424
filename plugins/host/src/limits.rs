//! Limits of the texts of plugins.

/// Most hits of one answer.
pub const HITS_MAX: usize = 10_000;

/// Longest description of a failure, in characters.
pub const PROBLEM_MAX: usize = 500;

/// Longest line of an excerpt, in characters.
pub const EXCERPT_MAX: usize = 1_000;

/// Returns the first line of `text`, at most [`EXCERPT_MAX`] characters of it.
#[must_use]
pub fn one_line(text: &str) -> String {
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    text[..end].chars().take(EXCERPT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_at_its_first_break_and_at_its_limit() {
        assert_eq!(one_line("äb\r\nc"), "äb");
        assert_eq!(one_line(&"ä".repeat(5_000)), "ä".repeat(EXCERPT_MAX));
    }
}
