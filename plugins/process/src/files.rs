//! The files of the share, as a program sees them.

use std::{collections::VecDeque, time::UNIX_EPOCH};

use plugin_api::{FileInfo, Files, Flow, HandlerError};

use crate::message::Described;

/// Most files of a page.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Most bytes of the names of a page, but for the last one.
const PAGE_NAMES_MAX: usize = 128 * 1024;

/// Most files that are read ahead, so that a long list is not walked again for
/// each page.
const AHEAD_MAX: usize = 50_000;

/// Most ends of names that are looked for.
const ENDINGS_MAX: usize = 32;

/// The list, page by page.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    endings: Vec<String>,
    /// The name behind which `ahead` begins.
    after: String,
    ahead: VecDeque<Described>,
    /// True if there is nothing behind `ahead`.
    is_all: bool,
    begun: bool,
}

impl Listing {
    /// Returns the page behind the name `after`, and whether there is more behind it.
    pub(crate) fn page(
        &mut self,
        files: &dyn Files,
        after: String,
        endings: Vec<String>,
    ) -> Result<(Vec<Described>, bool), HandlerError> {
        let is_next = self.begun && after == self.after && endings == self.endings;
        if !is_next || (self.ahead.is_empty() && !self.is_all) {
            self.begun = true;
            (self.after, self.endings) = (after, endings);
            self.endings.truncate(ENDINGS_MAX);
            self.read_ahead(files)?;
        }
        let (mut page, mut names) = (Vec::new(), 0);
        while page.len() < PAGE_MAX
            && names < PAGE_NAMES_MAX
            && let Some(file) = self.ahead.pop_front()
        {
            names += file.name.len();
            page.push(file);
        }
        if let Some(last) = page.last() {
            self.after.clone_from(&last.name);
        }
        let is_last = self.is_all && self.ahead.is_empty();
        Ok((page, !is_last))
    }

    fn read_ahead(&mut self, files: &dyn Files) -> Result<(), HandlerError> {
        self.ahead.clear();
        self.is_all = true;
        files.visit(&mut |info| {
            if info.name <= self.after || !self.fits(&info.name) {
                return Flow::Continue;
            }
            if self.ahead.len() >= AHEAD_MAX {
                self.is_all = false;
                return Flow::Stop;
            }
            self.ahead.push_back(described(info));
            Flow::Continue
        })
    }

    fn fits(&self, name: &str) -> bool {
        if self.endings.is_empty() {
            return true;
        }
        let lower = name.to_lowercase();
        self.endings.iter().any(|end| lower.ends_with(end.as_str()))
    }
}

/// Returns `info` as it is sent.
pub(crate) fn described(info: &FileInfo) -> Described {
    let since = info
        .modified
        .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    Described {
        name: info.name.clone(),
        size: info.size,
        modified: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
        version: info.version,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// So many files, and how often they were walked.
    struct Many(usize, AtomicUsize);

    impl Files for Many {
        fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            for n in 0..self.0 {
                let info = FileInfo {
                    name: format!("{n:06}.{}", ["txt", "CSV"][n % 2]),
                    size: 1,
                    modified: None,
                    version: 1,
                };
                if visit(&info) == Flow::Stop {
                    break;
                }
            }
            Ok(())
        }

        fn file(&self, _: &str) -> Result<Option<FileInfo>, HandlerError> {
            Ok(None)
        }

        fn read(&self, _: &str, _: u64, _: usize) -> Result<Option<Vec<u8>>, HandlerError> {
            Ok(None)
        }
    }

    fn all(many: &Many, endings: &[&str]) -> Vec<String> {
        let endings: Vec<String> = endings.iter().map(|end| (*end).to_owned()).collect();
        let (mut listing, mut names) = (Listing::default(), Vec::<String>::new());
        loop {
            let after = names.last().cloned().unwrap_or_default();
            let (page, more) = listing.page(many, after, endings.clone()).unwrap();
            assert!(page.len() <= PAGE_MAX && (!more || !page.is_empty()));
            names.extend(page.into_iter().map(|file| file.name));
            if !more {
                return names;
            }
        }
    }

    #[test]
    fn pages_have_every_file_once_and_few_walks_are_needed() {
        for count in [0, 1, PAGE_MAX, PAGE_MAX + 1, AHEAD_MAX, AHEAD_MAX + 2_001] {
            let many = Many(count, AtomicUsize::new(0));
            let names = all(&many, &[]);
            assert_eq!(names.len(), count);
            assert!(names.is_sorted_by(|a, b| a < b));
            assert!(many.1.into_inner() <= 1 + count / AHEAD_MAX);
        }
    }

    #[test]
    fn only_wanted_ends_are_listed() {
        let many = Many(5, AtomicUsize::new(0));
        assert_eq!(all(&many, &[".csv", ".tsv"]), ["000001.CSV", "000003.CSV"]);
        assert_eq!(all(&many, &[".pdf"]), [""; 0]);
    }

    #[test]
    fn another_list_begins_anew() {
        let many = Many(5, AtomicUsize::new(0));
        let mut listing = Listing::default();
        let first = |listing: &mut Listing, after: &str, end: &str| {
            let page = listing.page(&many, after.to_owned(), vec![end.to_owned()]);
            page.unwrap().0[0].name.clone()
        };
        assert_eq!(first(&mut listing, "", "csv"), "000001.CSV");
        assert_eq!(first(&mut listing, "", "txt"), "000000.txt");
        assert_eq!(first(&mut listing, "000002", "txt"), "000002.txt");
    }
}
