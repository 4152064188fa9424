//! The language of queries: `[handler:]text`, with quotes and filters.
//!
//! ```text
//! report                          names with this word, and texts
//! name:*.pdf size:>10M            a handler, its text, and a filter
//! text:"annual report" after:2026 ext:pdf,txt
//! grep:"a b" context:2            quoted: a space, and what looks like a filter
//! ```
//!
//! A prefix of letters, digits, `-` and `_` at the beginning chooses the handler; without
//! one it is [`DEFAULT_HANDLER`], and `text:` beside it unless the text is a pattern that
//! cannot be words; `pre*` may be both. Words `ext:`, `size:`, `after:`, `before:`, `kind:` and
//! `context:`, in any case, are filters, wherever they stand; a minus before `ext:` and
//! `kind:` leaves files out. Filters alone list all files that pass them. Another word
//! with a colon in the text for `name:` and `text:` is refused, unless it is quoted. What begins with `"` goes to
//! the next `"`; inside, `\"` and `\\` stand for `"` and `\`. All the rest is
//! the text, as it is: a colon, a backslash or a quote inside a word has no meaning.
//!
//! # Invariants
//! - One parser: queries of `ctl`, pages, scripts and peers are read here.
//! - An error says at which character.
//! - No I/O and no clock; the time is a parameter.

mod dates;
mod filters;
mod kinds;
mod name;
mod sizes;

use std::time::SystemTime;

pub use self::{
    filters::Filters,
    name::{NameText, is_pattern},
};

/// The handler of a query without a prefix.
pub const DEFAULT_HANDLER: &str = "name";

/// The handler of what is in files.
pub const CONTENTS_HANDLER: &str = "text";

/// Longest query, in bytes.
pub const QUERY_MAX: usize = 4_096;

/// Most lines of context around a line that fits.
pub const CONTEXT_MAX: usize = 10;

/// The handlers that every node has; their names are known in any case.
const BUILT_IN: [&str; 3] = [DEFAULT_HANDLER, CONTENTS_HANDLER, PATTERNS];

/// Longest extension of a name, in bytes.
const EXTENSION_MAX: usize = 5;

/// The handler whose text is a regular expression.
const PATTERNS: &str = "grep";

/// The name that all files have.
const ALL: &str = "**";

/// The sign of a filter: files that it admits, or files that it excludes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sign {
    Plus,
    Minus,
}

/// The error in a query.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SyntaxError {
    /// It is longer than [`QUERY_MAX`].
    #[error("the query is longer than {QUERY_MAX} bytes")]
    TooLong,
    /// A part of it makes no sense.
    #[error("{problem} (at character {at} of the query)")]
    Part {
        /// The position of its first character, from 1.
        at: usize,
        /// The error in it.
        problem: String,
    },
}

/// A query that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedQuery {
    handler: String,
    has_prefix: bool,
    parts: Vec<Part>,
    filters: Filters,
    context: usize,
}

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    /// White space before it.
    gap: String,
    /// The sign before the quote: nothing or a minus.
    sign: &'static str,
    text: String,
    quoted: bool,
}

/// A word or a quoted part as it stands in the query.
struct Token<'a> {
    /// Its start, in bytes.
    start: usize,
    gap: &'a str,
    body: &'a str,
}

impl ParsedQuery {
    /// Reads `query`; relative times count from `now`.
    ///
    /// # Errors
    /// [`SyntaxError`], with the place.
    pub fn parse(query: &str, now: SystemTime) -> Result<ParsedQuery, SyntaxError> {
        if query.len() > QUERY_MAX {
            return Err(SyntaxError::TooLong);
        }
        let (handler, rest) = split_prefix(query);
        let mut parsed = ParsedQuery {
            handler: handler.to_owned(),
            has_prefix: rest.len() < query.len(),
            parts: Vec::new(),
            filters: Filters::default(),
            context: 0,
        };
        let mut at = query.len() - rest.len();
        while let Some(token) = next_token(query, at)? {
            at = token.start + token.body.len();
            let wrong = |problem: String| SyntaxError::Part {
                at: query[..token.start].chars().count() + 1,
                problem,
            };
            match filter(token.body) {
                Some(("context", Sign::Plus, lines)) => {
                    parsed.context = context(lines).map_err(wrong)?;
                }
                Some((key, sign, value)) => {
                    parsed.filters.add(key, sign, value, now).map_err(wrong)?;
                }
                None => {
                    // A pattern is full of colons; names and texts are not.
                    let is_checked = parsed.handler != PATTERNS && !parsed.is_plugin();
                    if let Some(problem) = filters::unknown(token.body).filter(|_| is_checked) {
                        return Err(wrong(problem));
                    }
                    parsed.parts.push(Part::of(&token));
                }
            }
        }
        Ok(parsed)
    }

