//! Asking the index: which files may match a pattern, and which fit words best.

use std::ops::ControlFlow;

use tantivy::{
    DocAddress, TantivyDocument, Term,
    collector::TopDocs,
    query::{BooleanQuery, ConstScoreQuery, EnableScoring, Occur, Query, TermQuery},
    schema::IndexRecordOption,
};

use super::{StoreError, View, unbroken};
use crate::{
    pattern::Needs,
    trigrams::{self, EVERYTHING, TERM},
};

/// Most trigrams of one text that are looked up; the rarest say enough.
const TRIGRAMS_ASKED: usize = 12;

/// A file that has all words, by what the index says.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    pub(crate) name: String,
    pub(crate) score: f32,
}

impl View {
    /// Calls `visit` with the name of each file whose trigrams allow a match.
    pub(crate) fn candidates(
        &self,
        needs: &Needs,
        visit: &mut dyn FnMut(String) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        unbroken("it was asked for trigrams", || {
            let everything = self.trigram(EVERYTHING);
            let query = BooleanQuery::union(vec![self.query(needs)?, everything]);
            let enable = EnableScoring::disabled_from_searcher(&self.searcher);
            let weight = query.weight(enable)?;
            for (ordinal, segment) in (0..).zip(self.searcher.segment_readers()) {
                let mut found = Vec::new();
                weight.for_each_no_score(segment, &mut |documents| {
                    found.extend_from_slice(documents);
                })?;
                if let Some(alive) = segment.alive_bitset() {
                    found.retain(|document| alive.is_alive(*document));
                }
                for document in found {
                    let name = self.name(DocAddress::new(ordinal, document))?;
                    if visit(name).is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    /// The best files that have all of `words`: `limit` of them, after the best
    /// `offset`.
    pub(crate) fn best(
        &self,
        words: &[String],
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Best>, StoreError> {
        unbroken("it was asked for words", || {
            let query: Box<dyn Query> = match words {
                // By itself it is faster: most places need not be looked at.
                [word] => self.word(word),
                _ => {
                    let all = words.iter().map(|word| (Occur::Must, self.word(word)));
                    Box::new(BooleanQuery::new(all.collect()))
                }
            };
            let top = TopDocs::with_limit(limit).and_offset(offset);
            let found = self.searcher.search(&query, &top.order_by_score())?;
            let best = found.into_iter().map(|(score, address)| {
                let name = self.name(address)?;
                Ok(Best { name, score })
            });
            best.collect()
        })
    }

    /// Number of files that have `word`.
    pub(crate) fn files_with(&self, word: &str) -> Result<u64, StoreError> {
        let term = Term::from_field_text(self.fields.words, word);
        unbroken("it was asked for a word", || {
            Ok(self.searcher.doc_freq(&term)?)
        })
    }

    /// Number of files.
    pub(crate) fn files(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// Number of words of all files.
    pub(crate) fn words(&self) -> Result<u64, StoreError> {
        unbroken("its words were counted", || {
            let mut words = 0;
            for segment in self.searcher.segment_readers() {
                words += segment
                    .inverted_index(self.fields.words)?
                    .total_num_tokens();
            }
            Ok(words)
        })
    }

    fn name(&self, address: DocAddress) -> Result<String, StoreError> {
        let document: TantivyDocument = self.searcher.doc(address)?;
        Ok(self.fields.stored(&document)?.0)
    }

    fn word(&self, word: &str) -> Box<dyn Query> {
        let term = Term::from_field_text(self.fields.words, word);
        Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
    }

    fn trigram(&self, term: &str) -> Box<dyn Query> {
        let term = Term::from_field_text(self.fields.trigrams, term);
        let term = TermQuery::new(term, IndexRecordOption::Basic);
        Box::new(ConstScoreQuery::new(Box::new(term), 1.0))
    }

    fn query(&self, needs: &Needs) -> Result<Box<dyn Query>, StoreError> {
        Ok(match needs {
            Needs::Anything => Box::new(tantivy::query::AllQuery),
            Needs::Text(text) => Box::new(BooleanQuery::intersection(self.text(text)?)),
            Needs::All(parts) => Box::new(BooleanQuery::intersection(self.queries(parts)?)),
            Needs::Any(parts) => Box::new(BooleanQuery::union(self.queries(parts)?)),
        })
    }

    fn queries(&self, parts: &[Needs]) -> Result<Vec<Box<dyn Query>>, StoreError> {
        parts.iter().map(|part| self.query(part)).collect()
    }

    /// The rarest trigrams of a text.
    fn text(&self, text: &[u8]) -> Result<Vec<Box<dyn Query>>, StoreError> {
        let mut all: Vec<u32> = trigrams::of(text).collect();
        all.sort_unstable();
        all.dedup();
        let mut counted = Vec::new();
        for trigram in all {
            let mut letters = [0; TERM];
            let term = trigrams::term(trigram, &mut letters);
            let known = Term::from_field_text(self.fields.trigrams, term);
            counted.push((self.searcher.doc_freq(&known)?, trigram));
        }
        counted.sort_unstable();
        counted.truncate(TRIGRAMS_ASKED);
        let terms = counted.into_iter().map(|(_, trigram)| {
            let mut letters = [0; TERM];
            self.trigram(trigrams::term(trigram, &mut letters))
        });
        Ok(terms.collect())
    }
}
