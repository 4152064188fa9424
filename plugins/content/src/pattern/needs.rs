//! The texts that must be in a file if a pattern is to match somewhere in it.
//!
//! Read from the expression, from the inside out, as Russ Cox's codesearch does:
//! of each part either all texts that it matches are known ([`Part::Exact`]), or
//! with what its matches begin and end, and what they need to have besides.
//!
//! # Invariants
//! - Every text in which the pattern matches has what it needs; not the other
//!   way round.
//! - All texts are in lower case as far as they are ASCII, as the trigrams are.
//! - The number and length of the texts is bounded, whatever the pattern.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Most texts of one part.
const TEXTS_MAX: usize = 32;

/// Longest of them, in bytes.
const LENGTH_MAX: usize = 128;

/// The greatest number of letters of a class that are tried one by one: those of a word in ASCII.
const CLASS_MAX: u32 = 32;

/// The same for a class that is repeated, of which only the first and the last letter are known.
const REPEATED_MAX: usize = 12;

/// Bytes of a begin or an end that matter: with two on either side of a border,
/// every trigram across it is known.
const EDGE: usize = 2;

/// A condition on the texts of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    /// Nothing in particular.
    Anything,
    /// This, which is at least three bytes.
    Text(Vec<u8>),
    /// All of these.
    All(Vec<Needs>),
    /// One of these.
    Any(Vec<Needs>),
}

type Texts = BTreeSet<Vec<u8>>;

/// The matches of a part of a pattern.
enum Part {
    /// It matches these texts and no others.
    Exact(Texts),
    /// It matches more.
    Open {
        begins: Texts,
        ends: Texts,
        needs: Needs,
    },
}

impl Needs {
    /// Returns the needs of the expression.
    pub(crate) fn of(expression: &Hir) -> Needs {
        part(expression).needs()
    }

    fn all(parts: impl IntoIterator<Item = Needs>) -> Needs {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Needs::Anything => {}
                Needs::All(parts) => all.extend(parts),
                other if all.contains(&other) => {}
                other => all.push(other),
            }
        }
        match all.len() {
            0 => Needs::Anything,
            1 => all.swap_remove(0),
            _ => Needs::All(all),
        }
    }

    fn any(parts: impl IntoIterator<Item = Needs>) -> Needs {
        let mut any = Vec::new();
        for part in parts {
            match part {
                Needs::Anything => return Needs::Anything,
                Needs::Any(parts) => any.extend(parts),
                other if any.contains(&other) => {}
                other => any.push(other),
            }
        }
        match any.len() {
            1 => any.swap_remove(0),
            _ => Needs::Any(any),
        }
    }

    /// Returns one of these texts, as far as that says something. No text: nothing matches.
    fn texts(texts: &Texts) -> Needs {
        Needs::any(texts.iter().map(|text| {
            if text.len() < 3 {
                Needs::Anything
            } else {
                Needs::Text(text.clone())
            }
        }))
    }

    /// Returns true if an index of trigrams cannot narrow it down.
    #[cfg(test)]
    pub(crate) fn is_anything(&self) -> bool {
        *self == Needs::Anything
    }
}

impl Part {
    fn nothing_known() -> Part {
        Part::Open {
            begins: one(b""),
            ends: one(b""),
            needs: Needs::Anything,
        }
    }

    fn needs(self) -> Needs {
        match self {
            Part::Exact(texts) => Needs::texts(&texts),
            Part::Open { needs, .. } => needs,
        }
    }

    /// Returns begins, ends and needs.
    fn open(self) -> (Texts, Texts, Needs) {
        match self {
            Part::Exact(texts) => {
                let needs = Needs::texts(&texts);
                (begins(&texts), ends(&texts), needs)
            }
            Part::Open {
                begins,
                ends,
                needs,
            } => (begins, ends, needs),
        }
    }

    fn then(self, next: Part) -> Part {
        let (left, right) = match (self, next) {
            (Part::Exact(left), Part::Exact(right)) => match cross(&left, &right) {
                Some(texts) => return Part::Exact(texts),
                None => (Part::Exact(left), Part::Exact(right)),
            },
            other => other,
        };
        let whole_left = left.exact();
        let whole_right = right.exact();
        let (left_begins, left_ends, left_needs) = left.open();
        let (right_begins, right_ends, right_needs) = right.open();
        let border = cross(&left_ends, &right_begins).map(|texts| Needs::texts(&texts));
        let crossed = |left: &Texts, right: &Texts| cross(left, right).unwrap_or_else(|| one(b""));
        Part::Open {
            begins: whole_left.map_or(left_begins, |left| begins(&crossed(&left, &right_begins))),
            ends: whole_right.map_or(right_ends, |right| ends(&crossed(&left_ends, &right))),
            needs: Needs::all([left_needs, border.unwrap_or(Needs::Anything), right_needs]),
        }
    }

