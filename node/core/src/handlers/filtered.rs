//! A part of the files of the share: those that pass the filters of a query, or those behind a name.

use std::{fs::File, sync::Arc};

use node_wire::query::Filters;
use plugin_api::{FileInfo, FileReader, Files, Flow, Gap, HandlerError};

/// Returns the files of `files` that pass.
pub(super) fn filtered(filters: &Filters, files: &Arc<dyn Files>) -> Arc<dyn Files> {
    if filters.is_empty() {
        return Arc::clone(files);
    }
    let filters = filters.clone();
    Arc::new(Filtered {
        files: Arc::clone(files),
        admits: move |file: &FileInfo| filters.admits(&file.name, file.size, file.modified),
    })
}

/// Returns the files of `files` behind a name, in the order of the bytes of the names.
pub(crate) fn behind(name: &str, files: &Arc<dyn Files>) -> Arc<dyn Files> {
    let name = name.to_owned();
    Arc::new(Filtered {
        files: Arc::clone(files),
        admits: move |file: &FileInfo| file.name > name,
    })
}

/// The files that a rule admits.
struct Filtered<A> {
    files: Arc<dyn Files>,
    admits: A,
}

impl<A: Fn(&FileInfo) -> bool + Send + Sync> Files for Filtered<A> {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        self.files.visit(&mut |file| {
            if (self.admits)(file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = self.files.file(name)?;
        Ok(file.filter(|file| (self.admits)(file)))
    }

    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = self.files.known(name)?;
        Ok(file.filter(|file| (self.admits)(file)))
    }

    fn visit_some(
        &self,
        prefix: &str,
        any_of: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.files.visit_some(prefix, any_of, &mut |file| {
            if (self.admits)(file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn visit_near_words(
        &self,
        word: &str,
        wrong: u8,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        // Those of files that are filtered out are words that no name has.
        self.files.visit_near_words(word, wrong, visit)
    }

    fn visit_folded_words(
        &self,
        text: &str,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        self.files.visit_folded_words(text, visit)
    }

    fn visit_with_words(
        &self,
        words: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.files.visit_with_words(words, &mut |file| {
            if (self.admits)(file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn identity(&self) -> Option<u64> {
        self.files.identity()
    }

    fn share(&self) -> Option<u64> {
        self.files.share()
    }

    fn gaps(&self) -> Vec<Gap> {
        self.files.gaps()
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        self.files.read(name, from, most)
    }

    fn open(&self, name: &str) -> Result<Option<File>, HandlerError> {
        self.files.open(name)
    }

    fn reader(&self) -> Box<dyn FileReader + '_> {
        self.files.reader()
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests make shares as their owners do: by path"
)]
mod tests {
    use super::*;
    use crate::share::{Catalogue, Share};

    #[test]
    fn files_behind_a_name_are_those_of_the_rest() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a.txt", "b.txt", "c.txt"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        let share = Arc::new(Share::open(home.path()).unwrap());
        let all: Arc<dyn Files> = Catalogue::new(&share);
        let rest = behind("a.txt", &all);
        let mut names = Vec::new();
        let visited = rest.visit(&mut |file| {
            names.push(file.name.clone());
            Flow::Continue
        });
        visited.unwrap();
        assert_eq!(names, ["b.txt", "c.txt"]);
        assert!(rest.file("a.txt").unwrap().is_none());
        assert!(rest.file("b.txt").unwrap().is_some());
    }
}
