//! Looking into files, several at a time, with hits in the order of the files.
//!
//! # Participants
//! The thread of the query offers files and takes hits; helpers look into the
//! files. They take a few files at a time, first one by one, so that the first hits
//! come soon. Each such task has a channel of its own, and the channels are emptied in
//! the order in which the files were offered.
//!
//! # Invariants
//! - At most [`TASKS_AHEAD`] tasks of [`TASK_FILES_MAX`] files, and [`HITS_AHEAD`] hits
//!   of each, are ahead.
//! - When [`Scan::run`] returns, no helper of it runs any more.

use std::{
    cell::Cell,
    collections::VecDeque,
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use grep_regex::RegexMatcher;
use grep_searcher::Searcher;
use plugin_api::{FileInfo, FileReader, Files, Flow, Gap, GapReason, HandlerError, Hit, Sink};
use plugin_host::Permits;

use super::lines::{self, Lines};
use crate::{
    blocks::{Block, Parts},
    limits::{HITS_AHEAD, TASK_FILES_MAX, TASKS_AHEAD},
    source::{self, FileBytes},
};

/// Pause between two looks at the deadline.
const PAUSE: Duration = Duration::from_millis(10);

/// Attempts to read a file that changes meanwhile.
const ATTEMPTS: usize = 3;

/// A search for lines in files.
pub(super) struct Scan<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) matcher: &'a RegexMatcher,
    pub(super) context: usize,
    /// Threads beside the one that every scan has.
    pub(super) helpers: &'a Permits,
}

/// A file to look into, and the parts of it.
pub(super) struct Target {
    pub(super) file: FileInfo,
    pub(super) parts: Parts,
}

/// Takes a file to look into, and says whether another one is welcome.
type Offer<'a> = dyn FnMut(Target) -> Flow + 'a;

/// Files to look into one after the other, and where their hits go.
struct Task {
    targets: Vec<Target>,
    news: SyncSender<ScanResult>,
}

/// The searchers of a helper.
struct Searchers {
    whole: Searcher,
    /// For blocks, which are in memory.
    block: Searcher,
}

enum ScanResult {
    Hit(Box<Hit>),
    /// The file could not be looked into, or not to its end.
    Partial(Gap),
}

