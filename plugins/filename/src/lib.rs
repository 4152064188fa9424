//! The handler `name:`: finds files by their names.
//!
//! A text without wildcards is an exact name: the path in the share, or the
//! last part of it. If there is no such file, it is words: names that have them
//! all, in any order and case, the best first (`words`); and if there are none
//! either, words that may be misspelt. So who knows a name gets that file and
//! nothing else, and who does not finds it all the same.
//!
//! A text with `*`, `?`, `[…]` or `{…}` is a glob: with a `/` it is held
//! against the whole name, without one against the last part. `**` crosses
//! directories, `*` and `?` do not.
//!
//! # Invariants
//! - It looks at names only and keeps nothing between two queries.
//! - A text is never longer than [`TEXT_MAX`] bytes when it becomes a glob, so
//!   that compiling it stays cheap; and no more than `WORDS_MAX` words.
//! - At most [`RANKED_MAX`] files are put in order.

mod words;

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use globset::{GlobBuilder, GlobMatcher};
use plugin_api::{Example, FileInfo, Files, Flow, Handler, HandlerError, Hit, Sink};

use self::words::{Rank, Words};

/// Longest text of a query, in bytes.
pub const TEXT_MAX: usize = 4_096;

/// Most files that are put in order; of more, the best are kept.
pub const RANKED_MAX: usize = 10_000;

/// The handler `name:`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filename;

/// What a text asks for.
enum Wanted<'a> {
    /// The file of exactly this name, then files whose last part it is.
    Exact(&'a str),
    /// Files whose whole name fits.
    WholeName(GlobMatcher),
    /// Files whose last part fits.
    LastPart(GlobMatcher),
}

impl Handler for Filename {
    fn name(&self) -> &str {
        "name"
    }

    fn description(&self) -> &str {
        "finds files by name: an exact name, a glob, or words of it, misspelt ones too"
    }

    fn examples(&self) -> Vec<Example> {
        examples()
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        match Wanted::parse(text)? {
            Wanted::Exact(name) => by_name(name, files.as_ref(), sink),
            Wanted::WholeName(glob) => visit(files.as_ref(), sink, &|name| glob.is_match(name)),
            Wanted::LastPart(glob) => {
                visit(files.as_ref(), sink, &|name| glob.is_match(last_part(name)))
            }
        }
    }
}

/// Gives the files whose names fit.
fn visit(
    files: &dyn Files,
    sink: &mut dyn Sink,
    fits: &dyn Fn(&str) -> bool,
) -> Result<(), HandlerError> {
    files.visit(&mut |file| {
        if fits(&file.name) {
            sink.hit(Hit::of(file))
        } else {
            sink.flow()
        }
    })
}

/// Gives the files of this name, or those that have its words.
fn by_name(name: &str, files: &dyn Files, sink: &mut dyn Sink) -> Result<(), HandlerError> {
    let first = files.file(name)?;
    let mut found = first.is_some();
    if first
        .as_ref()
        .is_some_and(|file| sink.hit(Hit::of(file)) == Flow::Stop)
    {
        return Ok(());
    }
    let words = Words::of(name);
    let mut ranked = Ranked::default();
    files.visit(&mut |file| {
        if last_part(&file.name) == name {
            found = true;
            let again = first.as_ref().is_some_and(|first| first.name == file.name);
            return if again {
                sink.flow()
            } else {
                sink.hit(Hit::of(file))
            };
        }
        if !found && let Some(rank) = words.rank(&file.name, ranked.is_misspelt()) {
            ranked.put(rank, file);
        }
        sink.flow()
    })?;
    if !found {
        ranked.give(sink);
    }
    Ok(())
}

/// The best files so far.
#[derive(Default)]
struct Ranked(BTreeSet<(Rank, String, FileKey)>);

/// What a file has beside its name, in a form that can be ordered.
type FileKey = (u64, Option<SystemTime>, u64);

