//! The meaning of a text that was typed in place of the name of a file.
//!
//! The one decision for `ctl fetch`, with `--to` or without, for the shell and for scripts. A file of exactly this name
//! comes first, here and at the peers; then files whose last part it is; only if there is neither, the text is a
//! pattern, a directory or a query.
//!
//! # Invariants
//! - A text in quotes, and one without signs, prefix or filter, is a name: nobody is asked.
//! - A prefix that every node has (`name:`, `text:`, `grep:`) makes a query: nobody is asked for such a name.
//! - Files that fit nearly are never meant: see [`Handlers::name_check`].

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use node_api::search::SearchReach;
use node_overlay::Overlay;
use node_wire::{
    NameError,
    name::ShareName,
    query::{self, DEFAULT_HANDLER, NameText, ParsedQuery, SyntaxError},
};
use plugin_api::Files;
use tokio::{select, time::timeout};

use super::{Search, SearchEvent, SearchWanted};
use crate::handlers::Handlers;

/// Longest time in which the peers are asked for a file of exactly this name.
const TIME: Duration = Duration::from_secs(10);

/// Longest wait for chapter peers to find a file of exactly this name, when a pattern has hits
/// already.
const BOOK_GRACE: Duration = Duration::from_secs(1);

/// Most hits of a pattern that are looked at to know whether it has any.
const LOOKED_AT: usize = 100;

/// Most files of one last part that are meant.
const SAME_MAX: usize = 100;

/// Most files that the expansion of a query has.
pub const EXPANDED_MAX: usize = 10_000;

/// The meaning of a typed text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Named {
    /// The files of these names.
    Files(Vec<ShareName>),
    /// All files that match this query.
    Query(String),
}

/// The error of a typed text without a meaning.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// It cannot be a name, and it is neither a pattern nor a query.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is a query with a mistake.
    #[error(transparent)]
    Query(#[from] SyntaxError),
}

/// The places where files are looked for.
#[derive(Clone, Copy)]
pub struct Searched<'a> {
    /// The peers.
    pub overlay: &'a Arc<Overlay>,
    /// The handlers of this node.
    pub handlers: &'a Handlers,
    /// Its files.
    pub files: &'a Arc<dyn Files>,
}

/// Returns the meaning of `typed`.
///
/// # Errors
/// [`NamedError`] when it is neither a name nor a query.
pub async fn resolve(asked: Searched<'_>, typed: &str) -> Result<Named, NamedError> {
    let Some(query) = as_query(typed) else {
        let name = NameText::parse(typed).map(|text| text.exact);
        let name = ShareName::parse(&name.unwrap_or_default())?;
        return Ok(Named::Files(vec![name]));
    };
    if !begins_with_built_in(typed)
        && let Ok(name) = ShareName::parse(typed)
    {
        let files = called(asked, &name, &query).await?;
        if !files.is_empty() {
            return Ok(Named::Files(files));
        }
    }
    ParsedQuery::parse(&query, SystemTime::now())?;
    Ok(Named::Query(query))
}

/// Returns the names of all files that a query means, here and at the peers, and whether there are more.
///
/// # Errors
/// [`SyntaxError`] when the query makes no sense.
pub async fn expand(
    asked: Searched<'_>,
    query: &str,
) -> Result<(BTreeSet<ShareName>, bool), SyntaxError> {
    let is_meant = asked.handlers.name_check(query);
    let mut search = begin(asked, query.to_owned(), EXPANDED_MAX)?.without_chapter();
    let mut names = BTreeSet::new();
    while let Some(news) = search.next().await {
        for name in names_of(news) {
            if is_meant.as_ref().is_none_or(|fits| fits(name.as_str())) {
                if names.len() >= EXPANDED_MAX {
                    return Ok((names, true));
                }
                names.insert(name);
            }
        }
    }
    Ok((names, false))
}

/// Returns the text as a query, unless it can only be a name.
fn as_query(typed: &str) -> Option<String> {
    let text = NameText::parse(typed)?;
    let is_quoted = text.exact != typed && !text.is_directory;
    if is_quoted {
        return None;
    }
    if has_prefix(typed) {
        return Some(typed.to_owned());
    }
    let has_filter = || match ParsedQuery::parse(typed, SystemTime::UNIX_EPOCH) {
        Ok(query) => !query.filters().is_empty(),
        Err(_) => typed.contains(':'),
    };
    match text.pattern {
        Some(pattern) => Some(format!("{DEFAULT_HANDLER}:{pattern}")),
        None if has_filter() => Some(typed.to_owned()),
        None => None,
    }
}

