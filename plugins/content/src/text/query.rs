//! The language of `text:`: words, "quoted phrases", `-words` to leave out, `a OR b`, and
//! `begin*`.
//!
//! Signs that belong to a word are a part of it: `C++`, `.NET`, `node.js`. Hyphens,
//! underscores and apostrophes only separate words, and so does the punctuation of a
//! sentence. A part without meaning is refused, with its place.

use plugin_api::HandlerError;
use plugin_words::{Place, Word, Words, is_ignorable};

use crate::{
    limits::ELEMENTS_MAX,
    store::{AnyOf, WantedWord},
};

/// The phrases that files must have, and must not have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct TextQuery {
    /// One phrase of each group has to be there.
    pub(super) with: Vec<Group>,
    pub(super) without: Group,
}

/// Phrases of which one is enough.
pub(super) type Group = Vec<Phrase>;

/// Words, one behind the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Phrase {
    /// Signs directly before the first word.
    pub(super) lead: String,
    pub(super) words: Vec<Next>,
    /// Signs directly behind the last word.
    pub(super) trail: String,
    /// True if the last word is the start of one.
    pub(super) is_begin: bool,
}

/// A word of a phrase.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Next {
    /// The gap between it and the word before.
    pub(super) gap: Gap,
    pub(super) word: Word,
}

/// The text between two words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Gap {
    /// Anything but letters and digits.
    Any,
    /// At most white space.
    Space,
    /// This.
    Signs(String),
}

/// A word or quoted part of the query.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    /// The position of its first character, from 1.
    at: usize,
    text: &'a str,
}

impl TextQuery {
    /// Reads a query.
    ///
    /// # Errors
    /// [`HandlerError::BadQuery`] when it asks for nothing or for too much, or a part of
    /// it means nothing.
    pub(super) fn parse(text: &str) -> Result<TextQuery, HandlerError> {
        let wrong = |problem: String| HandlerError::BadQuery {
            text: text.chars().take(80).collect(),
            problem,
        };
        let mut query = TextQuery::default();
        // The token `OR` that waits for what it stands before.
        let mut or: Option<Token<'_>> = None;
        let mut is_behind_word = false;
        for token in tokens(text) {
            let at = |problem: String| wrong(format!("{problem} (at character {})", token.at));
            if token.text == "OR" {
                if !is_behind_word || or.is_some() {
                    return Err(at(lonely_or()));
                }
                or = Some(token);
                continue;
            }
            operator(token.text).map_err(at)?;
            let minus = token.text.strip_prefix('-');
            let group = group(minus.unwrap_or(token.text)).map_err(at)?;
            match (minus, or.take()) {
                (Some(_), Some(_)) => {
                    return Err(at("`OR` and a minus do not go together".to_owned()));
                }
                (Some(_), None) => query.without.extend(group),
                (None, None) => query.with.push(group),
                (None, Some(_)) => query
                    .with
                    .last_mut()
                    .into_iter()
                    .for_each(|last| last.extend(group.iter().cloned())),
            }
            is_behind_word = minus.is_none();
        }
        if let Some(or) = or {
            return Err(wrong(format!("{} (at character {})", lonely_or(), or.at)));
        }
        let mut seen: Vec<Group> = Vec::new();
        for group in query.with.drain(..) {
            if !seen.contains(&group) {
                seen.push(group);
            }
        }
        query.with = seen;
        if query.with.is_empty() {
            return Err(wrong("no word to look for".to_owned()));
        }
        if query.with.iter().map(Vec::len).sum::<usize>() + query.without.len() > ELEMENTS_MAX {
            return Err(wrong(format!("more than {ELEMENTS_MAX} words and phrases")));
        }
        Ok(query)
    }

    /// Returns the words that a file has to have.
    pub(super) fn wanted(&self) -> Vec<AnyOf> {
        let of_group = |group: &Group| group.iter().map(Phrase::wanted).collect();
        self.with.iter().map(of_group).collect()
    }

