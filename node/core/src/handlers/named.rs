//! Some files of the share, by their names.
//!
//! No handler hears of changes to these alone, so an index does not help: a handler that looks into files reads them.

use std::{collections::BTreeSet, sync::Arc};

use plugin_api::{FileInfo, FileReader, Files, Flow, HandlerError};

/// The files of these names.
pub(super) struct NamedFiles {
    files: Arc<dyn Files>,
    names: BTreeSet<String>,
}

impl NamedFiles {
    pub(super) fn of(files: &Arc<dyn Files>, names: BTreeSet<String>) -> Arc<dyn Files> {
        Arc::new(NamedFiles {
            files: Arc::clone(files),
            names,
        })
    }
}

impl Files for NamedFiles {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        for name in &self.names {
            if let Some(file) = self.files.known(name)?
                && visit(&file) == Flow::Stop
            {
                break;
            }
        }
        Ok(())
    }

    fn are_known(&self) -> bool {
        self.files.are_known()
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        if self.names.contains(name) {
            self.files.file(name)
        } else {
            Ok(None)
        }
    }

    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        if self.names.contains(name) {
            self.files.known(name)
        } else {
            Ok(None)
        }
    }

    fn share(&self) -> Option<u64> {
        self.files.share()
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        if self.names.contains(name) {
            self.files.read(name, from, most)
        } else {
            Ok(None)
        }
    }

    fn reader(&self) -> Box<dyn FileReader + '_> {
        self.files.reader()
    }
}