    /// Returns its texts, if they are all and short.
    fn exact(&self) -> Option<Texts> {
        match self {
            Part::Exact(texts) => Some(texts.clone()),
            Part::Open { .. } => None,
        }
    }

    fn or(self, other: Part) -> Part {
        let (left, right) = match (self, other) {
            (Part::Exact(left), Part::Exact(right)) if left.len() + right.len() <= TEXTS_MAX => {
                return Part::Exact(left.into_iter().chain(right).collect());
            }
            other => other,
        };
        let (left_begins, left_ends, left_needs) = left.open();
        let (right_begins, right_ends, right_needs) = right.open();
        Part::Open {
            begins: few(left_begins.into_iter().chain(right_begins).collect()),
            ends: few(left_ends.into_iter().chain(right_ends).collect()),
            needs: Needs::any([left_needs, right_needs]),
        }
    }
}

fn part(expression: &Hir) -> Part {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => Part::Exact(one(b"")),
        HirKind::Literal(literal) => literal_part(&literal.0),
        HirKind::Class(class) => class_part(class),
        HirKind::Capture(capture) => part(&capture.sub),
        HirKind::Repetition(repetition) => repetition_part(repetition),
        HirKind::Concat(parts) => {
            let empty = Part::Exact(one(b""));
            parts.iter().map(part).fold(empty, Part::then)
        }
        HirKind::Alternation(parts) => {
            let none = Part::Exact(Texts::new());
            parts.iter().map(part).fold(none, Part::or)
        }
    }
}

fn literal_part(literal: &[u8]) -> Part {
    let pieces = literal.chunks(LENGTH_MAX);
    let pieces = pieces.map(|piece| Part::Exact(one(&piece.to_ascii_lowercase())));
    pieces.fold(Part::Exact(one(b"")), Part::then)
}

fn class_part(class: &Class) -> Part {
    let mut texts = Texts::new();
    match class {
        Class::Unicode(class) => {
            let letters = class.iter().map(|range| range.len()).sum::<usize>();
            if letters > 2 * CLASS_MAX as usize {
                return Part::nothing_known();
            }
            for letter in class.iter().flat_map(|range| range.start()..=range.end()) {
                let letter = letter.to_ascii_lowercase();
                texts.insert(letter.encode_utf8(&mut [0; 4]).as_bytes().to_vec());
            }
        }
        Class::Bytes(class) => {
            let bytes = class.iter().map(|range| range.len()).sum::<usize>();
            if bytes > 2 * CLASS_MAX as usize {
                return Part::nothing_known();
            }
            for byte in class.iter().flat_map(|range| range.start()..=range.end()) {
                texts.insert(vec![byte.to_ascii_lowercase()]);
            }
        }
    }
    if texts.len() > CLASS_MAX as usize {
        return Part::nothing_known();
    }
    Part::Exact(texts)
}

fn repetition_part(repetition: &Repetition) -> Part {
    if repetition.min == 0 {
        return match repetition.max {
            Some(1) => part(&repetition.sub).or(Part::Exact(one(b""))),
            Some(0) => Part::Exact(one(b"")),
            _ => Part::nothing_known(),
        };
    }
    let once = || match part(&repetition.sub) {
        Part::Exact(texts) if texts.len() > REPEATED_MAX => Part::nothing_known(),
        part => part,
    };
    // A few times are spelt out; a part that is repeated says no more.
    let spelt_out = repetition.min.min(4);
    let begin = (1..spelt_out).fold(once(), |before, _| before.then(once()));
    if repetition.max == Some(spelt_out) {
        begin
    } else {
        let (_, ends, _) = once().open();
        let rest = Part::Open {
            begins: one(b""),
            ends: one(b""),
            needs: Needs::Anything,
        };
        match begin.then(rest) {
            Part::Open { begins, needs, .. } => Part::Open {
                begins,
                ends,
                needs,
            },
            exact @ Part::Exact(_) => exact,
        }
    }
}