    /// Returns all of them, each once.
    pub(super) fn words(&self) -> Vec<WantedWord> {
        let mut all: Vec<WantedWord> = Vec::new();
        for wanted in self.with.iter().flatten().flat_map(Phrase::wanted) {
            if !all.contains(&wanted) {
                all.push(wanted);
            }
        }
        all
    }
}

impl Phrase {
    /// Returns the words of a part without white space, signs included.
    fn of(chunk: &str) -> Phrase {
        let mut phrase = Phrase::default();
        let (mut words, mut word) = (Words::of(chunk), Word::default());
        let mut end = None;
        while let Some(Place { range, is_part }) = words.next(&mut word) {
            if is_part {
                continue;
            }
            let gap = match end {
                None => {
                    phrase.lead = lead(&chunk[..range.start]).to_owned();
                    Gap::Any
                }
                Some(end) => Gap::of(&chunk[end..range.start]),
            };
            phrase.words.push(Next {
                gap,
                word: word.clone(),
            });
            end = Some(range.end);
        }
        if let Some(end) = end {
            phrase.trail = trail(&chunk[end..]).to_owned();
        }
        phrase
    }

    /// Returns the parts of a run that zero width non-joiners separate, if this is one.
    fn of_parts(chunk: &str) -> Option<Phrase> {
        const NON_JOINER: char = '\u{200c}';
        let parts: Vec<_> = chunk.split(NON_JOINER).map(Phrase::of).collect();
        let is_right = parts.len() > 1 && parts.iter().all(|part| part.words.len() == 1);
        let words = parts.into_iter().flat_map(|part| part.words);
        let mut phrase = Phrase {
            words: words.collect(),
            ..Phrase::default()
        };
        for next in phrase.words.iter_mut().skip(1) {
            next.gap = Gap::Space;
        }
        is_right.then_some(phrase)
    }

    /// Returns true if it is one whole word without signs.
    pub(super) fn is_word(&self) -> bool {
        self.words.len() == 1 && self.lead.is_empty() && self.trail.is_empty() && !self.is_begin
    }

    fn wanted(&self) -> Vec<WantedWord> {
        let last = self.words.len().saturating_sub(1);
        let wanted = self.words.iter().enumerate().map(|(n, next)| WantedWord {
            word: next.word.clone(),
            is_begin: self.is_begin && n == last,
        });
        wanted.collect()
    }

    /// Puts another one behind it.
    fn push(&mut self, mut next: Phrase) {
        if self.words.is_empty() {
            *self = next;
            return;
        }
        let signs = !self.trail.is_empty() || !next.lead.is_empty();
        if let Some(first) = next.words.first_mut() {
            first.gap = if signs {
                Gap::Signs(format!("{} {}", self.trail, next.lead))
            } else {
                Gap::Any
            };
        }
        self.words.append(&mut next.words);
        self.trail = next.trail;
    }
}

impl Gap {
    fn of(between: &str) -> Gap {
        let loose = |c: char| is_ignorable(c) || "-_'’‘ʼ‐‑‒–—·".contains(c);
        if between.is_empty() {
            Gap::Space
        } else if between.chars().all(loose) {
            Gap::Any
        } else {
            Gap::Signs(between.to_owned())
        }
    }

    /// Returns true if `between` is such a gap.
    pub(super) fn fits(&self, between: &str) -> bool {
        let is_nothing = |c: char| c.is_whitespace() || is_ignorable(c);
        match self {
            Gap::Any => true,
            Gap::Space => between.chars().all(is_nothing),
            Gap::Signs(signs) => {
                let seen = |text: &str| -> String {
                    let seen = text.chars().filter(|c| !is_ignorable(*c));
                    let words: String = seen.collect();
                    words.split_whitespace().collect::<Vec<_>>().join(" ")
                };
                between == signs || seen(between) == seen(signs)
            }
        }
    }
}

