//! Globs, and the fixed parts of the names that match.
//!
//! A glob is matched against few names if it is known how those begin, or that
//! they have a certain text: `photos/**/*.jpg` begins with `photos/` and has
//! `.jpg`.

use globset::{GlobBuilder, GlobMatcher};

/// A glob.
#[derive(Debug)]
pub(crate) struct Glob {
    matcher: GlobMatcher,
    /// The same, in any case.
    any_case: GlobMatcher,
    /// True if it is matched against the whole name, not the last part.
    whole: bool,
    has_case: bool,
    prefix: String,
    texts: Vec<String>,
}

impl Glob {
    /// Returns true if a text is a glob.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.contains(['*', '?', '[', '{'])
    }

    /// Returns the glob `text`, or the error in it.
    pub(crate) fn parse(text: &str) -> Result<Glob, String> {
        let glob = |any_case| {
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .case_insensitive(any_case)
                .build()
                .map_err(|error| error.kind().to_string())?;
            Ok::<_, String>(glob.compile_matcher())
        };
        let whole = text.contains('/') || text.contains("**");
        let parts = parts(&text.chars().collect::<Vec<_>>());
        let prefix = match parts.first() {
            Some(Part::Run(run)) if whole => run.clone(),
            _ => String::new(),
        };
        Ok(Glob {
            matcher: glob(false)?,
            any_case: glob(true)?,
            whole,
            has_case: text.chars().any(char::is_alphabetic),
            prefix,
            texts: best(&parts),
        })
    }

    /// Returns the text with which every name that matches begins.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Texts of which every name that fits has one, in lower case; none if
    /// nothing is known.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns true if case makes a difference to it.
    pub(crate) fn has_case(&self) -> bool {
        self.has_case
    }

    /// Returns true if `name` matches as it is written.
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.matcher.is_match(self.part(name))
    }

    /// Returns true if `name` matches in another case.
    pub(crate) fn fits_any_case(&self, name: &str) -> bool {
        self.any_case.is_match(self.part(name))
    }

    /// Returns the part of a name that it is matched against.
    fn part<'n>(&self, name: &'n str) -> &'n str {
        if self.whole {
            name
        } else {
            super::last_part(name)
        }
    }
}

/// A part of a glob.
#[derive(Debug, Eq, PartialEq)]
enum Part {
    /// Letters that stand for themselves.
    Run(String),
    /// One of several.
    Either(Vec<Vec<Part>>),
    /// Anything.
    Open,
}

/// Returns the parts of a valid glob.
fn parts(glob: &[char]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut run = String::new();
    let mut at = 0;
    while let Some(&letter) = glob.get(at) {
        at += 1;
        let part = match letter {
            '\\' => {
                run.extend(glob.get(at));
                at += 1;
                continue;
            }
            '*' | '?' => Part::Open,
            '[' => {
                at = behind_class(glob, at);
                Part::Open
            }
            '{' => {
                let end = behind_braces(glob, at);
                let inside = glob.get(at..end.saturating_sub(1)).unwrap_or_default();
                at = end;
                Part::Either(alternatives(inside))
            }
            _ => {
                run.push(letter);
                continue;
            }
        };
        if !run.is_empty() {
            parts.push(Part::Run(std::mem::take(&mut run)));
        }
        parts.push(part);
    }
    if !run.is_empty() {
        parts.push(Part::Run(run));
    }
    parts
}

/// Returns the place behind the `]` of a class that begins before `at`.
fn behind_class(glob: &[char], at: usize) -> usize {
    // A `]` that comes first, or first behind a `!`, is one of the letters.
    let negated = usize::from(matches!(glob.get(at), Some('!' | '^')));
    let first = at + negated + 1;
    let end = glob.iter().skip(first).position(|letter| *letter == ']');
    end.map_or(glob.len(), |end| first + end + 1)
}

