//! Words of long files beyond the part that is in the index.
//!
//! The index knows which files have more text than it has words of. A query for one word
//! reads the rest of them, for a while; for other queries, and where it would take
//! too long, the answer says that it is partial.

use std::{collections::BTreeSet, io};

use plugin_api::{Asker, FileInfo, FileReader, Flow, Gap, GapReason, Hit, Sink};

use super::{
    TextSearch,
    finder::TextMatch,
    ranking::{Collection, Counts},
};
use crate::{
    limits::{BEYOND_MAX, TEXT_MAX, WINDOW},
    source::{self, FileBytes},
    store::score_of,
};

impl TextSearch<'_> {
    /// Gives the long files of these `names` that were not given, behind all others.
    pub(super) fn beyond(
        &self,
        names: BTreeSet<String>,
        collection: &Collection,
        sink: &mut dyn Sink,
    ) {
        let mut reader = self.files.reader();
        // Strangers have nobody's processor for this.
        let mut left = match sink.asker() {
            Asker::Owner => BEYOND_MAX,
            Asker::Stranger => 0,
        };
        for name in names {
            let file = match self.files.known(&name) {
                Ok(Some(file)) if file.size > TEXT_MAX as u64 => file,
                Ok(_) => continue,
                Err(_) => {
                    sink.partial(Gap::of(&name, GapReason::Unreadable));
                    continue;
                }
            };
            if !self.finder.wants_one_word() || file.size > left {
                sink.partial(Gap::of(&name, GapReason::Unread));
                continue;
            }
            left -= file.size;
            let found = self.in_windows(&file, reader.as_mut(), sink);
            let flow = match found {
                Ok(Some((found, counts))) => sink.hit(Hit {
                    score: Some(score_of(found.fit, collection.score(&counts))),
                    excerpt: Some(found.excerpt),
                    file,
                }),
                Ok(None) => sink.flow(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => sink.flow(),
                Err(error) => {
                    sink.partial(Gap::of(&name, source::gap(&error)));
                    sink.flow()
                }
            };
            if flow == Flow::Stop {
                return;
            }
        }
    }

    /// Looks for the word in one part of a file after the other.
    fn in_windows(
        &self,
        file: &FileInfo,
        reader: &mut (dyn FileReader + '_),
        sink: &dyn Sink,
    ) -> io::Result<Option<(TextMatch, Counts)>> {
        let stopped = || sink.flow() == Flow::Stop;
        let mut bytes = FileBytes::new(self.files, reader, file, &stopped);
        let (mut window, mut lines_before, mut found) = (Vec::new(), 0, None);
        source::read_text(&mut bytes, &mut |piece| {
            window.extend_from_slice(piece);
            if window.len() >= WINDOW {
                // A word that is longer than a window is none.
                let end = memchr::memrchr(b'\n', &window).map_or(window.len(), |at| at + 1);
                let rest = window.split_off(end);
                found = self.in_window(&std::mem::replace(&mut window, rest), &mut lines_before);
            }
            found.is_none()
        })?;
        Ok(found.or_else(|| self.in_window(&window, &mut lines_before)))
    }

    fn in_window(&self, window: &[u8], lines_before: &mut u64) -> Option<(TextMatch, Counts)> {
        let text = String::from_utf8_lossy(window);
        let found = self.finder.find(&text).map(|mut found| {
            found.excerpt.line = found.excerpt.line.map(|line| line + *lines_before);
            (found, Counts::of(&text, &self.words))
        });
        *lines_before += memchr::memchr_iter(b'\n', window).count() as u64;
        found
    }
}
