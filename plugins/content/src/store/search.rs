//! Asking the index: which files may match a pattern, and which fit words best.

use std::{collections::BTreeSet, ops::Bound};

use plugin_words::{Fit, Word};
use tantivy::{
    DocAddress, TantivyDocument, Term,
    collector::{DocSetCollector, TopDocs},
    query::{
        BooleanQuery, ConstScoreQuery, EnableScoring, InvertedIndexRangeQuery, Occur, Query,
        TermQuery,
    },
    schema::IndexRecordOption,
};

use super::{StoreError, View, unbroken};
use crate::{
    blocks::Candidates,
    pattern::Needs,
    trigrams::{self, CUT, EVERYTHING, NUL, TERM},
};

/// Most trigrams of one text that are looked up; the rarest say enough.
const TRIGRAMS_ASKED: usize = 12;

/// A file that has all words, by the index.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    pub(crate) name: String,
    /// The version of the file that was read.
    pub(crate) version: u64,
    pub(crate) fit: Fit,
    pub(crate) score: f64,
}

/// A word that a file has to have, or the start of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WantedWord {
    pub(crate) word: Word,
    pub(crate) is_begin: bool,
}

/// Groups of words; a file has to have all words of one group.
pub(crate) type AnyOf = Vec<Vec<WantedWord>>;

/// Returns a score that puts the fit of words first: from 1 on if they fit exactly, less if not.
pub(crate) fn score_of(fit: Fit, score: f64) -> f64 {
    match fit {
        Fit::Exact => 1.0 + score,
        Fit::Folded => score / (1.0 + score),
    }
}

