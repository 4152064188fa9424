//! What `text:` is asked: words, "quoted phrases", and `-words` to leave out.

use plugin_api::HandlerError;

use crate::{limits::ELEMENTS_MAX, words::Words};

/// What files have to have, and must not have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct TextQuery {
    pub(super) with: Vec<Element>,
    pub(super) without: Vec<Element>,
}

/// Words, one behind the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Element(pub(super) Vec<String>);

impl TextQuery {
    /// Reads a query.
    ///
    /// # Errors
    /// [`HandlerError::BadQuery`] when it asks for nothing or for too much.
    pub(super) fn parse(text: &str) -> Result<TextQuery, HandlerError> {
        let wrong = |problem: String| HandlerError::BadQuery {
            text: text.chars().take(80).collect(),
            problem,
        };
        let mut query = TextQuery::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (part, behind) = part(rest);
            rest = behind.trim_start();
            let (minus, words) = match part.strip_prefix('-') {
                Some(words) => (true, words),
                None => (false, part),
            };
            let element = Element::of(&unquoted(words));
            let elements = if minus {
                &mut query.without
            } else {
                &mut query.with
            };
            if !element.0.is_empty() && !elements.contains(&element) {
                elements.push(element);
            }
        }
        if query.with.is_empty() {
            return Err(wrong("no word to look for".to_owned()));
        }
        if query.with.len() + query.without.len() > ELEMENTS_MAX {
            return Err(wrong(format!("more than {ELEMENTS_MAX} words and phrases")));
        }
        Ok(query)
    }

    /// All words that a file has to have, each once.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<_> = self.with.iter().flat_map(|e| e.0.clone()).collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

impl Element {
    fn of(text: &str) -> Element {
        let mut words = Words::of(text);
        let (mut word, mut all) = (String::new(), Vec::new());
        while let Some(place) = words.next(&mut word) {
            if !place.is_part {
                all.push(word.clone());
            }
        }
        Element(all)
    }
}

/// The first word or quoted phrase, with its minus, and what is behind it.
fn part(text: &str) -> (&str, &str) {
    let body = text.strip_prefix('-').unwrap_or(text);
    let sign = text.len() - body.len();
    if !body.starts_with('"') {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return text.split_at(end);
    }
    let mut escaped = false;
    for (at, letter) in body.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.split_at(sign + at + 1),
            _ => {}
        }
    }
    (text, "")
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('"') {
        Some(inside) => {
            let inside = inside.strip_suffix('"').unwrap_or(inside);
            inside.replace("\\\"", "\"").replace("\\\\", "\\")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(words: &[&str]) -> Element {
        Element(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn words_phrases_and_what_is_left_out() {
        let query = TextQuery::parse(r#"Quick "brown Fox" -red -"blue sky" snake_case"#).unwrap();
        assert_eq!(
            query.with,
            [
                element(&["quick"]),
                element(&["brown", "fox"]),
                element(&["snake", "case"])
            ]
        );
        assert_eq!(
            query.without,
            [element(&["red"]), element(&["blue", "sky"])]
        );
        assert_eq!(query.words(), ["brown", "case", "fox", "quick", "snake"]);
    }

    #[test]
    fn a_query_without_a_word_is_refused() {
        for text in ["", "  ", "--", "\"\"", "-red", "…"] {
            assert!(TextQuery::parse(text).is_err(), "{text}");
        }
        let many: Vec<_> = (0..=ELEMENTS_MAX).map(|n| n.to_string()).collect();
        assert!(TextQuery::parse(&many.join(" ")).is_err());
    }
}
