//! The files of the share that pass the filters of a query.

use std::{fs::File, sync::Arc};

use node_wire::query::Filters;
use plugin_api::{FileInfo, FileReader, Files, Flow, Gap, HandlerError};

/// Returns the files of `files` that pass.
pub(super) fn filtered(filters: &Filters, files: &Arc<dyn Files>) -> Arc<dyn Files> {
    if filters.is_empty() {
        return Arc::clone(files);
    }
    Arc::new(Filtered {
        files: Arc::clone(files),
        filters: filters.clone(),
    })
}

fn admits(filters: &Filters, file: &FileInfo) -> bool {
    filters.admits(&file.name, file.size, file.modified)
}

/// The files that pass.
struct Filtered {
    files: Arc<dyn Files>,
    filters: Filters,
}

impl Files for Filtered {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        self.files.visit(&mut |file| {
            if admits(&self.filters, file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = self.files.file(name)?;
        Ok(file.filter(|file| admits(&self.filters, file)))
    }

    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = self.files.known(name)?;
        Ok(file.filter(|file| admits(&self.filters, file)))
    }

    fn visit_some(
        &self,
        prefix: &str,
        any_of: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.files.visit_some(prefix, any_of, &mut |file| {
            if admits(&self.filters, file) {
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
            if admits(&self.filters, file) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    fn identity(&self) -> Option<u64> {
        self.files.identity()
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
