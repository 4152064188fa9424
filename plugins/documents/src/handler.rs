//! Handlers of the index, asked about texts, and hits that name the parts of documents.

use std::{sync::Arc, time::Instant};

use plugin_api::{
    Asker, Changes, Example, FileInfo, Files, Flow, Gap, GapReason, Handler, HandlerError, Hit,
    NameCheck, Sink, SummaryKeys,
};

use crate::{
    kept::{Digest, Table},
    limits::HELD_MAX,
    listed::{State, plain_version},
    shared::Shared,
    view::TextFiles,
};

/// A handler that sees documents as texts.
pub(crate) struct OfTexts {
    handler: Arc<dyn Handler>,
    shared: Arc<Shared>,
}

impl OfTexts {
    pub(crate) fn new(handler: Arc<dyn Handler>, shared: Arc<Shared>) -> OfTexts {
        OfTexts { handler, shared }
    }
}

impl Handler for OfTexts {
    fn name(&self) -> &str {
        self.handler.name()
    }

    fn description(&self) -> &str {
        self.handler.description()
    }

    fn examples(&self) -> Vec<Example> {
        self.handler.examples()
    }

    fn keeps_quotes(&self) -> bool {
        self.handler.keeps_quotes()
    }

    fn summary_keys(&self, text: &str) -> Option<SummaryKeys> {
        self.handler.summary_keys(text)
    }

    fn name_check(&self, text: &str) -> Option<NameCheck> {
        self.handler.name_check(text)
    }

    fn changed(&self, changes: Changes<'_>) {
        self.shared.changed(changes);
        self.handler.changed(changes);
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        if !self.shared.is_ours(files.as_ref()) {
            return self.handler.answer(text, files, sink);
        }
        let texts = TextFiles::for_query(Arc::clone(files), &self.shared);
        let texts: Arc<dyn Files> = Arc::new(texts);
        let mut placing = Placing {
            sink,
            shared: &self.shared,
            table: None,
            held: Vec::new(),
            as_it_stands: None,
        };
        let answered = self.handler.answer(text, &texts, &mut placing);
        placing.give_held();
        // Also of those that are searched as they stand meanwhile, there is more to come.
        if self.shared.is_waiting() {
            sink.partial(Gap::of_many(GapReason::Unread));
        }
        answered
    }
}

/// Gives hits in texts as hits in documents.
///
/// A file that is text as it stands is searched twice: its text, and behind that the file itself. A hit in the file
/// itself is worth more, because other programs find the same; hits in the text are given if there is none.
struct Placing<'s> {
    sink: &'s mut dyn Sink,
    shared: &'s Shared,
    /// The table that was needed last.
    table: Option<(Digest, Arc<Table>)>,
    /// Hits in the text of one such file.
    held: Vec<Hit>,
    /// The last file that had a hit as it stands.
    as_it_stands: Option<String>,
}

/// A hit in its file.
enum Placed {
    /// To be given.
    Hit(Hit),
    /// In the text of a file that is text as it stands.
    InText(Hit),
    /// In such a file itself.
    AsItStands(Hit),
}

impl Placing<'_> {
    fn placed(&mut self, mut hit: Hit) -> Placed {
        let Some(entry) = self.shared.listed.last(&hit.file.name) else {
            return Placed::Hit(with_plain_version(hit));
        };
        let file = FileInfo {
            version: entry.version,
            size: entry.size,
            ..hit.file.clone()
        };
        if entry.shown(&file).0 != hit.file.version {
            return Placed::Hit(with_plain_version(hit));
        }
        hit.file = file;
        let State::Read(read) = entry.state else {
            return Placed::Hit(hit);
        };
        let Some(excerpt) = &mut hit.excerpt else {
            return Placed::Hit(hit);
        };
        let line = excerpt.line.unwrap_or(1);
        if read.is_text && line > read.lines {
            excerpt.line = excerpt.line.map(|line| line - read.lines);
            return Placed::AsItStands(hit);
        }
        if let Some((place, line)) = self.table(read.digest).and_then(|table| table.place(line)) {
            excerpt.place = Some(place);
            excerpt.line = excerpt.line.map(|_| line);
        }
        match read.is_text {
            true => Placed::InText(hit),
            false => Placed::Hit(hit),
        }
    }

    fn table(&mut self, digest: Digest) -> Option<Arc<Table>> {
        if let Some((known, table)) = &self.table
            && *known == digest
        {
            return Some(Arc::clone(table));
        }
        let (table, _) = self.shared.kept.table(digest).ok()??;
        let table = Arc::new(table);
        self.table = Some((digest, Arc::clone(&table)));
        Some(table)
    }

    /// Gives the hits that waited. Returns whether more is welcome.
    fn give_held(&mut self) -> Flow {
        for hit in std::mem::take(&mut self.held) {
            if self.sink.hit(hit) == Flow::Stop {
                return Flow::Stop;
            }
        }
        self.sink.flow()
    }

    fn is_held(&self, hit: &Hit) -> bool {
        let held = self.held.last();
        held.is_some_and(|held| held.file.name == hit.file.name)
    }
}

fn with_plain_version(mut hit: Hit) -> Hit {
    // What it was made of is its own opposite.
    hit.file.version = plain_version(hit.file.version);
    hit
}

impl Sink for Placing<'_> {
    fn hit(&mut self, hit: Hit) -> Flow {
        let placed = self.placed(hit);
        let (Placed::Hit(hit) | Placed::InText(hit) | Placed::AsItStands(hit)) = &placed;
        if !self.held.is_empty() && !self.is_held(hit) && self.give_held() == Flow::Stop {
            return Flow::Stop;
        }
        match placed {
            Placed::Hit(hit) => self.sink.hit(hit),
            Placed::AsItStands(hit) => {
                self.held.clear();
                self.as_it_stands = Some(hit.file.name.clone());
                self.sink.hit(hit)
            }
            Placed::InText(hit) => {
                if self.as_it_stands.as_deref() == Some(hit.file.name.as_str()) {
                    return self.sink.flow();
                }
                self.held.push(hit);
                match self.held.len() > HELD_MAX {
                    true => self.give_held(),
                    false => self.sink.flow(),
                }
            }
        }
    }

    fn flow(&self) -> Flow {
        self.sink.flow()
    }

    fn partial(&mut self, gap: Gap) {
        let name = gap.name.as_deref();
        let entry = name.and_then(|name| self.shared.listed.last(name));
        let waits = entry.is_some_and(|entry| entry.waits());
        let reason = match gap.reason {
            GapReason::Unreadable if waits => GapReason::Unread,
            reason => reason,
        };
        self.sink.partial(Gap { reason, ..gap });
    }

    fn room(&self) -> usize {
        self.sink.room().saturating_sub(self.held.len())
    }

    fn deadline(&self) -> Option<Instant> {
        self.sink.deadline()
    }

    fn asker(&self) -> Asker {
        self.sink.asker()
    }

    fn excerpts(&self) -> usize {
        self.sink.excerpts().saturating_sub(self.held.len())
    }

    fn context_lines(&self) -> usize {
        self.sink.context_lines()
    }
}
