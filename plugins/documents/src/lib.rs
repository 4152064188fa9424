//! Documents: their text, for the index and its handlers.
//!
//! # Participants
//! - [`Documents`] stands between an index of texts and the files of a share: to the index a document is its text
//!   (`view`), and a hit in a text becomes one in the document, with its page, sheet, chapter or part (`handler`).
//! - A *worker* reads one document ([`read`], `readers`): a process of this program in another role, which has an open
//!   file, a pipe and nothing else. `jailer` starts it, listens to it (`protocol`) and ends it.
//! - `kept` keeps texts by the digests of the documents, `listed` knows the documents by name, `reading` has them read.
//!
//! # How a text comes to be
//! The index reads a file. If the file begins as a document (`kind`), reading fails for now, and the document waits.
//! A thread takes its digest; if the text of that is kept, it is ready, else a worker reads it. Then the file has
//! another version for the index, which reads it again, as a text.
//!
//! # Invariants
//! - No byte of a document is parsed in this process.
//! - One document costs itself only: a worker that breaks, hangs or takes too much ends, and the document is
//!   unreadable until it changes.
//! - Nothing that is kept here is needed; texts and list may go at any time.
//! - [`Index::stop`] returns when no worker and no thread runs any more.
//!
//! # Non-goals
//! Letters in pictures; documents in documents; a way back from a text to the document.

mod handler;
mod jailer;
mod kept;
mod kind;
pub mod limits;
mod listed;
mod output;
mod protocol;
mod readers;
mod reading;
mod reason;
mod shared;
mod view;
mod worker;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use plugin_api::{DocumentsStatus, Files, Handler, Index, IndexStatus, TextListener};
use plugin_host::lock;

use self::{handler::OfTexts, kept::Kept, limits::WORKERS_MAX, shared::Shared, view::TextFiles};
pub use self::{
    jailer::Program,
    worker::{WORKER, is_asked, read},
};

/// Directory of the texts.
const TEXTS: &str = "texts";

/// File with the list of the documents.
const LIST: &str = "list.json";

/// An index that sees documents as texts.
pub struct Documents {
    index: Arc<dyn Index>,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Documents {
    /// Begins to read the documents of `files`, and opens an index of their texts with `open`. Texts are kept in
    /// `directory`, which is the own one of this.
    ///
    /// # Errors
    /// Errors if the directory cannot be used, a thread cannot be started, or the index does not open.
    pub fn open(
        directory: &Path,
        files: Arc<dyn Files>,
        program: Program,
        open: impl FnOnce(Arc<dyn Files>) -> io::Result<Arc<dyn Index>>,
    ) -> io::Result<Documents> {
        let kept = Kept::open(directory.join(TEXTS))?;
        let shared = Shared::new(Arc::clone(&files), program, kept, directory.join(LIST));
        let shared = Arc::new(shared);
        let index = open(Arc::new(TextFiles::for_index(files, &shared)))?;
        if let Some(handler) = index.handlers().into_iter().next() {
            shared.tell(handler);
        }
        let documents = Documents {
            index,
            shared,
            threads: Mutex::default(),
        };
        for number in 1..=WORKERS_MAX {
            let shared = Arc::clone(&documents.shared);
            let thread = thread::Builder::new().name(format!("documents {number}"));
            let thread = thread.spawn(move || {
                plugin_host::stand_back();
                reading::run(&shared);
            });
            lock(&documents.threads).push(thread?);
        }
        Ok(documents)
    }
}

impl Index for Documents {
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let handlers = self.index.handlers().into_iter();
        let of_texts = handlers.map(|handler| {
            let of_texts = OfTexts::new(handler, Arc::clone(&self.shared));
            Arc::new(of_texts) as Arc<dyn Handler>
        });
        of_texts.collect()
    }

    fn status(&self) -> IndexStatus {
        let mut status = self.index.status();
        let waits = |name: &str| {
            let entry = self.shared.listed.last(name);
            entry.is_some_and(|entry| entry.waits())
        };
        status.unreadable.retain(|(name, _)| !waits(name));
        let documents: DocumentsStatus = self.shared.status();
        IndexStatus {
            documents: Some(documents),
            ..status
        }
    }

    fn unreadable_documents(&self, after: Option<&str>, most: usize) -> Vec<(String, String)> {
        self.shared.listed.unreadable(after, most)
    }

    fn listen(&self, listener: TextListener) {
        self.shared.listen(listener);
    }

    fn stop(&self) {
        self.shared.stop();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.join().is_err() {
                tracing::error!("a thread of the documents broke");
            }
        }
        if self.shared.take_new() {
            reading::save(&self.shared);
        }
        self.index.stop();
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Documents").field(&self.status()).finish()
    }
}
