//! Filters: which files an answer may have.

use std::{ops::RangeInclusive, sync::Arc, time::SystemTime};

use plugin_api::{FileInfo, Files, Flow, HandlerError};

use super::dates;
use node_base::size::Size;

/// The words before a colon that are no text.
pub(super) const KEYS: &[&str] = &["ext", "size", "after", "before", "context"];

/// What is wrong with a part of a query.
type Problem = String;

/// Which files an answer may have: those that pass all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    /// In lower case, without the point before them. Empty: any.
    extensions: Vec<String>,
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
            size: 0..=u64::MAX,
            after: None,
            before: None,
        }
    }
}

impl Filters {
    /// Adds the filter `key:value`.
    pub(super) fn add(&mut self, key: &str, value: &str, now: SystemTime) -> Result<(), Problem> {
        match key {
            "ext" => self.extensions.extend(extensions(value)?),
            "size" => self.size = both(&self.size, &sizes(value)?),
            "after" => self.after = self.after.max(Some(time(key, value, now)?)),
            "before" => {
                let before = time(key, value, now)?;
                self.before = Some(self.before.map_or(before, |other| other.min(before)));
            }
            _ => return Err(format!("there is no filter `{key}:`")),
        }
        Ok(())
    }

    /// Whether every file passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Filters::default()
    }

    /// Whether `file` passes.
    #[must_use]
    pub fn admits(&self, file: &FileInfo) -> bool {
        self.admits_name(&file.name)
            && self.size.contains(&file.size)
            && self.after.is_none_or(|after| file.modified >= Some(after))
            && self
                .before
                .is_none_or(|before| file.modified.is_some_and(|modified| modified < before))
    }

    fn admits_name(&self, name: &str) -> bool {
        let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let has = |extension: &String| {
            let stem = last.strip_suffix(extension.as_str());
            stem.is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
        };
        self.extensions.is_empty() || self.extensions.iter().any(has)
    }

    /// The files of `files` that pass.
    #[must_use]
    pub fn apply(&self, files: &Arc<dyn Files>) -> Arc<dyn Files> {
        if self.is_empty() {
            return Arc::clone(files);
        }
        Arc::new(Filtered {
            files: Arc::clone(files),
            filters: self.clone(),
        })
    }
}

/// The files that pass.
struct Filtered {
    files: Arc<dyn Files>,
    filters: Filters,
}

impl Files for Filtered {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        self.files.visit(&mut |file| {
            if self.filters.admits(file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = self.files.file(name)?;
        Ok(file.filter(|file| self.filters.admits(file)))
    }

    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = self.files.known(name)?;
        Ok(file.filter(|file| self.filters.admits(file)))
    }

    fn visit_some(
        &self,
        prefix: &str,
        any_of: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.files.visit_some(prefix, any_of, &mut |file| {
            if self.filters.admits(file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn visit_words(&self, visit: &mut dyn FnMut(&str) -> Flow) -> Result<bool, HandlerError> {
        // Those of files that are filtered out are words that no name has.
        self.files.visit_words(visit)
    }

    fn identity(&self) -> Option<u64> {
        self.files.identity()
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        self.files.read(name, from, most)
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

fn sizes(value: &str) -> Result<RangeInclusive<u64>, Problem> {
    let size = |text: &str| {
        let size = text.parse::<Size>().map(Size::bytes);
        size.map_err(|error| format!("in `size:{value}`: {error}, like size:>10M or size:1K..2M"))
    };
    if let Some(least) = value.strip_prefix(">=") {
        Ok(size(least)?..=u64::MAX)
    } else if let Some(least) = value.strip_prefix('>') {
        Ok(size(least)?.saturating_add(1)..=u64::MAX)
    } else if let Some(most) = value.strip_prefix("<=") {
        Ok(0..=size(most)?)
    } else if let Some(most) = value.strip_prefix('<') {
        let most = size(most)?.checked_sub(1);
        most.map(|most| 0..=most)
            .ok_or_else(|| "no file is smaller than `size:<0`".to_owned())
    } else if let Some((least, most)) = value.split_once("..") {
        Ok(size(least)?..=size(most)?)
    } else {
        let exactly = size(value)?;
        Ok(exactly..=exactly)
    }
}

fn both(a: &RangeInclusive<u64>, b: &RangeInclusive<u64>) -> RangeInclusive<u64> {
    *a.start().max(b.start())..=*a.end().min(b.end())
}

fn time(key: &str, value: &str, now: SystemTime) -> Result<SystemTime, Problem> {
    dates::parse(value, now).ok_or_else(|| {
        format!("`{key}:` takes a day like {key}:2026-01-31, a month, a year, or a time ago like {key}:7d or {key}:12h")
    })
}
