//! The handler `text:`: files that have words and phrases, the best first.

mod finder;
mod look;
mod parted;
mod query;
mod ranking;

use std::{collections::HashSet, iter::Peekable, sync::Arc, vec::IntoIter};

use plugin_api::{
    Changes, Example, FileInfo, FileReader, Files, Flow, Gap, GapReason, Handler, HandlerError,
    Hit, Sink,
};
use plugin_words::Fit;

use self::{
    finder::Finder,
    look::Looked,
    parted::{Checking, Grown, Other},
    query::TextQuery,
    ranking::{Collection, Counts},
};
use crate::{
    letters::letter_at,
    limits::{COUNTED_MAX, TEXT_MAX, UNINDEXED_BYTES_MAX, UNINDEXED_FILES_MAX},
    source,
    state::{Seen, Shared},
    store::{AnyOf, StoreError, View, WantedWord, score_of},
};

/// Files that the index is asked for at first; more if they do not suffice.
const PAGE: usize = 128;

/// Most files that it is asked for at a time.
const PAGE_MAX: usize = 4_096;

/// Fewest files that are looked into at a time.
const TOGETHER_MIN: usize = 8;

/// The handler `text:`.
pub struct Text {
    shared: Arc<Shared>,
}

/// Files that the index does not have as they are.
#[derive(Default)]
struct Unindexed {
    /// They are read.
    whole: Vec<FileInfo>,
    /// Only what is new of them is.
    grown: Vec<Grown>,
}

/// One question.
struct TextSearch<'a> {
    files: &'a dyn Files,
    finder: Finder,
    /// Words that files have to have, by groups.
    wanted: Vec<AnyOf>,
    /// All of them, each once.
    words: Vec<WantedWord>,
}

impl Text {
    pub(crate) fn new(shared: Arc<Shared>) -> Text {
        Text { shared }
    }

    /// Returns files that are not indexed, and that can be read while somebody waits.
    fn unindexed(&self, asked: &TextSearch<'_>, seen: &Seen, sink: &mut dyn Sink) -> Unindexed {
        let mut unindexed = Unindexed::default();
        let mut left = UNINDEXED_BYTES_MAX;
        let unreadable = seen.unreadable.keys();
        for name in unreadable {
            if !matches!(asked.files.file(name), Ok(None)) {
                sink.partial(Gap::of(name, GapReason::Unreadable));
            }
        }
        let readable = seen.waiting.len().saturating_sub(seen.unreadable.len());
        if !seen.is_listed || readable > UNINDEXED_FILES_MAX {
            sink.partial(Gap::of_many(GapReason::Unread));
            return unindexed;
        }
        let waiting = seen.waiting.keys();
        let readable = waiting.filter(|name| !seen.unreadable.contains_key(*name));
        for name in readable {
            let file = match asked.files.file(name) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(_) => {
                    sink.partial(Gap::of(name, GapReason::Unreadable));
                    continue;
                }
            };
            if file.size <= left.min(TEXT_MAX as u64) {
                left -= file.size;
                unindexed.whole.push(file);
                continue;
            }
            let indexed = seen.indexed.get(name).filter(|_| seen.view.is_some());
            let grown = indexed.and_then(|indexed| Grown::of(&file, indexed, asked, &mut left));
            if let Some(grown) = grown {
                unindexed.grown.push(grown);
                continue;
            }
            sink.partial(Gap::of(name, GapReason::Unread));
            if left >= TEXT_MAX as u64 {
                // Its first part is looked into.
                left -= TEXT_MAX as u64;
                unindexed.whole.push(file);
            }
        }
        unindexed
    }

    /// Returns the counts of the index for all files.
    fn collection(words: &[WantedWord], view: Option<&View>) -> Result<Collection, StoreError> {
        let Some(view) = view else {
            return Ok(Collection {
                with: vec![0; words.len()],
                ..Collection::default()
            });
        };
        let with = words
            .iter()
            .map(|wanted| view.files_with(wanted.word.exact()));
        Ok(Collection {
            files: view.files(),
            words: view.words()?,
            with: with.collect::<Result<_, _>>()?,
        })
    }

    /// Gives the files of the index, and `others` where they belong.
    fn merge(
        &self,
        asked: &TextSearch<'_>,
        (seen, view): (&Seen, &View),
        others: Vec<Hit>,
        grown: &[Grown],
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let read: HashSet<String> = others.iter().map(|hit| hit.file.name.clone()).collect();
        let (parted, candidates) = asked.in_parts(view, grown)?;
        let candidates = candidates.into_iter();
        let candidates = candidates.filter(|candidate| !read.contains(&candidate.name));
        let mut others: Vec<Other> = others.into_iter().map(Other::Hit).collect();
        others.extend(candidates.map(Other::Candidate));
        others.sort_by(|a, b| b.score().total_cmp(&a.score()));
        let is_indexed = |name: &str, version| self.shared.is_indexed(seen, name, version);
        let mut checking = Checking::new(asked, &is_indexed, sink);
        let mut cut = view.cut()?;
        cut.retain(|name| !read.contains(name));
        let is_given = |name: &str| read.contains(name) || parted.has(name);
        let mut others = others.into_iter().peekable();
        for fit in [Fit::Exact, Fit::Folded] {
            if fit == Fit::Folded && !view.has_folded(&asked.wanted)? {
                break;
            }
            let mut others = Others {
                left: &mut others,
                checking: &mut checking,
            };
            let flow = self.merge_of(fit, asked, view, &is_given, &mut others, sink)?;
            if flow == Flow::Stop {
                return Ok(());
            }
        }
        for other in others {
            if checking.give(other, sink) == Flow::Stop {
                return Ok(());
            }
        }
        if sink.flow() == Flow::Continue {
            cut.retain(|name| !checking.has_given(name));
            asked.tell_cut(cut, sink);
        }
        Ok(())
    }

    /// Gives the files of the index with this fit, and the better ones of `others`.
    fn merge_of(
        &self,
        fit: Fit,
        asked: &TextSearch<'_>,
        view: &View,
        is_given: &dyn Fn(&str) -> bool,
        others: &mut Others<'_, '_>,
        sink: &mut dyn Sink,
    ) -> Result<Flow, StoreError> {
        let (mut offset, mut page) = (0, sink.room().saturating_add(1).min(PAGE));
        loop {
            let mut best = view.best(&asked.wanted, fit, offset, page)?;
            let is_last = best.len() < page;
            best.retain(|file| !is_given(&file.name));
            let mut left = &best[..];
            while !left.is_empty() {
                // No more than may still be wanted.
                let most = sink.room().saturating_add(1).max(TOGETHER_MIN);
                let (now, later) = left.split_at(most.min(left.len()));
                left = later;
                let looked = asked.look_into(now, &self.shared.helpers, sink);
                if give_looked(looked, others, sink) == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            if is_last {
                return Ok(Flow::Continue);
            }
            offset += page;
            page = (page * 2).min(PAGE_MAX);
        }
    }
}

