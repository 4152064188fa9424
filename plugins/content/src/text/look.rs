//! Looking into the files that the index names.

use std::{
    io,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use plugin_api::{FileInfo, FileReader, Gap, Hit, Sink};
use plugin_host::Permits;
use plugin_words::Fit;

use super::TextSearch;
use crate::{source, store::Best};

/// Files that are looked into without help: to start it takes as long.
const ALONE_MAX: usize = 4;

/// The check of a file that the index names.
pub(super) struct Looked {
    pub(super) score: f64,
    /// The file, if it matches.
    pub(super) hit: Option<Hit>,
    /// The reason why it was not looked at.
    pub(super) gap: Option<Gap>,
}

impl TextSearch<'_> {
    /// Looks into all of `files`, with a helper if one is free. In their order. Only the first ones
    /// get the excerpts that are still wanted.
    pub(super) fn look_into(
        &self,
        files: &[Best],
        helpers: &Permits,
        sink: &dyn Sink,
    ) -> Vec<Looked> {
        let (deadline, excerpts) = (sink.deadline(), sink.excerpts());
        // In order of the names, so that directories are gone through once.
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_unstable_by(|a, b| files[*a].name.cmp(&files[*b].name));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut reader = self.files.reader();
            let mut looked = Vec::new();
            while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let wants_excerpt = *at < excerpts;
                let of = self.look(&files[*at], wants_excerpt, reader.as_mut(), deadline);
                looked.push((*at, of));
            }
            looked
        };
        let permit = (files.len() > ALONE_MAX)
            .then(|| helpers.try_take())
            .flatten();
        let mut looked = thread::scope(|scope| {
            let helper = permit.is_some().then(|| scope.spawn(work));
            let mut looked = work();
            if let Some(helper) = helper {
                looked.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            looked
        });
        looked.sort_unstable_by_key(|(at, _)| *at);
        looked.into_iter().map(|(_, looked)| looked).collect()
    }

    fn look(
        &self,
        best: &Best,
        wants_excerpt: bool,
        reader: &mut (dyn FileReader + '_),
        deadline: Option<Instant>,
    ) -> Looked {
        let (hit, gap) = match self.hit(best, wants_excerpt, reader, deadline) {
            Ok(hit) => (hit, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
            Err(error) => (None, Some(Gap::of(&best.name, source::gap(&error)))),
        };
        Looked {
            score: best.score,
            hit,
            gap,
        }
    }

    fn hit(
        &self,
        best: &Best,
        wants_excerpt: bool,
        reader: &mut (dyn FileReader + '_),
        deadline: Option<Instant>,
    ) -> io::Result<Option<Hit>> {
        let Some(file) = self.files.known(&best.name).map_err(io::Error::other)? else {
            return Ok(None);
        };
        if !wants_excerpt && self.is_as_indexed(best, &file, reader)? {
            return Ok(Some(Hit {
                file,
                score: Some(best.score),
                excerpt: None,
            }));
        }
        let stopped = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let mut found = None;
        if self.finder.wants_one_word() && file.size > source::FIRST as u64 {
            let lines = source::first_lines(self.files, reader, &file, &stopped)?;
            found = lines.and_then(|lines| self.finder.find(&lines));
        }
        if found.is_none() {
            let text = source::first_text(self.files, reader, &file, &stopped)?;
            found = text.and_then(|text| self.finder.find(&text));
        }
        Ok(found.map(|found| Hit {
            file,
            score: Some(best.score),
            excerpt: Some(found.excerpt),
        }))
    }

    /// Returns true if the file is the one that was indexed, so that it has what the index says.
    fn is_as_indexed(
        &self,
        best: &Best,
        file: &FileInfo,
        reader: &mut (dyn FileReader + '_),
    ) -> io::Result<bool> {
        let is_known = best.version != 0 && best.version == file.version;
        if !is_known || best.fit != Fit::Exact || !self.finder.wants_words_alone() {
            return Ok(false);
        }
        let is_it = reader.has_version(&best.name, best.version);
        is_it.map_err(io::Error::other)
    }
}