impl Scan<'_> {
    /// Looks into the files that `each` offers, and gives their hits to `sink`.
    pub(super) fn run(
        &self,
        sink: &mut dyn Sink,
        each: &mut dyn FnMut(&mut Offer<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let (tasks, queue) = sync_channel::<Task>(TASKS_AHEAD);
        let (queue, stop) = (Mutex::new(queue), AtomicBool::new(false));
        let work = || self.work(&queue, &stop);
        thread::scope(|scope| {
            scope.spawn(work);
            let mut helper = None;
            let mut ahead = VecDeque::new();
            let mut flow = Flow::Continue;
            let mut hand_out = |targets: Vec<Target>| {
                let (news, taken) = sync_channel(HITS_AHEAD);
                if ahead.len() >= TASKS_AHEAD {
                    flow = drain(&mut ahead, sink);
                }
                if flow == Flow::Stop || tasks.send(Task { targets, news }).is_err() {
                    return Flow::Stop;
                }
                ahead.push_back(taken);
                if ahead.len() > 1 && helper.is_none() {
                    helper = self.helpers.try_take();
                    if helper.is_some() {
                        scope.spawn(work);
                    }
                }
                Flow::Continue
            };
            let (mut some, mut together) = (Vec::new(), 1);
            let offered = each(&mut |target| {
                some.push(target);
                if some.len() < together {
                    return Flow::Continue;
                }
                together = (together + 1).min(TASK_FILES_MAX);
                hand_out(std::mem::take(&mut some))
            });
            if !some.is_empty() {
                hand_out(some);
            }
            drop(tasks);
            while flow == Flow::Continue && !ahead.is_empty() {
                flow = drain(&mut ahead, sink);
            }
            stop.store(true, Ordering::Relaxed);
            // Helpers that wait for room notice that there is nobody any more.
            drop(ahead);
            offered
        })
    }

    fn work(&self, queue: &Mutex<Receiver<Task>>, stop: &AtomicBool) {
        let mut searchers = Searchers {
            whole: lines::searcher(self.context),
            block: lines::block_searcher(),
        };
        let mut reader = self.files.reader();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Task { targets, news }) = next else {
                return;
            };
            for Target { file, parts } in targets {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let mut look = || {
                    if let Parts::Blocks(version, blocks) = &parts
                        && self.blocks(
                            &mut searchers.block,
                            reader.as_mut(),
                            (&file, *version),
                            blocks,
                            &news,
                            stop,
                        )?
                    {
                        return Ok(());
                    }
                    self.look(&mut searchers.whole, reader.as_mut(), &file, &news, stop)
                };
                let looked = look();
                if let Err(reason) = looked
                    && !stop.load(Ordering::Relaxed)
                {
                    // Nobody listens if this fails.
                    let _ = news.send(ScanResult::Partial(Gap::of(&file.name, reason)));
                }
            }
        }
    }

    /// Returns true if a file that was given up at a NUL has no lines to miss: a file that is
    /// no text from its start has none.
    fn has_no_lines(&self, file: &FileInfo, nul: u64, given: bool) -> bool {
        let is_text =
            given || nul > BUFFER as u64 || source::is_text_up_to(self.files, &file.name, nul);
        if is_text {
            tracing::debug!(name = file.name, nul, "a file was given up as binary");
        }
        !is_text
    }

    /// Looks into blocks of one version of a file. Says whether the file is of that version; if not, nothing was given.
    fn blocks(
        &self,
        searcher: &mut Searcher,
        reader: &mut (dyn FileReader + '_),
        (file, version): (&FileInfo, u64),
        blocks: &[Block],
        news: &SyncSender<ScanResult>,
        stop: &AtomicBool,
    ) -> Result<bool, GapReason> {
        let mut given = false;
        for block in blocks {
            if stop.load(Ordering::Relaxed) {
                return Ok(true);
            }
            let most = usize::try_from(block.length).unwrap_or(usize::MAX);
            let read = reader.read_version(&file.name, version, block.from, most);
            let bytes = match read {
                Ok(Some(bytes)) if bytes.len() == most => bytes,
                Ok(_) if given => return Err(GapReason::Changing),
                Ok(_) => return Ok(false),
                Err(_) => return Err(GapReason::Unreadable),
            };
            let mut give = |hit| {
                given = true;
                !stop.load(Ordering::Relaxed) && news.send(ScanResult::Hit(Box::new(hit))).is_ok()
            };
            let never = Cell::new(None);
            let lines = Lines::new(file, self.matcher, 0, &mut give, &never);
            let lines = lines.behind(block.lines_before);
            let searched = searcher.search_slice(self.matcher, &bytes, lines);
            searched.map_err(|error| reason(&error))?;
        }
        Ok(true)
    }

    /// Looks into one file. Errors if it was not looked at to its end.
    fn look(
        &self,
        searcher: &mut Searcher,
        reader: &mut (dyn FileReader + '_),
        file: &FileInfo,
        news: &SyncSender<ScanResult>,
        stop: &AtomicBool,
    ) -> Result<(), GapReason> {
        let stopped = || stop.load(Ordering::Relaxed);
        let mut file = file.clone();
        for _ in 0..ATTEMPTS {
            let mut given = false;
            let mut give = |hit| {
                given = true;
                !stopped() && news.send(ScanResult::Hit(Box::new(hit))).is_ok()
            };
            let mut source = FileBytes::new(self.files, reader, &file, &stopped);
            let given_up = Cell::new(None);
            let lines = Lines::new(&file, self.matcher, self.context, &mut give, &given_up);
            let searched = searcher.search_reader(self.matcher, &mut source, lines);
            if source.most_wanted > BUFFER {
                // A buffer that grew reads more at a time, and would give the next
                // binary file up elsewhere.
                *searcher = lines::searcher(self.context);
            }
            match searched {
                Ok(()) => {
                    let nul = given_up.get();
                    let is_whole = nul.is_none_or(|nul| self.has_no_lines(&file, nul, given));
                    return is_whole.then_some(()).ok_or(GapReason::Binary);
                }
                // It is not there any more; so it has no lines.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !given => return Ok(()),
                Err(error) if source::is_changed(&error) && !given => {}
                Err(error) => {
                    tracing::debug!(name = file.name, %error, "a file was not searched to its end");
                    return Err(reason(&error));
                }
            }
            match self.files.file(&file.name) {
                Ok(Some(now)) => file = now,
                Ok(None) => return Ok(()),
                Err(_) => return Err(GapReason::Unreadable),
            }
        }
        Err(GapReason::Changing)
    }
}

/// Returns the reason why a file was not searched to its end.
fn reason(error: &io::Error) -> GapReason {
    // What the searcher says when its buffer may not grow any more.
    let is_long = error.to_string().contains("configured allocation limit");
    if is_long {
        GapReason::LongLine
    } else {
        source::gap(error)
    }
}

/// Bytes of the buffer of a searcher before it grows.
const BUFFER: usize = 64 * 1024;

/// Gives the hits of the first file that was offered.
fn drain(ahead: &mut VecDeque<Receiver<ScanResult>>, sink: &mut dyn Sink) -> Flow {
    let Some(first) = ahead.front() else {
        return Flow::Continue;
    };
    loop {
        let flow = match first.recv_timeout(PAUSE) {
            Ok(ScanResult::Hit(hit)) => sink.hit(*hit),
            Ok(ScanResult::Partial(gap)) => {
                sink.partial(gap);
                Flow::Continue
            }
            Err(RecvTimeoutError::Timeout) => sink.flow(),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    ahead.pop_front();
    sink.flow()
}
