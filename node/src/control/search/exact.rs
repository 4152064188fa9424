//! A name as it stands comes before a pattern, over all nodes.
//!
//! Each node tries the exact name first for itself. One that does not have it answers with what fits the pattern, and
//! only here it is seen that another one has the file of this name.

use std::time::SystemTime;

use node_api::search::Hit;
use node_wire::query::{self, ParsedQuery};

/// A name that could also be a pattern, or that stands in quotes.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    name: String,
    waits: bool,
}

impl Exact {
    /// Returns the name that `query` stands for, if it is quoted or may be a pattern as well.
    pub(super) fn of(query: &str) -> Option<Exact> {
        let is_quoted = query::text_of(query).trim_start().starts_with('"');
        let query = ParsedQuery::parse(query, SystemTime::UNIX_EPOCH).ok()?;
        let name = query.name()?;
        let is_meant = is_quoted || name.pattern.is_some();
        (is_meant && !name.is_directory).then(|| Exact {
            waits: is_quoted || name.exact.contains(['[', '{']),
            name: name.exact,
        })
    }

    /// Returns whether hits have to wait for those of others: what nodes without the file answer does not fit the name.
    /// A pattern with `*` and `?` alone fits the name that it is.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Returns the hits of exactly this name and those of texts, or all if there are none
    /// of the name.
    pub(super) fn first(&self, mut hits: Vec<Hit>) -> Vec<Hit> {
        if hits.iter().any(|hit| self.is_called(&hit.name)) {
            hits.retain(|hit| self.is_called(&hit.name) || hit.excerpt.is_some());
        }
        hits
    }

    fn is_called(&self, name: &str) -> bool {
        let last_part = name.rsplit('/').next().unwrap_or(name);
        name == self.name || last_part == self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(names: &[&str]) -> Vec<Hit> {
        let hit = |name: &&str| Hit {
            name: (*name).to_owned(),
            size: None,
            modified: None,
            digest: None,
            node: String::new(),
            node_name: None,
            handler: "name".to_owned(),
            score: None,
            excerpt: None,
        };
        names.iter().map(hit).collect()
    }

    #[test]
    fn a_quoted_text_and_one_that_may_be_a_pattern_are_exact() {
        for (query, waits) in [
            ("Song [Live].mp3", Some(true)),
            ("name:data{1}.csv", Some(true)),
            ("*.txt", Some(false)),
            ("song.mp3", None),
            ("\"data{1}.csv\"", Some(true)),
            ("name:\"a b\"", Some(true)),
            ("Album [2013]/", None),
            ("text:a[1]", None),
        ] {
            let exact = Exact::of(query).map(|exact| exact.waits());
            assert_eq!(exact, waits, "{query}");
        }
    }

    #[test]
    fn a_file_of_the_name_leaves_no_room_for_the_pattern() {
        let exact = Exact::of("Song [Live].mp3").unwrap();
        let found = exact.first(hits(&["Song L.mp3", "a/Song [Live].mp3", "Song i.mp3"]));
        assert_eq!(found, hits(&["a/Song [Live].mp3"]));
        let found = exact.first(hits(&["Song L.mp3", "Song i.mp3"]));
        assert_eq!(found.len(), 2);
    }
}
