//! A query without a prefix: names, then contents.
//!
//! # Invariants
//! - Files whose names fit come first, and a file comes once.
//! - A pattern that fits a name finds names alone.
//! - Every file that is found by its text comes with its place there: that says how it was found.
//! - A text that means nothing to the handler of contents finds names alone. The owner is
//!   told what is wrong with it if there are none.

use std::{collections::HashSet, sync::Arc, time::Instant};

use plugin_api::{Asker, Example, Files, Flow, Gap, Handler, HandlerError, Hit, Sink, SummaryKeys};

/// The handlers of names and contents, as one.
pub(super) struct Both {
    pub(super) names: Arc<dyn Handler>,
    pub(super) contents: Arc<dyn Handler>,
    /// The text as the handler of contents takes it.
    pub(super) words: String,
    /// True if the text is a pattern for names, and words only if no name fits.
    pub(super) is_pattern: bool,
}

impl Handler for Both {
    fn name(&self) -> &str {
        self.names.name()
    }

    fn description(&self) -> &str {
        self.names.description()
    }

    fn examples(&self) -> Vec<Example> {
        self.names.examples()
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let mut once = Once {
            sink,
            given: HashSet::new(),
            is_over: false,
        };
        self.names.answer(text, files, &mut once)?;
        let is_named = !once.given.is_empty();
        if once.is_over || (is_named && self.is_pattern) || once.flow() == Flow::Stop {
            return Ok(());
        }
        let is_told = !is_named && once.asker() == Asker::Owner;
        match self.contents.answer(&self.words, files, &mut once) {
            Err(HandlerError::BadQuery { .. }) if !is_told => Ok(()),
            answered => answered,
        }
    }
}

/// Returns the keys of names, where contents may be found as well:
/// no peer is passed over for names alone, and one that seems to have it is asked first.
pub(super) fn keys(names: SummaryKeys) -> SummaryKeys {
    SummaryKeys {
        texts: Vec::new(),
        ..names
    }
}

/// Passes on each file once.
struct Once<'s> {
    sink: &'s mut dyn Sink,
    /// The names of the files that were passed on.
    given: HashSet<String>,
    /// True if no more is wanted.
    is_over: bool,
}

impl Sink for Once<'_> {
    fn hit(&mut self, hit: Hit) -> Flow {
        if !self.given.insert(hit.file.name.clone()) {
            return self.sink.flow();
        }
        let flow = self.sink.hit(hit);
        self.is_over |= flow == Flow::Stop;
        flow
    }

    fn flow(&self) -> Flow {
        self.sink.flow()
    }

    fn partial(&mut self, gap: Gap) {
        self.sink.partial(gap);
    }

    fn room(&self) -> usize {
        self.sink.room()
    }

    fn deadline(&self) -> Option<Instant> {
        self.sink.deadline()
    }

    fn asker(&self) -> Asker {
        self.sink.asker()
    }

    fn context_lines(&self) -> usize {
        self.sink.context_lines()
    }
}