/// Refuses operators of other languages that mean nothing here.
fn operator(token: &str) -> Result<(), String> {
    let all_are_looked_for = "all words are looked for as it is";
    let problem = match token {
        "AND" | "&&" | "&" | "+" => {
            format!(
                "`{token}` means nothing: {all_are_looked_for}; write \"{token}\" in quotes, or the word in small letters, to look for it"
            )
        }
        "NOT" | "!" => {
            format!(
                "`{token}` means nothing: write -word to leave a word out, or \"{token}\" in quotes to look for it"
            )
        }
        "||" | "|" => format!("`{token}` means nothing: write a OR b"),
        _ if unbalanced(token) => {
            "parentheses do not group: `OR` takes the words beside it, and \"quotes\" make a phrase"
                .to_owned()
        }
        _ => return Ok(()),
    };
    Err(problem)
}

/// Returns true if a part begins or ends with a parenthesis that has no partner in it.
fn unbalanced(token: &str) -> bool {
    if token.starts_with('"') || token.starts_with("-\"") {
        return false;
    }
    let count = |c: char| token.matches(c).count();
    let is_edge = token.trim_start_matches('-').starts_with('(') || token.ends_with(')');
    is_edge && count('(') != count(')')
}

fn lonely_or() -> String {
    "`OR` stands between two words or phrases; write \"OR\" in quotes to look for the word"
        .to_owned()
}

/// Returns the phrases of a word or quoted part.
fn group(part: &str) -> Result<Group, String> {
    let (phrases, shown) = match part.strip_prefix('"') {
        Some(inside) => {
            let inside = inside.strip_suffix('"').unwrap_or(inside);
            let text = inside.replace("\\\"", "\"").replace("\\\\", "\\");
            let mut phrase = Phrase::default();
            let chunks = text.split_whitespace().map(Phrase::of);
            chunks
                .filter(|chunk| !chunk.words.is_empty())
                .for_each(|chunk| phrase.push(chunk));
            (vec![phrase], text.clone())
        }
        None => (unquoted(part)?, part.to_owned()),
    };
    if phrases.iter().all(|phrase| phrase.words.is_empty()) {
        return Err(match shown.as_str() {
            "" | "-" => "a minus stands directly before the word that is left out".to_owned(),
            _ => format!("`{shown}` has no letter or digit; grep: finds signs"),
        });
    }
    Ok(phrases)
}

fn unquoted(part: &str) -> Result<Group, String> {
    if part.starts_with('-') && part.contains(char::is_alphanumeric) {
        return Err(format!(
            "one minus leaves a word out; write \"-{part}\" in quotes to look for it"
        ));
    }
    if let Some(begin) = part.strip_suffix('*') {
        let mut phrase = Phrase::of(begin);
        let is_right = phrase.trail.is_empty() && begin.ends_with(char::is_alphanumeric);
        if !is_right || begin.contains('*') {
            return Err(
                "`*` stands directly behind the begin of a word; grep: finds more".to_owned(),
            );
        }
        phrase.is_begin = true;
        return Ok(vec![phrase]);
    }
    if part.contains('*') {
        return Err(
            "`*` stands at the end of a word; grep: finds more, and \"quotes\" the sign".to_owned(),
        );
    }
    Ok([Some(Phrase::of(part)), Phrase::of_parts(part)]
        .into_iter()
        .flatten()
        .collect())
}

/// Signs that belong to a word they stand beside.
fn is_sign(letter: char) -> bool {
    "+#@$%&=<>~^|\\/*€£¥§°±×÷".contains(letter)
}

/// Returns the signs that a text ends with, for the word behind it.
fn lead(before: &str) -> &str {
    let other = |letter: char| !is_sign(letter) && !matches!(letter, '.' | '-');
    let lead = before.rfind(other).map_or(before, |at| {
        let letter = before[at..].chars().next().map_or(1, char::len_utf8);
        &before[at + letter..]
    });
    // Three points are a pause.
    if lead.starts_with("..") { "" } else { lead }
}

