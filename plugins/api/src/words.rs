//! The words of a name.

/// Returns the words of a text: letters and digits that stand together.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_that_stand_together() {
        let found: Vec<&str> = words("/a_b  über-2024.JPG.").collect();
        assert_eq!(found, ["a", "b", "über", "2024", "JPG"]);
        assert_eq!(words("... ").count(), 0);
    }
}
