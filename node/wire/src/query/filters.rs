//! Filters: which files an answer may have.

use std::{ops::RangeInclusive, time::SystemTime};

use super::{Sign, dates, kinds, sizes};

/// The words before a colon that are filters.
pub(super) const KEYS: &[&str] = &["ext", "size", "after", "before", "kind", "context"];

/// Words that people write for a filter, and its right key.
const HINTS: &[(&str, &str)] = &[
    (
        "type",
        "kind:image for a kind of files, or ext:jpg for an ending",
    ),
    ("filetype", "ext:jpg"),
    ("extension", "ext:jpg"),
    ("suffix", "ext:jpg"),
    ("since", "after:7d"),
    ("newer", "after:7d"),
    ("date", "after:2026-01-31 and before:2026-02-28"),
    ("modified", "after:7d"),
    ("mtime", "after:7d"),
    ("dm", "after:7d"),
    ("until", "before:2026-01-31"),
    ("older", "before:7d"),
    ("larger", "size:>10M"),
    ("smaller", "size:<10M"),
    ("filename", "name:"),
    ("file", "name:"),
    ("path", "name:directory/**"),
    ("dir", "name:directory/**"),
    ("folder", "name:directory/**"),
    ("in", "name:directory/**"),
    ("content", "text:"),
    ("contents", "text:"),
    ("body", "text:"),
    ("regex", "grep:"),
    ("regexp", "grep:"),
];

/// Fewest letters of a word before a colon that is taken for a filter.
const KEY_MIN: usize = 2;

/// Returns advice if a word looks like a filter that there is not.
pub(super) fn unknown(body: &str) -> Option<Problem> {
    let (key, value) = body.strip_prefix('-').unwrap_or(body).split_once(':')?;
    let is_key = key.len() >= KEY_MIN && key.bytes().all(|c| c.is_ascii_alphabetic());
    if !is_key || value.is_empty() || value.starts_with([':', '/', '\\']) {
        return None;
    }
    let lower = key.to_ascii_lowercase();
    let hint = HINTS.iter().find(|(word, _)| *word == lower);
    let hint = hint.map(|(_, hint)| format!("write {hint}"));
    let near = || {
        let near = KEYS.iter().map(|known| (distance(known, &lower), known));
        let (wrong, known) = near.min()?;
        (wrong <= 2 && wrong < known.len()).then(|| format!("`{known}:` is the nearest"))
    };
    let hint = hint.or_else(near);
    // A port, a time: what has a number there is seldom meant as a filter.
    if hint.is_none() && value.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let known: Vec<_> = KEYS.iter().map(|key| format!("{key}:")).collect();
    let hint = hint.unwrap_or_else(|| format!("there are {}", known.join(" ")));
    Some(format!(
        "there is no filter `{key}:`; {hint}; write \"{body}\" in quotes to look for it"
    ))
}

/// Letters to put in, leave out or change, to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.bytes().enumerate() {
        let mut row = vec![i + 1];
        for (j, there) in other.bytes().enumerate() {
            let changed = last[j] + usize::from(letter != there);
            row.push(changed.min(last[j + 1] + 1).min(row[j] + 1));
        }
        last = row;
    }
    last.last().copied().unwrap_or(0)
}

/// The error in a part of a query.
type Problem = String;

/// The filters of a query: an answer has files that pass all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    /// In lower case, without the point before them. Empty: any.
    extensions: Vec<String>,
    /// Endings that no file may have.
    not_extensions: Vec<String>,
    /// Endings of the kinds that are wanted. Empty: any.
    kinds: Vec<String>,
    /// In bytes.
    size: RangeInclusive<u64>,
    /// Changed then or later.
    after: Option<SystemTime>,
    /// Changed earlier.
    before: Option<SystemTime>,
}

impl Default for Filters {
    fn default() -> Filters {
        Filters {
            extensions: Vec::new(),
            not_extensions: Vec::new(),
            kinds: Vec::new(),
            size: 0..=u64::MAX,
            after: None,
            before: None,
        }
    }
}

impl Filters {
    /// Adds the filter `key:value`, or what it leaves out.
    pub(super) fn add(
        &mut self,
        key: &str,
        sign: Sign,
        value: &str,
        now: SystemTime,
    ) -> Result<(), Problem> {
        match (key, sign) {
            ("ext", Sign::Plus) => self.extensions.extend(extensions(value)?),
            ("ext", Sign::Minus) => self.not_extensions.extend(extensions(value)?),
            ("kind", Sign::Plus) => self.kinds.extend(kinds(value)?),
            ("kind", Sign::Minus) => self.not_extensions.extend(kinds(value)?),
            (key, Sign::Minus) => {
                return Err(format!(
                    "`-{key}:` means nothing; a minus stands before ext: and kind:"
                ));
            }
            ("size", _) => self.size = both(&self.size, &sizes::parse(value)?),
            ("after", _) => self.after = self.after.max(Some(time(key, value, now)?)),
            ("before", _) => {
                let before = time(key, value, now)?;
                self.before = Some(self.before.map_or(before, |other| other.min(before)));
            }
            _ => return Err(format!("there is no filter `{key}:`")),
        }
        Ok(())
    }

    /// Returns true if every file passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Filters::default()
    }

    /// Returns true if a file of this name, size and time of its last change passes.
    #[must_use]
    pub fn admits(&self, name: &str, size: u64, modified: Option<SystemTime>) -> bool {
        self.admits_name(name)
            && self.size.contains(&size)
            && self.after.is_none_or(|after| modified >= Some(after))
            && self
                .before
                .is_none_or(|before| modified.is_some_and(|modified| modified < before))
    }

    /// Returns true if a file of this name and size may pass, whenever it changed: clocks differ.
    #[must_use]
    pub fn admits_at_some_time(&self, name: &str, size: u64) -> bool {
        self.admits_name(name) && self.size.contains(&size)
    }

    fn admits_name(&self, name: &str) -> bool {
        let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let has = |extension: &String| {
            let stem = last.strip_suffix(extension.as_str());
            stem.is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
        };
        let has_one = |list: &[String]| list.is_empty() || list.iter().any(has);
        has_one(&self.extensions) && has_one(&self.kinds) && !self.not_extensions.iter().any(has)
    }
}

fn extensions(value: &str) -> Result<Vec<String>, Problem> {
    let extensions = value.split(',').map(|extension| {
        let extension = extension.strip_prefix('.').unwrap_or(extension);
        (!extension.is_empty() && !extension.contains('/'))
            .then(|| extension.to_lowercase())
            .ok_or_else(|| "`ext:` takes endings of names, like ext:pdf or ext:jpg,png".to_owned())
    });
    extensions.collect()
}

fn kinds(value: &str) -> Result<Vec<String>, Problem> {
    let mut endings = Vec::new();
    for kind in value.split(',') {
        let known = kinds::endings(kind)
            .ok_or_else(|| format!("there is no kind `{kind}`; there are {}", kinds::names()))?;
        endings.extend(known.iter().map(|ending| (*ending).to_owned()));
    }
    Ok(endings)
}

fn both(a: &RangeInclusive<u64>, b: &RangeInclusive<u64>) -> RangeInclusive<u64> {
    *a.start().max(b.start())..=*a.end().min(b.end())
}

fn time(key: &str, value: &str, now: SystemTime) -> Result<SystemTime, Problem> {
    dates::parse(value, now).ok_or_else(|| {
        format!("`{key}:` takes a day like {key}:2026-01-31, a month, a year, {key}:yesterday, or a time ago like {key}:12h, {key}:7d or {key}:3months")
    })
}
