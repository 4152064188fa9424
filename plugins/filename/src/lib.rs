//! The handler `name:`: finds files by their names.
//!
//! A text without wildcards is an exact name: the path in the share, or the
//! last part of it. A text with `*`, `?`, `[…]` or `{…}` is a glob: with a `/`
//! it is held against the whole name, without one against the last part.
//! `**` crosses directories, `*` and `?` do not.
//!
//! # Invariants
//! - It looks at names only and keeps nothing between two queries.
//! - A text is never longer than [`TEXT_MAX`] bytes when it becomes a glob, so
//!   that compiling it stays cheap.

use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use plugin_api::{Example, FileInfo, Files, Flow, Handler, HandlerError, Sink};

/// Longest text of a query, in bytes.
pub const TEXT_MAX: usize = 4_096;

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
        "finds files by name: an exact name or a glob"
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
        let wanted = Wanted::parse(text)?;
        let mut first = None;
        if let Wanted::Exact(name) = wanted {
            first = files.file(name)?;
            if first
                .as_ref()
                .is_some_and(|file| sink.hit(file) == Flow::Stop)
            {
                return Ok(());
            }
        }
        files.visit(&mut |file| {
            let again = first.as_ref().is_some_and(|first| first.name == file.name);
            if !again && wanted.fits(file) {
                sink.hit(file)
            } else {
                sink.flow()
            }
        })
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

    fn fits(&self, file: &FileInfo) -> bool {
        match self {
            Wanted::Exact(name) => last_part(&file.name) == *name,
            Wanted::WholeName(glob) => glob.is_match(&file.name),
            Wanted::LastPart(glob) => glob.is_match(last_part(&file.name)),
        }
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
