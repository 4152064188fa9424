//! The answer of a summary to a question.
//!
//! It can say *no* to the name of a file and, if all digests are in it, to a digest.
//! To a query whose handler gives keys ([`SummaryKeys`]), as `name:` does, it can say
//! no by the pieces of names, which only the second level has. To anything else,
//! `text:` and `grep:` above all, no summary says anything.

use std::fmt;

use node_wire::{Filter, FindWanted};
use plugin_api::SummaryKeys;

use super::{keys, table::Told};

/// The handlers of this node, as far as the overlay needs them.
pub trait LocalHandlers: Send + Sync + fmt::Debug {
    /// Returns the names of the handlers that answer now.
    fn names(&self) -> Vec<String>;

    /// Returns the question to the summaries of peers about `query`.
    fn query_keys(&self, query: &str) -> QueryKeys;
}

/// A query, as the summaries of peers can be asked about it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct QueryKeys {
    /// Name of the handler that the query asks.
    pub handler: String,
    /// The keys of the names of all files that match. `None` if the handler cannot say.
    pub files: Option<SummaryKeys>,
}

/// A node without handlers, which can say nothing about a query.
#[derive(Debug)]
pub(crate) struct NoHandlers;

impl LocalHandlers for NoHandlers {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn query_keys(&self, _query: &str) -> QueryKeys {
        QueryKeys::default()
    }
}

/// A search, in the terms of summaries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// The handler that is asked; none for names and digests, which need none.
    handler: Option<String>,
    /// A file with one of these keys is it.
    any_of: Vec<u64>,
    /// A file with all of these keys is it, if there are some.
    all_of: Vec<u64>,
    /// The part of a summary that has to be there before missing keys mean no.
    needs: Needs,
    /// Groups of texts, each as its pieces: every name that fits has a text of each
    /// group.
    texts: Vec<Vec<Vec<u64>>>,
}

/// The part of a summary that can say no to a question.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Needs {
    /// Names.
    Names,
    /// All digests.
    Digests,
    /// Pieces of names, on the second level.
    #[default]
    Grams,
}

/// An answer of a summary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Says {
    Yes,
    No,
    NoHandler,
    Nothing,
}

impl Question {
    /// Returns the question about `wanted`.
    pub(crate) fn of(wanted: &FindWanted, handlers: &dyn LocalHandlers) -> Question {
        match wanted {
            FindWanted::Name(name) => Question {
                any_of: vec![keys::full_name(name)],
                needs: Needs::Names,
                ..Question::default()
            },
            FindWanted::Digest(digest) => Question {
                any_of: vec![keys::digest(digest)],
                needs: Needs::Digests,
                ..Question::default()
            },
            FindWanted::Query(query) => Question::of_query(handlers.query_keys(query)),
        }
    }

    fn of_query(query: QueryKeys) -> Question {
        let question = Question {
            handler: Some(query.handler),
            ..Question::default()
        };
        let Some(found) = query.files else {
            return question;
        };
        let exact = found.exact.iter();
        let exact = exact.flat_map(|name| [keys::full_name(name), keys::last_part(name)]);
        Question {
            any_of: exact.collect(),
            all_of: found.words.iter().map(|word| keys::word(word)).collect(),
            texts: found.texts.iter().map(|group| pieces(group)).collect(),
            ..question
        }
    }

    /// Returns the answer of a peer's own summary.
    pub(super) fn put_to(&self, told: &Told) -> Says {
        let lacks = |handler: &String| !told.handlers.contains(handler);
        if self.handler.as_ref().is_some_and(lacks) {
            return Says::NoHandler;
        }
        let Some(files) = &told.files else {
            return Says::Nothing;
        };
        if self.fits(files) {
            return Says::Yes;
        }
        let is_no = match self.needs {
            Needs::Names => true,
            Needs::Digests => told.has_digests,
            Needs::Grams => told
                .grams
                .as_ref()
                .is_some_and(|grams| self.rules_out(grams)),
        };
        if is_no { Says::No } else { Says::Nothing }
    }

    /// Returns the answer of the filter of a peer of a peer: never more than yes, or
    /// no to a name.
    pub(super) fn put_to_near(&self, files: &Filter) -> Says {
        if self.fits(files) {
            Says::Yes
        } else if self.needs == Needs::Names {
            Says::No
        } else {
            Says::Nothing
        }
    }