impl TextSearch<'_> {
    fn read(
        &self,
        file: &FileInfo,
        reader: &mut (dyn FileReader + '_),
        sink: &mut dyn Sink,
    ) -> Option<String> {
        let stopped = || sink.flow() == Flow::Stop;
        match source::first_text(self.files, reader, file, &stopped) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    sink.partial(Gap::of(&file.name, source::gap(&error)));
                }
                None
            }
        }
    }

    /// Returns hits among files that are not indexed, best first.
    fn read_all(
        &self,
        files: Vec<FileInfo>,
        mut collection: Collection,
        sink: &mut dyn Sink,
    ) -> Vec<Hit> {
        // With the numbers of the index, so that scores can be compared with its own.
        let is_known = collection.files > 0;
        let mut reader = self.files.reader();
        let mut found = Vec::new();
        for file in files {
            if sink.flow() == Flow::Stop {
                break;
            }
            let Some(text) = self.read(&file, reader.as_mut(), sink) else {
                continue;
            };
            let found_there = self.finder.find(&text);
            if found_there.is_none() && is_known {
                continue;
            }
            let counted = letter_at(&text, COUNTED_MAX.min(text.len()));
            let counts = Counts::of(&text[..counted], &self.words);
            if !is_known {
                collection.add(&counts);
            }
            if let Some(there) = found_there {
                let hit = Hit {
                    file,
                    score: None,
                    excerpt: Some(there.excerpt),
                };
                found.push((hit, there.fit, counts));
            }
        }
        let scored = found.into_iter().map(|(hit, fit, counts)| Hit {
            score: Some(score_of(fit, collection.score(&counts))),
            ..hit
        });
        let mut scored: Vec<Hit> = scored.collect();
        scored.sort_by(best_first);
        scored
    }
}

impl Handler for Text {
    fn name(&self) -> &str {
        "text"
    }

    fn description(&self) -> &str {
        "finds text files by words and \"quoted phrases\" in them, the best first"
    }

    fn examples(&self) -> Vec<Example> {
        examples()
    }

    fn keeps_quotes(&self) -> bool {
        true
    }