/// Returns the place behind the `}` of braces that begin before `at`.
fn behind_braces(glob: &[char], mut at: usize) -> usize {
    let mut depth = 1;
    while let Some(letter) = glob.get(at) {
        at += 1;
        match letter {
            '\\' => at += 1,
            '[' => at = behind_class(glob, at),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at.min(glob.len())
}

fn alternatives(inside: &[char]) -> Vec<Vec<Part>> {
    let mut all = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while let Some(letter) = inside.get(at) {
        at += 1;
        match letter {
            '\\' => at += 1,
            '[' => at = behind_class(inside, at),
            '{' => at = behind_braces(inside, at),
            ',' => {
                all.push(parts(&inside[begin..at - 1]));
                begin = at;
            }
            _ => {}
        }
    }
    all.push(parts(inside.get(begin..).unwrap_or_default()));
    all
}

/// Returns, of the texts in a glob of these parts, those that fewest names have: the
/// longest text, or the alternatives whose shortest text is longest.
fn best(parts: &[Part]) -> Vec<String> {
    let texts = parts.iter().map(|part| match part {
        // `**/a` fits `a`: a separator at an edge is not in every name.
        Part::Run(run) => vec![run.trim_matches('/').to_lowercase()],
        Part::Either(all) => {
            let each: Vec<_> = all.iter().map(|parts| best(parts)).collect();
            if each.iter().any(Vec::is_empty) {
                Vec::new()
            } else {
                each.into_iter().flatten().collect()
            }
        }
        Part::Open => Vec::new(),
    });
    let known = texts.filter(|texts| shortest(texts) > 0);
    known
        .max_by_key(|texts| shortest(texts))
        .unwrap_or_default()
}

fn shortest(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_glob_is_found() {
        for (text, prefix, texts) in [
            ("*.jpg", "", &[".jpg"][..]),
            ("photos/**", "photos/", &["photos"]),
            ("photos/*.JPG", "photos/", &["photos"]),
            ("**/a.txt", "", &["a.txt"]),
            ("a/**/long-name", "a/", &["long-name"]),
            ("*.{txt,md}", "", &["txt", "md"]),
            ("report-{a,b}*", "", &["report-"]),
            ("x{,y}", "", &["x"]),
            ("[abc]", "", &[]),
            ("[]x]ab", "", &["ab"]),
            ("[!]x]ab", "", &["ab"]),
            ("a\\*b*", "", &["a*b"]),
            ("{a/b,c[,]d}/e", "", &["e"]),
            ("*", "", &[]),
            ("**", "", &[]),
        ] {
            let glob = Glob::parse(text).unwrap();
            assert_eq!(
                (glob.prefix(), glob.texts()),
                (
                    prefix,
                    &texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_known_holds_for_every_name_that_fits() {
        let names = [
            "a",
            "b",
            "a.txt",
            "A.TXT",
            "a/b",
            "a/b/c.md",
            "ab/c",
            "x,y",
            "a]b",
            "photos/a.jpg",
            "photos/x/B.jpg",
            "a*b",
            "{a}",
            "abc",
            "ac",
            "x/ab/y",
        ];
        let globs = [
            "*",
            "**",
            "**/*",
            "a*",
            "*b",
            "a/**",
            "**/b",
            "a/**/c.md",
            "{a,b}",
            "{a,b}/**",
            "*{.txt,.md}",
            "?",
            "[ab]",
            "[!a]",
            "[]]*",
            "a[]]b",
            "a{,/b}",
            "{a*,ab}{b,c,}",
            "photos/**/*.jpg",
            "a\\*b",
            "\\{a\\}",
            "x[,]y",
            "{x[,]y,a}",
            "**/ab/**",
            "a**",
        ];
        for glob in globs {
            let parsed = Glob::parse(glob).unwrap();
            for name in names.iter().filter(|name| parsed.fits(name)) {
                let lower = name.to_lowercase();
                let has = parsed.texts().is_empty()
                    || parsed.texts().iter().any(|t| lower.contains(t.as_str()));
                assert!(
                    has && name.starts_with(parsed.prefix()),
                    "{glob} {name} {parsed:?}"
                );
            }
        }
    }
}