impl Ranked {
    fn put(&mut self, rank: Rank, file: &FileInfo) {
        let key = (file.size, file.modified, file.version);
        self.0.insert((rank, file.name.clone(), key));
        if self.0.len() > RANKED_MAX {
            self.0.pop_last();
        }
    }

    /// Whether there is nothing but misspelt words, or nothing at all.
    fn is_misspelt(&self) -> bool {
        let best = self.0.first();
        best.is_none_or(|(rank, ..)| rank.is_misspelt())
    }

    /// Gives the best kind of hits: misspelt ones only if there are no others.
    fn give(self, sink: &mut dyn Sink) {
        let misspelt_too = self.is_misspelt();
        for (rank, name, (size, modified, version)) in self.0 {
            let file = FileInfo {
                name,
                size,
                modified,
                version,
            };
            if rank.is_misspelt() && !misspelt_too || sink.hit(Hit::of(&file)) == Flow::Stop {
                return;
            }
        }
    }
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Result<Wanted<'a>, HandlerError> {
        let problem = |problem: String| HandlerError::BadQuery {
            text: text.chars().take(80).collect(),
            problem,
        };
        if text.is_empty() {
            return Err(problem("no name".to_owned()));
        }
        if text.len() > TEXT_MAX {
            return Err(problem(format!("more than {TEXT_MAX} bytes")));
        }
        if !text.contains(['*', '?', '[', '{']) {
            return Ok(Wanted::Exact(text));
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .build()
            .map_err(|error| problem(error.kind().to_string()))?
            .compile_matcher();
        Ok(if text.contains('/') || text.contains("**") {
            Wanted::WholeName(glob)
        } else {
            Wanted::LastPart(glob)
        })
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn examples() -> Vec<Example> {
    vec![
        Example::of_names(
            "notes.txt",
            "the file of this name, then files of this name in directories",
            &["a/notes.txt", "notes.txt", "notes.txt.bak"],
            &["notes.txt", "a/notes.txt"],
        ),
        Example::of_names(
            "notes",
            "files that have the word, if none has this name; whole words first",
            &["a/notebook.txt", "b/my-notes.txt", "notes.txt"],
            &["notes.txt", "b/my-notes.txt"],
        ),
        Example::of_names(
            "summer holiday",
            "files that have all words, anywhere in the name",
            &["holiday/summer.jpg", "holidays in summer.txt", "summer.jpg"],
            &["holiday/summer.jpg", "holidays in summer.txt"],
        ),
        Example::of_names(
            "sumer holliday",
            "a word may be misspelt if nothing fits as it is",
            &["holiday/summer.jpg", "winter.jpg"],
            &["holiday/summer.jpg"],
        ),
        Example::of_names(
            "*.jpg",
            "files whose name ends like this, in any directory",
            &["a.jpg", "photos/b.jpg", "photos/c.png"],
            &["a.jpg", "photos/b.jpg"],
        ),
        Example::of_names(
            "photos/*",
            "files in one directory",
            &["a.jpg", "photos/b.jpg", "photos/old/c.jpg"],
            &["photos/b.jpg"],
        ),
        Example::of_names(
            "photos/**",
            "files in a directory and below",
            &["a.jpg", "photos/b.jpg", "photos/old/c.jpg"],
            &["photos/b.jpg", "photos/old/c.jpg"],
        ),
        Example::of_names(
            "*.{txt,md}",
            "one of several endings",
            &["a.md", "b.rs", "c.txt"],
            &["a.md", "c.txt"],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_hold() {
        plugin_api::check_examples(&Filename).unwrap();
    }

    #[test]
    fn a_text_that_is_no_name_is_refused_with_the_reason() {
        let long = "*".repeat(TEXT_MAX + 1);
        for text in ["", "[a", "{a", &long] {
            assert!(
                matches!(Wanted::parse(text), Err(HandlerError::BadQuery { .. })),
                "{text:.9}"
            );
        }
    }
}
