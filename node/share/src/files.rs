//! The catalogue as handlers see it.

use std::fs::File;

use node_wire::name::ShareName;
use plugin_api::{FileInfo, FileReader, Files, Flow, Gap, GapReason, HandlerError};

use super::{
    Catalogue, ShareError,
    reader::{ShareReader, read_part},
};

impl Files for Catalogue {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        self.visit_after(None, visit)
            .map(drop)
            .map_err(|error| HandlerError::Files(error.to_string()))
    }

    fn are_known(&self) -> bool {
        self.is_complete()
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        self.look_up(name)
            .map_err(|error| HandlerError::Files(error.to_string()))
    }

    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        self.get(name)
            .map_err(|error| HandlerError::Files(error.to_string()))
    }

    fn visit_some(
        &self,
        prefix: &str,
        any_of: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.search(prefix, any_of, visit)
            .map_err(|error| HandlerError::Files(error.to_string()))
    }

    fn visit_near_words(
        &self,
        word: &str,
        wrong: u8,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        Ok(self.near_words(word, wrong, visit))
    }

    fn visit_folded_words(
        &self,
        text: &str,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        Ok(self.folded_words(text, visit))
    }

    fn visit_with_words(
        &self,
        words: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.with_words(words, visit)
            .map_err(|error| HandlerError::Files(error.to_string()))
    }

    fn identity(&self) -> Option<u64> {
        Some(self.share().identity())
    }

    fn gaps(&self) -> Vec<Gap> {
        let unreadable = self.unreadable().into_iter();
        let unreadable = unreadable.map(|(name, _)| Gap::of(&name, GapReason::Unreadable));
        let unread = self
            .is_unconfirmed()
            .then(|| Gap::of_many(GapReason::Unread));
        unread.into_iter().chain(unreadable).collect()
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        let Ok(name) = ShareName::parse(name) else {
            return Ok(None);
        };
        let shared = match self.share().read(&name) {
            Ok(shared) => shared,
            Err(ShareError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(HandlerError::Files(error.to_string())),
        };
        let part = read_part(&shared.file, from, most);
        part.map(Some)
            .map_err(|error| HandlerError::Files(format!("{name}: {error}")))
    }

    fn open(&self, name: &str) -> Result<Option<File>, HandlerError> {
        let Ok(name) = ShareName::parse(name) else {
            return Ok(None);
        };
        match self.share().read(&name) {
            Ok(shared) => Ok(Some(shared.file)),
            Err(ShareError::NotFound(_)) => Ok(None),
            Err(error) => Err(HandlerError::Files(error.to_string())),
        }
    }

    fn reader(&self) -> Box<dyn FileReader + '_> {
        Box::new(ShareReader::new(self.share()))
    }
}