    fn changed(&self, changes: Changes<'_>) {
        self.shared.changed(changes);
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let query = TextQuery::parse(text)?;
        let finder = Finder::new(&query).map_err(|problem| HandlerError::Failed {
            handler: "text".to_owned(),
            problem,
        })?;
        let asked = TextSearch {
            files: files.as_ref(),
            finder,
            words: query.words(),
            wanted: query.wanted(),
        };
        let waits = || sink.flow() == Flow::Continue;
        let Some(_permit) = self.shared.texts.take_while(&waits) else {
            return Ok(());
        };
        let is_ours =
            files.identity().is_some() && files.identity() == self.shared.files.identity();
        if !is_ours {
            return foreign(&asked, sink);
        }
        let seen = self.shared.seen();
        let answered = Text::collection(&asked.words, seen.view.as_ref()).and_then(|collection| {
            let Unindexed { whole, grown } = self.unindexed(&asked, &seen, sink);
            let others = asked.read_all(whole, collection, sink);
            match &seen.view {
                Some(view) => self.merge(&asked, (&seen, view), others, &grown, sink),
                None => {
                    sink.partial(Gap::of_many(GapReason::Unread));
                    give(others, sink);
                    Ok(())
                }
            }
        });
        if let Err(error) = answered {
            self.shared.distrust(&error);
            sink.partial(Gap::of_many(GapReason::Unread));
        }
        Ok(())
    }
}

/// What comes beside the files of the index that have all words in one document, the best first.
struct Others<'o, 'c> {
    left: &'o mut Peekable<IntoIter<Other>>,
    checking: &'o mut Checking<'c>,
}

/// Orders hits by their scores.
fn best_first(a: &Hit, b: &Hit) -> std::cmp::Ordering {
    let score = |hit: &Hit| hit.score.unwrap_or(0.0);
    score(b).total_cmp(&score(a))
}

/// Answers about files that are not those of the index.
fn foreign(asked: &TextSearch<'_>, sink: &mut dyn Sink) -> Result<(), HandlerError> {
    let mut all = Vec::new();
    asked.files.visit(&mut |file| {
        all.push(file.clone());
        sink.flow()
    })?;
    let none = Collection {
        with: vec![0; asked.words.len()],
        ..Collection::default()
    };
    give(asked.read_all(all, none, sink), sink);
    Ok(())
}

/// Gives the files that were looked into, and the better ones of `others`. Returns whether more is
/// welcome.
fn give_looked(looked: Vec<Looked>, others: &mut Others<'_, '_>, sink: &mut dyn Sink) -> Flow {
    for looked in looked {
        while let Some(other) = others.left.next_if(|other| other.score() >= looked.score) {
            if others.checking.give(other, sink) == Flow::Stop {
                return Flow::Stop;
            }
        }
        if let Some(gap) = looked.gap {
            sink.partial(gap);
        }
        let flow = match looked.hit {
            Some(hit) => sink.hit(hit),
            None => sink.flow(),
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::Continue
}

fn give(hits: impl IntoIterator<Item = Hit>, sink: &mut dyn Sink) {
    for hit in hits {
        if sink.hit(hit) == Flow::Stop {
            return;
        }
    }
}

fn examples() -> Vec<Example> {
    let example = |text: &str, meaning: &str, finds: &[&str]| Example {
        text: text.to_owned(),
        meaning: meaning.to_owned(),
        files: vec![
            (
                "fox.txt".to_owned(),
                b"The quick brown fox jumps.\n".to_vec(),
            ),
            (
                "foxes.txt".to_owned(),
                b"Fox after fox after fox.\nOne is brown, one is quick.\n".to_vec(),
            ),
            (
                "hare.rs".to_owned(),
                b"struct BrownHare;\nfn run_fast() {}\n".to_vec(),
            ),
        ],
        finds: finds.iter().map(|name| (*name).to_owned()).collect(),
    };
    vec![
        example(
            "fox",
            "files with this word, the best first",
            &["foxes.txt", "fox.txt"],
        ),
        example(
            "brown fox",
            "files with all words",
            &["foxes.txt", "fox.txt"],
        ),
        example("\"brown fox\"", "words one behind the other", &["fox.txt"]),
        example("brown -fox", "without a word", &["hare.rs"]),
        example("hare OR jumps", "one of several", &["fox.txt", "hare.rs"]),
        example("jump*", "the begin of a word", &["fox.txt"]),
        example(
            "run_fast",
            "a name of a program; its parts are words too",
            &["hare.rs"],
        ),
    ]
}