/// Returns the signs that a text begins with, for the word before it.
fn trail(behind: &str) -> &str {
    let end = behind.find(|letter: char| !is_sign(letter));
    &behind[..end.unwrap_or(behind.len())]
}

/// Returns the words and quoted parts of a text.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = text[..text.len() - rest.len()].chars().count() + 1;
        let (part, behind) = part(rest);
        rest = behind.trim_start();
        Some(Token { at, text: part })
    })
}

/// Returns the first word or quoted phrase, with its minus, and the rest.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a phrase with its operators.
    fn show(phrase: &Phrase) -> String {
        let mut shown = phrase.lead.clone();
        for (n, next) in phrase.words.iter().enumerate() {
            match &next.gap {
                Gap::Any if n > 0 => shown.push(' '),
                Gap::Signs(signs) => shown.push_str(signs),
                _ => {}
            }
            shown.push_str(next.word.exact());
        }
        shown + &phrase.trail + if phrase.is_begin { "…" } else { "" }
    }

    fn groups(text: &str) -> (Vec<String>, Vec<String>) {
        let query = TextQuery::parse(text).unwrap();
        let shown = |group: &Group| group.iter().map(show).collect::<Vec<_>>().join(" OR ");
        (
            query.with.iter().map(shown).collect(),
            query.without.iter().map(show).collect(),
        )
    }

    fn problem(text: &str) -> String {
        match TextQuery::parse(text) {
            Err(HandlerError::BadQuery { problem, .. }) => problem,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn words_phrases_and_what_is_left_out() {
        let (with, without) = groups(r#"Quick "brown Fox" -red -"blue sky" snake_case"#);
        assert_eq!(with, ["quick", "brown fox", "snake case"]);
        assert_eq!(without, ["red", "blue sky"]);
        let (with, _) = groups(r#"Hello, "well-known" don't (see) …dots... x."#);
        assert_eq!(with, ["hello", "well known", "don t", "see", "dots", "x"]);
    }

    #[test]
    fn signs_that_belong_to_a_word_are_looked_for() {
        let (with, _) = groups(r#"C++ c#, .NET node.js std::vec a/b 100% "C++ primer" 서울"#);
        assert_eq!(
            with,
            [
                "c++",
                "c#",
                ".net",
                "node.js",
                "std::vec",
                "a/b",
                "100%",
                "c++ primer",
                "서울"
            ]
        );
    }

    #[test]
    fn or_joins_its_neighbours_and_a_star_begins() {
        assert_eq!(
            groups("a b OR \"c d\" OR e f").0,
            ["a", "b OR c d OR e", "f"]
        );
        assert_eq!(groups("pre* x").0, ["pre…", "x"]);
        assert_eq!(groups("\"OR\" or and \"AND\"").0, ["or", "and"]);
        assert_eq!(
            groups("می\u{200c}خواهم").0,
            ["میخواهم OR می خواهم".replace("می ", "می")]
        );
    }

    #[test]
    fn what_means_nothing_is_refused_at_its_place() {
        for (text, place, said) in [
            ("a AND b", 3, "AND"),
            ("é NOT b", 3, "-word"),
            ("a || b", 3, "a OR b"),
            ("OR a", 1, "between"),
            ("a OR", 3, "between"),
            ("a OR OR b", 6, "between"),
            ("a OR -b", 6, "minus"),
            ("(a OR b) c", 1, "parentheses"),
            ("a - b", 3, "minus"),
            ("a --verbose", 3, "quotes"),
            ("a ++ b", 3, "grep:"),
            ("*fix", 1, "`*`"),
            ("w*rd", 1, "`*`"),
            ("a **", 3, "`*`"),
        ] {
            let problem = problem(text);
            assert!(
                problem.contains(&format!("(at character {place})")),
                "{text}: {problem}"
            );
            assert!(problem.contains(said), "{text}: {problem}");
        }
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