fn one(text: &[u8]) -> Texts {
    Texts::from([text.to_vec()])
}

fn begins(texts: &Texts) -> Texts {
    let cut = texts
        .iter()
        .map(|text| text[..text.len().min(EDGE)].to_vec());
    few(cut.collect())
}

fn ends(texts: &Texts) -> Texts {
    let cut = texts
        .iter()
        .map(|text| text[text.len().saturating_sub(EDGE)..].to_vec());
    few(cut.collect())
}

/// Returns these texts, or, if they are many, that nothing is known.
fn few(texts: Texts) -> Texts {
    if texts.len() > TEXTS_MAX {
        one(b"")
    } else {
        texts
    }
}

/// Returns each of `left` with each of `right` behind it, if that is not much.
fn cross(left: &Texts, right: &Texts) -> Option<Texts> {
    if left.len() * right.len() > TEXTS_MAX {
        return None;
    }
    let mut crossed = Texts::new();
    for begin in left {
        for end in right {
            if begin.len() + end.len() > LENGTH_MAX {
                return None;
            }
            crossed.insert([begin.as_slice(), end].concat());
        }
    }
    Some(crossed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(pattern: &str) -> String {
        let mut parser = regex_syntax::ParserBuilder::new()
            .multi_line(true)
            .utf8(false)
            .build();
        show(&Needs::of(&parser.parse(pattern).unwrap()))
    }

    fn show(needs: &Needs) -> String {
        let list = |parts: &[Needs], with: &str| {
            let parts: Vec<_> = parts.iter().map(show).collect();
            format!("({})", parts.join(with))
        };
        match needs {
            Needs::Anything => "*".to_owned(),
            Needs::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Needs::All(parts) => list(parts, " "),
            Needs::Any(parts) => list(parts, "|"),
        }
    }

    #[test]
    fn what_patterns_need() {
        let digits: Vec<_> = (0..10).map(|n| format!("ab{n}cd")).collect();
        let digits = format!("({})", digits.join("|"));
        for (pattern, expected) in [
            ("hello", "hello"),
            ("Hello", "hello"),
            ("(?i)hello", "hello"),
            (r"^fn\s+main\b", "main"),
            ("foo.*bar", "(foo bar)"),
            ("foo|bar", "(bar|foo)"),
            ("a[bc]d", "(abd|acd)"),
            ("(abc)+", "abc"),
            ("(abc)?def", "(abcdef|def)"),
            ("(abc)*def", "def"),
            ("ab", "*"),
            (".*", "*"),
            ("[a-z]+_id", "_id"),
            ("x{3}", "xxx"),
            ("ab[01]{2}cd", "(ab00cd|ab01cd|ab10cd|ab11cd)"),
            (r"ab\wcd", "*"),
            ("(?i)ab[0-9]cd", &digits),
            ("(foo|bar)baz", "(barbaz|foobaz)"),
            ("abcd|.", "*"),
            (r"impl\s+Display\s+for", "(impl display for)"),
        ] {
            assert_eq!(needs(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn a_letter_in_the_middle_may_be_any_of_a_word() {
        let needed = needs("ab[a-z_]cd");
        assert_eq!(needed.matches('|').count(), 26, "{needed}");
        assert!(needed.contains("|abkcd|") && needed.contains("(ab_cd|"));
        assert_eq!(needs("ab[a-z_]+cd"), "*");
    }

    #[test]
    fn letters_whose_other_case_is_no_ascii_have_both() {
        assert_eq!(
            needs("(?i)ask"),
            "(ask|as\u{212a}|a\u{17f}k|a\u{17f}\u{212a})"
        );
        assert_eq!(needs("(?i)äbc"), "(Äbc|äbc)");
    }

    #[test]
    fn a_pattern_with_many_texts_needs_bounded_ones() {
        let words: Vec<_> = (0..500).map(|n| format!("word{n}")).collect();
        assert_ne!(needs(&words.join("|")), "*");
        assert!(needs(&"[ab]".repeat(300)).len() < 100_000);
        assert!(!needs(&"x".repeat(1000)).is_empty());
    }

    #[test]
    fn a_pattern_that_matches_nothing_needs_what_nothing_has() {
        assert_eq!(needs(r"[^\s\S]"), "()");
        assert!(!Needs::Any(Vec::new()).is_anything());
    }
}