impl View {
    /// Returns the parts of files whose trigrams allow a match, as long as `goes_on`.
    pub(crate) fn candidates(
        &self,
        needs: &Needs,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Candidates, StoreError> {
        unbroken("it was asked for trigrams", || {
            let everything = self.trigram(EVERYTHING);
            let query = BooleanQuery::union(vec![self.query(needs)?, everything]);
            let enable = EnableScoring::disabled_from_searcher(&self.searcher);
            let weight = query.weight(enable)?;
            let mut candidates = Candidates::default();
            for (ordinal, segment) in (0..).zip(self.searcher.segment_readers()) {
                let mut found = Vec::new();
                weight.for_each_no_score(segment, &mut |documents| {
                    found.extend_from_slice(documents);
                })?;
                if let Some(alive) = segment.alive_bitset() {
                    found.retain(|document| alive.is_alive(*document));
                }
                for document in found {
                    let address = DocAddress::new(ordinal, document);
                    let document: TantivyDocument = self.searcher.doc(address)?;
                    let (name, version) = self.fields.stored(&document)?;
                    candidates.add(name, version, self.fields.block(&document));
                    if !goes_on() {
                        return Ok(candidates);
                    }
                }
            }
            Ok(candidates)
        })
    }

    /// Returns the names of the files that have more text than is in the index.
    pub(crate) fn cut(&self) -> Result<BTreeSet<String>, StoreError> {
        unbroken("it was asked for long files", || self.marked(CUT))
    }

    /// Returns the names of the texts that have a NUL.
    pub(crate) fn with_nul(&self) -> Result<BTreeSet<String>, StoreError> {
        unbroken("it was asked for texts with a NUL", || self.marked(NUL))
    }

    /// Returns the names of the files that have a document with this mark.
    pub(super) fn marked(&self, mark: &str) -> Result<BTreeSet<String>, StoreError> {
        let term = Term::from_field_text(self.fields.trigrams, mark);
        if self.searcher.doc_freq(&term)? == 0 {
            return Ok(BTreeSet::new());
        }
        let found = self
            .searcher
            .search(&*self.trigram(mark), &DocSetCollector)?;
        let names = found.into_iter().map(|address| self.name(address));
        names.collect()
    }

    /// Returns the best files that have what is `wanted` of words, exactly or folded but not
    /// exactly: `limit` of them, after the best `offset`.
    pub(crate) fn best(
        &self,
        wanted: &[AnyOf],
        fit: Fit,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Best>, StoreError> {
        unbroken("it was asked for words", || {
            let exact = self.wanted(wanted, Fit::Exact);
            let query = match fit {
                Fit::Exact => exact,
                Fit::Folded => Box::new(BooleanQuery::new(vec![
                    (Occur::Must, self.wanted(wanted, Fit::Folded)),
                    (Occur::MustNot, exact),
                ])),
            };
            let top = TopDocs::with_limit(limit).and_offset(offset);
            let found = self.searcher.search(&query, &top.order_by_score())?;
            let best = found.into_iter().map(|(score, address)| {
                let document: TantivyDocument = self.searcher.doc(address)?;
                let (name, version) = self.fields.stored(&document)?;
                Ok(Best {
                    name,
                    version,
                    fit,
                    score: score_of(fit, f64::from(score)),
                })
            });
            best.collect()
        })
    }

    /// Returns true if the index has a word that matches one of `wanted` and is spelt otherwise.
    pub(crate) fn has_folded(&self, wanted: &[AnyOf]) -> Result<bool, StoreError> {
        unbroken("it was asked for spellings", || {
            for term in wanted.iter().flatten().flatten() {
                if term.is_begin {
                    return Ok(true);
                }
                for term in term.word.folded_terms() {
                    let term = Term::from_field_text(self.fields.words, &term);
                    if self.searcher.doc_freq(&term)? > 0 {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        })
    }

    /// Returns the number of files that have `word`.
    pub(crate) fn files_with(&self, word: &str) -> Result<u64, StoreError> {
        let term = Term::from_field_text(self.fields.words, word);
        unbroken("it was asked for a word", || {
            Ok(self.searcher.doc_freq(&term)?)
        })
    }

    /// Returns the number of files.
    pub(crate) fn files(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// Returns the number of words of all files.
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

    pub(super) fn name(&self, address: DocAddress) -> Result<String, StoreError> {
        let document: TantivyDocument = self.searcher.doc(address)?;
        Ok(self.fields.stored(&document)?.0)
    }

    fn wanted(&self, wanted: &[AnyOf], fit: Fit) -> Box<dyn Query> {
        let groups = wanted.iter().map(|any| {
            let phrases = any.iter().map(|words| {
                let words = words.iter().map(|word| self.word(word, fit));
                joined(Occur::Must, words.collect())
            });
            joined(Occur::Should, phrases.collect())
        });
        joined(Occur::Must, groups.collect())
    }

    pub(super) fn word(&self, wanted: &WantedWord, fit: Fit) -> Box<dyn Query> {
        let mut terms = vec![wanted.word.exact().to_owned()];
        if fit == Fit::Folded {
            terms.extend(wanted.word.folded_terms());
        }
        let queries = terms.iter().map(|term| {
            if wanted.is_begin {
                self.begin(term)
            } else {
                let term = Term::from_field_text(self.fields.words, term);
                Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as Box<dyn Query>
            }
        });
        joined(Occur::Should, queries.collect())
    }

    /// Returns files with a word that begins like this.
    fn begin(&self, begin: &str) -> Box<dyn Query> {
        let term = |text: &str| Term::from_field_text(self.fields.words, text);
        let upper =
            behind_all(begin).map_or(Bound::Unbounded, |behind| Bound::Excluded(term(&behind)));
        Box::new(InvertedIndexRangeQuery::new(
            Bound::Included(term(begin)),
            upper,
        ))
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

    /// Returns the rarest trigrams of a text.
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

/// Returns these queries as one. One by itself is faster alone: most places need not be looked at.
fn joined(occur: Occur, mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if queries.len() == 1 {
        return queries.swap_remove(0);
    }
    let queries = queries.into_iter().map(|query| (occur, query));
    Box::new(BooleanQuery::new(queries.collect()))
}

/// Returns the least text that comes behind all that begin with `begin`, if there is one.
fn behind_all(begin: &str) -> Option<String> {
    let last = begin.chars().next_back()?;
    let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32)?;
    Some(format!("{}{next}", &begin[..begin.len() - last.len_utf8()]))
}
