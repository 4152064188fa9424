//! The lines of one file that match, as hits.

use std::{cell::Cell, collections::VecDeque, io, ops::Range};

use grep_matcher::Matcher;
use grep_regex::RegexMatcher;
use grep_searcher::{
    BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkFinish, SinkMatch,
};
use plugin_api::{Excerpt, FileInfo, Hit};

use crate::{
    excerpt,
    limits::{LINE_MAX, MARKS_MAX},
};

/// Returns a searcher that reads files as ripgrep does when it walks a directory.
pub(super) fn searcher(context: usize) -> Searcher {
    SearcherBuilder::new()
        .line_number(true)
        .before_context(context)
        .after_context(context)
        .binary_detection(BinaryDetection::quit(0))
        .heap_limit(Some(LINE_MAX))
        .build()
}

/// Returns a searcher for blocks of plain text.
pub(super) fn block_searcher() -> Searcher {
    SearcherBuilder::new()
        .line_number(true)
        .bom_sniffing(false)
        .build()
}

/// Makes hits of lines, and gives them on with the lines around them.
pub(super) struct Lines<'a> {
    file: &'a FileInfo,
    matcher: &'a RegexMatcher,
    context: usize,
    /// Lines of the file before the text that is searched.
    lines_before: u64,
    /// Takes a hit, and says whether another one is welcome.
    give: &'a mut dyn FnMut(Hit) -> bool,
    /// The last lines.
    before: VecDeque<String>,
    /// Hits that want lines behind them.
    open: VecDeque<Excerpt>,
    /// The place of the NUL at which the file was given up.
    given_up: &'a Cell<Option<u64>>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        file: &'a FileInfo,
        matcher: &'a RegexMatcher,
        context: usize,
        give: &'a mut dyn FnMut(Hit) -> bool,
        given_up: &'a Cell<Option<u64>>,
    ) -> Lines<'a> {
        Lines {
            file,
            matcher,
            context,
            lines_before: 0,
            give,
            before: VecDeque::new(),
            open: VecDeque::new(),
            given_up,
        }
    }

    /// Counts these lines before the first one.
    pub(super) fn behind(mut self, lines_before: u64) -> Self {
        self.lines_before = lines_before;
        self
    }

    /// Notes the next line, for the hits around it.
    fn line(&mut self, line: &[u8]) -> bool {
        if self.context == 0 {
            return true;
        }
        let text = excerpt::beside(line);
        for hit in &mut self.open {
            hit.after.push(text.clone());
        }
        if self.before.len() == self.context {
            self.before.pop_front();
        }
        self.before.push_back(text);
        self.give_full()
    }

    /// Gives the hits that have all they want.
    fn give_full(&mut self) -> bool {
        while let Some(first) = self.open.front()
            && first.after.len() >= self.context
        {
            if !self.give_first() {
                return false;
            }
        }
        true
    }

    fn give_all(&mut self) -> bool {
        while !self.open.is_empty() {
            if !self.give_first() {
                return false;
            }
        }
        true
    }

    fn give_first(&mut self) -> bool {
        let Some(excerpt) = self.open.pop_front() else {
            return true;
        };
        (self.give)(Hit {
            file: self.file.clone(),
            score: None,
            excerpt: Some(excerpt),
        })
    }

    fn marks(&self, line: &[u8]) -> io::Result<Vec<Range<usize>>> {
        let mut marks = Vec::new();
        self.matcher.find_iter(line, |mark| {
            marks.push(mark.start()..mark.end());
            marks.len() < MARKS_MAX
        })?;
        Ok(marks)
    }
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let first = self.lines_before + found.line_number().unwrap_or(0);
        for (number, line) in (first..).zip(found.lines()) {
            let marks = self.marks(line.strip_suffix(b"\n").unwrap_or(line))?;
            let mut excerpt = excerpt::of_line(line, number, &marks);
            excerpt.before = self.before.iter().cloned().collect();
            if !self.line(line) {
                return Ok(false);
            }
            self.open.push_back(excerpt);
            if !self.give_full() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        Ok(self.line(context.bytes()))
    }

    fn context_break(&mut self, _: &Searcher) -> io::Result<bool> {
        self.before.clear();
        Ok(self.give_all())
    }

    fn binary_data(&mut self, _: &Searcher, at: u64) -> io::Result<bool> {
        self.given_up.set(Some(at));
        Ok(true)
    }

    fn finish(&mut self, _: &Searcher, _: &SinkFinish) -> io::Result<()> {
        self.give_all();
        Ok(())
    }
}
