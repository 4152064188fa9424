//! The handlers `text:` and `grep:` of Sixhop: find files by their contents.
//!
//! # Participants
//! - [`ContentIndex`] owns an index in a directory of the node's state and the thread
//!   that keeps it (`indexer`); `store` is the index, `state` the common state of both.
//! - [`Text`] answers `text:`, words and phrases, the best files first, each with
//!   its best line.
//! - [`Grep`] answers `grep:`, a regular expression, with every line that matches.
//!
//! # How an answer comes to be
//! The index says which files may have what is asked (`store`, `pattern::needs`);
//! each of them is read (`source`), and only matches in the file as it is now are reported.
//! Files that are not indexed yet are read in any case, so that an answer is exact
//! while the index is being built; where that would take too long, the answer
//! says that it is partial.
//!
//! # Invariants
//! - Each reported match is in the file: the index is a hint, never an answer.
//! - `grep:` finds what ripgrep finds in the same files (`rg --no-ignore --hidden`),
//!   but for lines longer than [`limits::LINE_MAX`].
//! - Every wait, queue, table and text has a limit in [`limits`].
//! - An index that is damaged is rebuilt; meanwhile files are read.
//! - [`Index::stop`] returns when nothing runs any more.
//!
//! # Non-goals
//! Words of files that are not plain text; more than one pattern at a time;
//! matches across lines.

mod blocks;
mod excerpt;
mod grep;
mod growing;
mod indexer;
mod letters;
pub mod limits;
mod pattern;
mod source;
mod state;
mod store;
mod text;
mod trigrams;
mod versions;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use plugin_api::{Files, Handler, Index, IndexStatus};

use self::state::Shared;
pub use self::{grep::Grep, text::Text};

/// The index of a share and the thread that keeps it.
pub struct ContentIndex {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ContentIndex {
    /// Begins to index `files` in `directory`, which is the index's own. Calls
    /// `caught_up` on the thread of the index when it has all files for the first
    /// time, and again after it had many to read.
    ///
    /// # Errors
    /// Errors if no thread can be started. An index that cannot be opened is not an error:
    /// files are read then; [`Index::status`] says so.
    pub fn open(
        directory: PathBuf,
        files: Arc<dyn Files>,
        caught_up: impl Fn(&IndexStatus) + Send + Sync + 'static,
    ) -> io::Result<ContentIndex> {
        let shared = Arc::new(Shared::new(files));
        let (sharing, caught_up) = (Arc::clone(&shared), Box::new(caught_up) as Box<_>);
        let thread = thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || indexer::run(&sharing, &directory, &caught_up))?;
        Ok(ContentIndex {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl Index for ContentIndex {
    /// Returns the handlers `text:` and `grep:`.
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        vec![
            Arc::new(Text::new(Arc::clone(&self.shared))),
            Arc::new(Grep::new(Arc::clone(&self.shared))),
        ]
    }

    fn status(&self) -> IndexStatus {
        self.shared.status()
    }

    /// Ends the thread and waits for it: a moment. What was not committed is read
    /// again at the next start.
    fn stop(&self) {
        self.shared.stop();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the index broke");
        }
    }
}

impl Drop for ContentIndex {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for ContentIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ContentIndex").field(&self.status()).finish()
    }
}
