//! Files whose words are in several documents: long ones, and those that grew.
//!
//! A query for several words asks which documents have all of them, and one of these files
//! may have each in another document. So the index is asked for each word of them.

use std::{collections::BTreeSet, sync::Arc};

use plugin_words::Fit;
use tantivy::{
    DocId, DocSet, TERMINATED, Term,
    query::{EnableScoring, Query, Scorer},
    schema::IndexRecordOption,
};

use super::{StoreError, View, WantedWord, unbroken};
use crate::trigrams::PART;

/// The documents of some files.
#[derive(Debug, Default)]
pub(crate) struct Parted {
    names: Vec<String>,
    /// Of each segment, the documents, in order, with the places of their names.
    documents: Vec<Vec<(DocId, usize)>>,
}

/// The best score of each word in the documents of a file; `None` if no document has the word.
pub(crate) type WordScores = Vec<Option<f64>>;

impl Parted {
    /// Returns the names of the files, in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns whether the file `name` is among them.
    pub(crate) fn has(&self, name: &str) -> bool {
        let found = self
            .names
            .binary_search_by(|known| known.as_str().cmp(name));
        found.is_ok()
    }
}

impl View {
    /// Returns the files with words in several documents, and the files `more`.
    pub(crate) fn parted(&self, more: &[&str]) -> Result<Arc<Parted>, StoreError> {
        unbroken("it was asked for files in parts", || {
            let marked = match self.parted.get() {
                Some(marked) => Arc::clone(marked),
                None => {
                    let marked = Arc::new(self.documents_of(self.marked(PART)?)?);
                    Arc::clone(self.parted.get_or_init(|| marked))
                }
            };
            if more.iter().all(|name| marked.has(name)) {
                return Ok(marked);
            }
            let more = more.iter().map(|name| (*name).to_owned());
            let names = marked.names.iter().cloned().chain(more);
            Ok(Arc::new(self.documents_of(names.collect())?))
        })
    }

    fn documents_of(&self, names: BTreeSet<String>) -> Result<Parted, StoreError> {
        let names: Vec<String> = names.into_iter().collect();
        let mut documents = Vec::new();
        for segment in self.searcher.segment_readers() {
            let keys = segment.inverted_index(self.fields.key)?;
            let mut found = Vec::new();
            for (place, name) in names.iter().enumerate() {
                let key = Term::from_field_u64(self.fields.key, self.keys.of(name));
                let Some(mut postings) = keys.read_postings(&key, IndexRecordOption::Basic)? else {
                    continue;
                };
                while postings.doc() != TERMINATED {
                    if !segment.is_deleted(postings.doc()) {
                        found.push((postings.doc(), place));
                    }
                    postings.advance();
                }
            }
            found.sort_unstable();
            documents.push(found);
        }
        Ok(Parted { names, documents })
    }

    /// Returns the scores of `words` in each of the files, exactly or in any spelling.
    pub(crate) fn scores(
        &self,
        parted: &Parted,
        words: &[WantedWord],
        fit: Fit,
    ) -> Result<Vec<WordScores>, StoreError> {
        unbroken("it was asked for words of files", || {
            let mut scores = vec![vec![None; words.len()]; parted.names.len()];
            if parted.names.is_empty() {
                return Ok(scores);
            }
            for (n, word) in words.iter().enumerate() {
                self.scores_of(&*self.word(word, fit), parted, &mut |place, score| {
                    let best = &mut scores[place][n];
                    *best = Some(best.map_or(score, |best: f64| best.max(score)));
                })?;
            }
            Ok(scores)
        })
    }

    /// Calls `each` with the places of the files that match, and the scores of their documents.
    fn scores_of(
        &self,
        query: &dyn Query,
        parted: &Parted,
        each: &mut dyn FnMut(usize, f64),
    ) -> Result<(), StoreError> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        let segments = self.searcher.segment_readers().iter();
        for (segment, documents) in segments.zip(&parted.documents) {
            if documents.is_empty() {
                continue;
            }
            let mut scorer = weight.scorer(segment, 1.0)?;
            for (document, place) in documents {
                if scorer.doc() < *document {
                    scorer.seek(*document);
                }
                if scorer.doc() == *document {
                    each(*place, f64::from(scorer.score()));
                }
            }
        }
        Ok(())
    }
}