fn has_prefix(typed: &str) -> bool {
    query::text_of(typed).len() < typed.len()
}

fn begins_with_built_in(typed: &str) -> bool {
    has_prefix(typed) && query::is_built_in(query::handler_of(typed))
}

/// Returns files of exactly this name, or else those whose last part it is. `query` is the other meaning of the text.
async fn called(
    asked: Searched<'_>,
    name: &ShareName,
    query: &str,
) -> Result<Vec<ShareName>, SyntaxError> {
    let exact = format!("{DEFAULT_HANDLER}:{}", query::quoted(name.as_str()));
    let mut search = begin(asked, exact, SAME_MAX)?.without_chapter();
    let mut same = BTreeSet::new();
    while let Some(news) = search.next().await {
        for found in names_of(news) {
            if found == *name {
                return Ok(vec![found]);
            }
            if found.file_name() == name.as_str() && same.len() < SAME_MAX {
                same.insert(found);
            }
        }
    }
    if same.is_empty() {
        let found = at_chapter(asked, &mut search, query).await;
        return Ok(found.into_iter().collect());
    }
    Ok(same.into_iter().collect())
}

/// A file of exactly this name at a chapter peer. They answer slowly or never, so that they are not waited for
/// once `query` has hits.
async fn at_chapter(asked: Searched<'_>, search: &mut Search, query: &str) -> Option<ShareName> {
    let mut exact = pin!(search.ask_chapter());
    select! {
        found = &mut exact => return found,
        true = finds_any(asked, query) => {}
    }
    timeout(BOOK_GRACE, exact).await.ok().flatten()
}

/// Returns true if the query means a file, here or at a node of ours.
async fn finds_any(asked: Searched<'_>, query: &str) -> bool {
    let is_meant = asked.handlers.name_check(query);
    let fits = |name: ShareName| is_meant.as_ref().is_none_or(|fits| fits(name.as_str()));
    let Ok(search) = begin(asked, query.to_owned(), LOOKED_AT) else {
        return false;
    };
    let mut search = search.without_chapter();
    while let Some(news) = search.next().await {
        if names_of(news).into_iter().any(&fits) {
            return true;
        }
    }
    false
}

fn begin(asked: Searched<'_>, query: String, limit: usize) -> Result<Search, SyntaxError> {
    let wanted = SearchWanted {
        query,
        limit,
        excerpts: 0,
        time: TIME,
        reach: SearchReach::Sure,
    };
    Search::begin(asked.overlay, asked.handlers, asked.files, wanted)
}

fn names_of(news: SearchEvent) -> Vec<ShareName> {
    let names: Vec<String> = match news {
        SearchEvent::Here(hits) => hits.into_iter().map(|hit| hit.file.name).collect(),
        SearchEvent::There(holder) => holder.hits.into_iter().map(|hit| hit.name).collect(),
        SearchEvent::Chapter(_, name) => return vec![name],
    };
    let names = names.iter().map(|name| ShareName::parse(name));
    names.filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_signs_is_a_name_and_no_query() {
        for typed in [
            "a.txt",
            "notes/a b.txt",
            "\"data{1}.csv\"",
            "\"text:letter\"",
            "it's \"x\".txt",
            "10:30 notes.txt",
            "",
        ] {
            assert_eq!(as_query(typed), None, "{typed}");
        }
    }

    #[test]
    fn signs_prefixes_and_filters_make_a_query() {
        for (typed, query) in [
            ("*.pdf", "name:*.pdf"),
            ("Song [Live].mp3", "name:Song [Live].mp3"),
            ("photos/", "name:photos/**"),
            ("Album [2013]/", "name:Album \\[2013\\]/**"),
            ("text:letter", "text:letter"),
            ("said:hello", "said:hello"),
            ("x* size:>nonsense", "name:x* size:>nonsense"),
            ("ext:jpg", "ext:jpg"),
            ("report size:>nonsense", "report size:>nonsense"),
        ] {
            assert_eq!(as_query(typed).as_deref(), Some(query), "{typed}");
        }
    }

    #[test]
    fn only_prefixes_of_every_node_forbid_a_name() {
        assert!(begins_with_built_in("name:*.pdf"));
        assert!(begins_with_built_in("TEXT:letter"));
        assert!(!begins_with_built_in("said:hello"));
        assert!(!begins_with_built_in("Song [Live].mp3"));
    }
}