    /// Returns the name of the handler that is asked.
    #[must_use]
    pub fn handler(&self) -> &str {
        &self.handler
    }

    /// Returns the files that the answer may have.
    #[must_use]
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Returns the number of lines wanted around a line that matches.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// Returns the text for names, if it is names that are asked.
    #[must_use]
    pub fn name(&self) -> Option<NameText> {
        if self.handler != DEFAULT_HANDLER {
            return None;
        }
        let is_quoted = matches!(self.parts.as_slice(), [part] if part.quoted);
        NameText::of(&self.text(Quotes::Remove), is_quoted)
    }

    /// Returns true if what is in files is asked as well: there is no prefix, and the text
    /// may be words or beginnings of words.
    #[must_use]
    pub fn asks_contents(&self) -> bool {
        let may_be_words =
            |part: &Part| part.quoted || !is_pattern(&part.text) || is_begin(&part.text);
        let is_path = |part: &Part| !part.quoted && part.text.contains('/');
        !self.has_prefix
            && !self.parts.is_empty()
            && self.parts.iter().all(may_be_words)
            && !self.parts.iter().any(is_path)
    }

    /// Returns true if the text is a pattern for names too: it is words if no name fits.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| !part.quoted && is_pattern(&part.text))
    }

    /// Returns true if the text looks like the name of a file, by an extension at its end: then
    /// nodes without such a name are passed over, as for `name:`. A number is none: `v1.2`.
    #[must_use]
    pub fn is_file_name(&self) -> bool {
        let text = self.text(Quotes::Remove);
        let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
        (1..=EXTENSION_MAX).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && extension.bytes().any(|byte| byte.is_ascii_alphabetic())
    }

    /// Returns true if there are only filters: the query is for all files that pass them.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.handler == DEFAULT_HANDLER && self.parts.is_empty() && !self.filters.is_empty()
    }

    /// Returns true if a handler of a plugin is asked, whose text may be anything.
    fn is_plugin(&self) -> bool {
        !is_built_in(&self.handler)
    }

    /// Returns the text for the handler, quoted parts with their quotes or without.
    #[must_use]
    pub fn text(&self, quotes: Quotes) -> String {
        if self.is_list() {
            return ALL.to_owned();
        }
        let mut text = String::new();
        for (n, part) in self.parts.iter().enumerate() {
            if n > 0 {
                text.push_str(&part.gap);
            }
            text.push_str(part.sign);
            match quotes {
                Quotes::Keep if part.quoted => text.push_str(&quoted(&part.text)),
                _ => text.push_str(&part.text),
            }
        }
        text
    }
}

/// Returns true if a text is the beginning of a word with a `*` behind it.
fn is_begin(text: &str) -> bool {
    let begin = text.strip_suffix('*');
    begin.is_some_and(|begin| !is_pattern(begin) && begin.ends_with(char::is_alphanumeric))
}

/// Returns the name of the handler that `query` asks.
#[must_use]
pub fn handler_of(query: &str) -> &str {
    split_prefix(query).0
}

/// Returns `query` as one that asks names alone, if it has no prefix.
#[must_use]
pub fn of_names(query: &str) -> String {
    let (handler, rest) = split_prefix(query);
    if handler == DEFAULT_HANDLER && rest.len() == query.len() {
        format!("{DEFAULT_HANDLER}:{query}")
    } else {
        query.to_owned()
    }
}

/// Returns whether `query` asks about contents although it names no handler.
#[must_use]
pub fn asks_contents(query: &str) -> bool {
    ParsedQuery::parse(query, SystemTime::UNIX_EPOCH).is_ok_and(|query| query.asks_contents())
}

/// Returns the handler that found a hit of a query that asks `asked`: names have no
/// place in a file.
#[must_use]
pub fn found_by(asked: &str, has_place: bool) -> &str {
    if has_place && asked == DEFAULT_HANDLER {
        CONTENTS_HANDLER
    } else {
        asked
    }
}