    fn fits(&self, files: &Filter) -> bool {
        let any = self.any_of.iter().any(|key| files.has(*key));
        any || !self.all_of.is_empty() && self.all_of.iter().all(|key| files.has(*key))
    }

    fn rules_out(&self, grams: &Filter) -> bool {
        let lacks = |text: &Vec<u64>| text.iter().any(|gram| !grams.has(*gram));
        self.texts.iter().any(|group| group.iter().all(lacks))
    }
}

/// Returns the pieces of each text of a group.
fn pieces(group: &[String]) -> Vec<Vec<u64>> {
    let texts = group.iter().map(|text| {
        let mut grams = Vec::new();
        keys::grams(text, &mut |gram| grams.push(gram));
        grams
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use node_wire::Digest;
    use plugin_api::Handler;
    use plugin_filename::Filename;

    use super::*;

    fn told(names: &[&str]) -> Told {
        let (mut files, mut grams) = (BTreeSet::new(), BTreeSet::new());
        for name in names {
            keys::of_name(name, &mut |key| {
                files.insert(key);
            });
            keys::grams(&name.to_lowercase(), &mut |key| {
                grams.insert(key);
            });
        }
        let filter =
            |keys: BTreeSet<u64>| Filter::of(keys.into_iter().collect::<Vec<_>>().into_iter());
        Told {
            handlers: vec!["name".to_owned(), "text".to_owned()],
            files: filter(files),
            grams: filter(grams),
            ..Told::default()
        }
    }

    /// The handler `name:`, behind a query language of prefixes and `ext:` alone.
    #[derive(Debug)]
    struct Names;

    impl LocalHandlers for Names {
        fn names(&self) -> Vec<String> {
            vec!["name".to_owned()]
        }

        fn query_keys(&self, query: &str) -> QueryKeys {
            let prefix = query.split_once(':');
            let prefix = prefix.filter(|(prefix, _)| ["name", "text", "grep"].contains(prefix));
            let (handler, text) = prefix.unwrap_or(("name", query));
            let words = text.split(' ').filter(|word| !word.starts_with("ext:"));
            let text = words.collect::<Vec<_>>().join(" ");
            let is_name = handler == "name" && !text.starts_with("size:");
            QueryKeys {
                handler: handler.to_owned(),
                files: is_name.then(|| Filename.summary_keys(&text)).flatten(),
            }
        }
    }

    fn says(query: &str, told: &Told) -> Says {
        Question::of(&FindWanted::Query(query.to_owned()), &Names).put_to(told)
    }

    #[test]
    fn a_summary_says_what_it_can_know() {
        let told = told(&["notes.txt", "Photos/Summer Holiday.jpg"]);
        for (query, expected) in [
            ("notes.txt", Says::Yes),
            ("holiday summer ext:jpg", Says::Yes),
            ("Summer Holiday.jpg", Says::Yes),
            ("missing.txt", Says::No),
            ("name:*.pdf", Says::No),
            ("name:*.jpg", Says::Nothing),
            ("sumer holliday", Says::Nothing),
            ("holi", Says::Nothing),
            ("xy", Says::No),
            ("x", Says::Nothing),
            ("*", Says::Nothing),
            ("text:missing", Says::Nothing),
            ("grep:missing", Says::NoHandler),
            ("size:nonsense", Says::Nothing),
        ] {
            assert_eq!(says(query, &told), expected, "{query}");
        }
    }

    #[test]
    fn misspelt_words_and_globs_need_the_second_level_for_a_no() {
        let told = Told {
            grams: None,
            ..told(&["notes.txt"])
        };
        for query in ["missing.txt", "name:*.pdf", "xy"] {
            assert_eq!(says(query, &told), Says::Nothing, "{query}");
        }
    }

    #[test]
    fn a_digest_is_ruled_out_only_if_all_are_known() {
        let wanted = FindWanted::Digest(Digest::from_bytes([7; 32]));
        let question = Question::of(&wanted, &NoHandlers);
        let told = told(&["a"]);
        assert_eq!(question.put_to(&told), Says::Nothing);
        let all = Told {
            has_digests: true,
            ..told
        };
        assert_eq!(question.put_to(&all), Says::No);
        assert_eq!(question.put_to(&Told::default()), Says::Nothing);
    }
}
