//! Sources of handlers, beside those that are compiled in.

use std::sync::Arc;

use crate::Handler;

/// The progress of an index.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IndexStatus {
    /// Files in the index.
    pub files: u64,
    /// Files that are known to be new or changed, and wait to be read.
    pub waiting: u64,
    /// Files that cannot be read now and are tried again, and why: the first ones.
    pub unreadable: Vec<(String, String)>,
    /// True if it has all files as they are.
    pub is_complete: bool,
    /// Files that were read since the start.
    pub read: u64,
    /// Bytes that it takes on the disk.
    pub bytes: u64,
    /// The last error.
    pub error: Option<String>,
    /// The documents among the files, if their text is read.
    pub documents: Option<DocumentsStatus>,
}

/// The progress of reading the text of documents.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DocumentsStatus {
    /// Documents whose text is known.
    pub read: u64,
    /// Documents that wait to be read.
    pub waiting: u64,
    /// Documents among those that were read and that have no text, such as scanned pages.
    pub without_text: u64,
    /// Documents that cannot be read, until they change.
    pub unreadable: u64,
    /// Bytes of text that are kept.
    pub bytes: u64,
    /// The reason why no document can be read now.
    pub error: Option<String>,
}

/// Takes the name of a file whose text can be read from now on, though the file did not change.
pub type TextListener = Box<dyn Fn(&str) + Send + Sync>;

/// Handlers that keep an index of the share, on threads of their own.
pub trait Index: Send + Sync {
    /// Returns the handlers that answer from the index.
    fn handlers(&self) -> Vec<Arc<dyn Handler>>;

    /// Returns the progress of the index.
    fn status(&self) -> IndexStatus;

    /// Returns documents that cannot be read, behind the name `after`, in order of their names: at most `most`, each with
    /// the reason.
    fn unreadable_documents(&self, _after: Option<&str>, _most: usize) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Has `listener` told of files whose texts can be read from now on, though the files did not change. There is one
    /// listener. It is called by threads of the index, and must not block.
    fn listen(&self, _listener: TextListener) {}

    /// Stops the threads of the index and waits for them. Blocks.
    fn stop(&self);
}

/// A file of a [`PluginDirectory`] and its state.
#[derive(Clone)]
pub struct PluginFile {
    /// Its name.
    pub file: String,
    /// The handler, if there is one: the last valid version.
    pub handler: Option<Arc<dyn Handler>>,
    /// The id of that version.
    pub id: Option<String>,
    /// The number of that version.
    pub version: Option<u32>,
    /// True if it failed too often and is not asked any more.
    pub is_disabled: bool,
    /// The reason why the file as it is now is not used, or the last error.
    pub problem: Option<String>,
}

/// A directory whose files are handlers. Files come, change and go while the node runs.
pub trait PluginDirectory: Send + Sync {
    /// Returns the handlers, by the names of their files.
    fn handlers(&self) -> Vec<Arc<dyn Handler>>;

    /// Returns the files, by their names.
    fn list(&self) -> Vec<PluginFile>;

    /// Loads the files that changed. `taken` are the prefixes of other handlers, which no
    /// file of this directory may have. Returns a line for the owner for each file that
    /// changed. Blocks; to be called by one thread at a time.
    ///
    /// # Errors
    /// A sentence for the owner if the directory cannot be used; loaded handlers stay.
    fn refresh(&self, taken: &[String]) -> Result<Vec<(String, String)>, String>;

    /// Stops everything that runs for the handlers. Blocks.
    fn stop(&self);
}
