//! The lines of an ignore file, as git reads them.
//!
//! The library reads them almost so. What differs is said in its language here:
//! braces, classes of characters, and spaces at the end of a line.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use node_wire::name::composed;

/// Classes of characters by name, as git knows them.
const CLASSES: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('a', 'z'), ('A', 'Z'), ('0', '9')]),
    ("alpha", &[('a', 'z'), ('A', 'Z')]),
    ("blank", &[(' ', ' '), ('\t', '\t')]),
    ("cntrl", &[('\u{1}', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[(' ', ' '), ('\t', '\r')]),
    ("upper", &[('A', 'Z')]),
    ("xdigit", &[('0', '9'), ('a', 'f'), ('A', 'F')]),
];

/// A line that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct BadLine {
    pub(super) number: usize,
    pub(super) error: String,
}

/// Reads the lines of an ignore file. Those that make no sense hide nothing.
pub(super) fn parse(text: &str) -> (Gitignore, Vec<BadLine>) {
    let mut builder = GitignoreBuilder::new("");
    let mut bad = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        let line = composed(line.strip_suffix('\r').unwrap_or(line));
        let added = translated(&line).and_then(|line| {
            let added = builder.add_line(None, &line);
            added.map(drop).map_err(|error| error.to_string())
        });
        if let Err(error) = added {
            let number = index + 1;
            bad.push(BadLine { number, error });
        }
    }
    let built = builder.build().unwrap_or_else(|error| {
        let error = error.to_string();
        bad.push(BadLine { number: 0, error });
        Gitignore::empty()
    });
    (built, bad)
}

/// Returns the line in the language of the library: where it begins is said by
/// a `/` and, if it may be anywhere, by `**/`.
fn translated(line: &str) -> Result<String, String> {
    if line.starts_with('#') {
        return Ok(String::new());
    }
    let line = without_spaces(line);
    let (sign, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern),
        None => ("", line),
    };
    let (pattern, end) = match pattern.strip_suffix('/') {
        Some(pattern) => (pattern, "/"),
        None => (pattern, ""),
    };
    let anywhere = if pattern.contains('/') { "" } else { "**/" };
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    if pattern.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("{sign}/{anywhere}{}{end}", body(pattern)?))
}

/// Translates a pattern without the text before and behind it.
fn body(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = Characters(pattern);
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' => out.extend(['\\', c]),
            '[' => out.push_str(&class(&mut chars)?),
            '\\' => match chars.next().ok_or("a `\\` has nothing behind it")? {
                space if space.is_whitespace() => out.extend(['[', space, ']']),
                escaped => out.extend(['\\', escaped]),
            },
            // A class keeps it at the end of the line, where the library cuts it.
            space if space.is_whitespace() && space != ' ' => out.extend(['[', space, ']']),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Cuts the spaces at the end of a line that are not escaped.
fn without_spaces(line: &str) -> &str {
    let cut = line.trim_end_matches(' ');
    let escapes = cut.len() - cut.trim_end_matches('\\').len();
    if escapes % 2 == 1 && cut.len() < line.len() {
        &line[..=cut.len()]
    } else {
        cut
    }
}

/// Reads a class of characters behind its `[`, and returns it in the language of
/// the library.
fn class(chars: &mut Characters<'_>) -> Result<String, String> {
    let unclosed = || "a `[` has no `]`".to_owned();
    let is_negated = chars.0.starts_with(['!', '^']);
    if is_negated {
        chars.next();
    }
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut is_first = true;
    loop {
        match chars.next().ok_or_else(unclosed)? {
            ']' if !is_first => return Ok(written(&ranges, is_negated)),
            '[' if chars.0.starts_with(':') => match chars.0.split_once(']') {
                Some((name, behind)) if name.len() > 1 && name.ends_with(':') => {
                    ranges.extend(named(&name[1..name.len() - 1])?);
                    chars.0 = behind;
                }
                _ => ranges.push(('[', '[')),
            },
            c => {
                let from = escaped(c, chars).ok_or_else(unclosed)?;
                let is_range = chars.0.starts_with('-') && !chars.0.starts_with("-]");
                let to = if is_range {
                    chars.next();
                    let to = chars.next().ok_or_else(unclosed)?;
                    escaped(to, chars).ok_or_else(unclosed)?
                } else {
                    from
                };
                ranges.push((from, to));
            }
        }
        is_first = false;
    }
}

/// Returns the character that `c` is in a class: the next one behind a `\`.
fn escaped(c: char, chars: &mut Characters<'_>) -> Option<char> {
    if c == '\\' { chars.next() } else { Some(c) }
}

/// Writes a class. It never fits a `/`, as for git.
fn written(ranges: &[(char, char)], is_negated: bool) -> String {
    // A range that runs backwards is its first character.
    let mut all: Vec<(char, char)> = ranges.iter().map(|&(a, b)| (a, b.max(a))).collect();
    if is_negated {
        all.push(('/', '/'));
    } else {
        all = without(&all, '/').0;
    }
    // The library takes these for themselves only at the beginning and the end.
    let (all, has_bracket) = without(&all, ']');
    let (all, has_dash) = without(&all, '-');
    let mut class = String::from(if is_negated { "[!" } else { "[" });
    // No name has a NUL: it stands before what would mean something else.
    class.push(if has_bracket { ']' } else { '\0' });
    for (from, to) in all {
        class.push(from);
        if from != to {
            class.extend(['-', to]);
        }
    }
    if has_dash {
        class.push('-');
    }
    class.push(']');
    class
}

/// Takes `c` out of the ranges. Says whether it was in one.
fn without(ranges: &[(char, char)], c: char) -> (Vec<(char, char)>, bool) {
    let (before, behind) = (u32::from(c) - 1, u32::from(c) + 1);
    let mut left = Vec::new();
    let mut has = false;
    for &(from, to) in ranges {
        if !(from..=to).contains(&c) {
            left.push((from, to));
            continue;
        }
        has = true;
        left.extend(
            char::from_u32(before)
                .filter(|_| from < c)
                .map(|end| (from, end)),
        );
        left.extend(
            char::from_u32(behind)
                .filter(|_| to > c)
                .map(|begin| (begin, to)),
        );
    }
    (left, has)
}

/// Returns the ranges of the class `name`.
fn named(name: &str) -> Result<Vec<(char, char)>, String> {
    let known = CLASSES.iter().find(|(known, _)| *known == name);
    let (_, ranges) = known.ok_or_else(|| format!("there is no class `[:{name}:]`"))?;
    Ok(ranges.to_vec())
}

/// Characters that are taken from the front.
struct Characters<'t>(&'t str);

impl Characters<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.0.chars().next()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }
}