/// Returns the text behind the prefix of `query`, as it was typed.
#[must_use]
pub fn text_of(query: &str) -> &str {
    split_prefix(query).1
}

/// Returns whether every node has a handler of this name.
#[must_use]
pub fn is_built_in(handler: &str) -> bool {
    BUILT_IN.contains(&handler)
}

/// The treatment of quotes around a part of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quotes {
    /// They stay, for handlers to which they mean something.
    Keep,
    /// They go.
    Remove,
}

/// Returns `text` in quotes, so that a query has it as one part, whatever is in it.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Part {
    fn of(token: &Token<'_>) -> Part {
        let (sign, body) = match token.body.strip_prefix("-\"") {
            Some(_) => ("-", &token.body[1..]),
            None => ("", token.body),
        };
        let inside = body
            .strip_prefix('"')
            .and_then(|body| body.strip_suffix('"'));
        Part {
            gap: token.gap.to_owned(),
            sign,
            text: inside.map_or_else(|| body.to_owned(), unescaped),
            quoted: inside.is_some(),
        }
    }
}

/// Returns the handler and the text behind its colon. A prefix begins with a letter: `10:30 notes`
/// is a name.
fn split_prefix(query: &str) -> (&str, &str) {
    let is_prefix = |prefix: &str| {
        let mut letters = prefix.bytes();
        prefix.starts_with(|c: char| c.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && known_key(prefix).is_none()
    };
    match query.split_once(':') {
        Some((prefix, rest)) if is_prefix(prefix) => {
            let mut built_in = BUILT_IN.into_iter();
            let known = built_in.find(|known| known.eq_ignore_ascii_case(prefix));
            (known.unwrap_or(prefix), rest)
        }
        _ => (DEFAULT_HANDLER, query),
    }
}

/// Returns the key of a filter, written in any case.
fn known_key(key: &str) -> Option<&'static str> {
    let mut keys = filters::KEYS.iter().copied();
    keys.find(|known| known.eq_ignore_ascii_case(key))
}

/// Returns the token that begins at or behind the byte `at`.
fn next_token(query: &str, at: usize) -> Result<Option<Token<'_>>, SyntaxError> {
    let rest = &query[at..];
    let body = rest.trim_start();
    if body.is_empty() {
        return Ok(None);
    }
    let start = query.len() - body.len();
    let length = if body.starts_with('"') || body.starts_with("-\"") {
        let wrong = |problem: &str| SyntaxError::Part {
            at: query[..start].chars().count() + 1,
            problem: problem.to_owned(),
        };
        quoted_length(body).map_err(wrong)?
    } else {
        body.find(char::is_whitespace).unwrap_or(body.len())
    };
    Ok(Some(Token {
        start,
        gap: &query[at..start],
        body: &body[..length],
    }))
}

/// Returns the length of a quoted token, quotes included.
fn quoted_length(body: &str) -> Result<usize, &'static str> {
    let open = body.find('"').unwrap_or(0);
    let mut escaped = false;
    for (at, letter) in body.char_indices().skip(open + 1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let behind = body[at + 1..].chars().next();
                return if behind.is_none_or(char::is_whitespace) {
                    Ok(at + 1)
                } else {
                    Err("a space is missing behind the quoted part that begins here")
                };
            }
            _ => {}
        }
    }
    Err("the quoted part that begins here has no end; write \\\" for a quote that is meant")
}

fn unescaped(inside: &str) -> String {
    let mut text = String::with_capacity(inside.len());
    let mut letters = inside.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = letters.next_if(|next| letter == '\\' && matches!(next, '"' | '\\'));
        text.push(escaped.unwrap_or(letter));
    }
    text
}

/// Returns key, sign and value, if this is a filter.
fn filter(body: &str) -> Option<(&'static str, Sign, &str)> {
    let (sign, body) = match body.strip_prefix('-') {
        Some(body) => (Sign::Minus, body),
        None => (Sign::Plus, body),
    };
    let (key, value) = body.split_once(':')?;
    Some((known_key(key)?, sign, value))
}

fn context(lines: &str) -> Result<usize, String> {
    let number = lines.parse().ok().filter(|lines| *lines <= CONTEXT_MAX);
    number.ok_or_else(|| format!("`context:` takes a number of lines from 0 to {CONTEXT_MAX}"))
}

#[cfg(test)]
mod tests;
