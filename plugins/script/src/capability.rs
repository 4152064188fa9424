//! The objects that a script can reach: the files of the share, to read, and its hits.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use plugin_api::{FileInfo, Files, Flow, HandlerError, Hit};
use plugin_host::{HITS_MAX, lock};
use rhai::{Dynamic, Engine, EvalAltResult, Map};

use crate::{
    background::{give_way, processor_time},
    place,
    sandbox::{ARRAY_MAX, STRING_MAX, TIME, TIME_WHOLE},
};

/// Most files that a call sees.
const FILES_MAX: usize = 100_000;

/// Files that are listed between two times that a call gives way.
const LISTED_AT_ONCE: usize = 64;

/// Most bytes of files that a call reads.
const READ_MAX: usize = 64 << 20;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// One call of a script.
pub(crate) struct Call {
    files: Arc<dyn Files>,
    listed: OnceLock<Vec<File>>,
    hits: Mutex<Vec<Hit>>,
    refused: Mutex<Option<String>>,
    read: AtomicUsize,
    begun: Instant,
    /// Processor time of the thread when the call began.
    begun_at: Duration,
    /// Processor time spent with files and not in the script, in nanoseconds.
    outside: AtomicU64,
}

/// A file, as a script has it.
#[derive(Clone)]
struct File {
    info: Arc<FileInfo>,
}

/// All files, one after the other.
#[derive(Clone)]
struct FileList {
    call: Arc<Call>,
}

struct Iter {
    call: Arc<Call>,
    next: usize,
}

impl Call {
    /// Creates a call that begins now, on this thread.
    pub(crate) fn new(files: &Arc<dyn Files>) -> Arc<Call> {
        Arc::new(Call {
            files: Arc::clone(files),
            listed: OnceLock::new(),
            hits: Mutex::default(),
            refused: Mutex::default(),
            read: AtomicUsize::new(0),
            begun: Instant::now(),
            begun_at: processor_time(),
            outside: AtomicU64::new(0),
        })
    }

    /// Returns true if the time of the call is over.
    pub(crate) fn is_over(&self) -> bool {
        let outside = Duration::from_nanos(self.outside.load(Ordering::Relaxed));
        let taken = processor_time().saturating_sub(self.begun_at);
        taken.saturating_sub(outside) > TIME || self.begun.elapsed() > TIME_WHOLE
    }

    /// Returns the hits and leaves none.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        std::mem::take(&mut *lock(&self.hits))
    }

    /// Returns the reason why the script refused the query, if it did.
    pub(crate) fn refused(&self) -> Option<String> {
        lock(&self.refused).take()
    }

    /// Does work that is not the script's.
    fn outside<T>(&self, work: impl FnOnce() -> Result<T, HandlerError>) -> Fallible<T> {
        let begun = processor_time();
        let done = work();
        let taken = processor_time().saturating_sub(begun).as_nanos();
        let taken = u64::try_from(taken).unwrap_or(u64::MAX);
        self.outside.fetch_add(taken, Ordering::Relaxed);
        give_way();
        done.map_err(|error| error.to_string().into())
    }

    fn list(self: &Arc<Call>) -> Fallible<FileList> {
        if self.listed.get().is_none() {
            let mut listed = Vec::new();
            self.outside(|| {
                self.files.visit(&mut |info| {
                    let info = Arc::new(info.clone());
                    listed.push(File { info });
                    if listed.len().is_multiple_of(LISTED_AT_ONCE) {
                        give_way();
                    }
                    if listed.len() > FILES_MAX || self.begun.elapsed() > TIME_WHOLE {
                        Flow::Stop
                    } else {
                        Flow::Continue
                    }
                })
            })?;
            if listed.len() > FILES_MAX {
                return Err(format!("there are more than {FILES_MAX} files").into());
            }
            // A script runs on one thread: nobody else can have set it.
            let _ = self.listed.set(listed);
        }
        Ok(FileList {
            call: Arc::clone(self),
        })
    }

    fn read(&self, file: &File, from: i64, most: usize) -> Fallible<Vec<u8>> {
        let from = if from < 0 {
            file.info.size.saturating_sub(from.unsigned_abs())
        } else {
            from.unsigned_abs()
        };
        if self.read.load(Ordering::Relaxed) > READ_MAX {
            return Err(format!("it reads more than {READ_MAX} bytes").into());
        }
        let bytes = self.outside(|| self.files.read(&file.info.name, from, most))?;
        let bytes = bytes.unwrap_or_default();
        self.read.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes)
    }

    fn hit(&self, file: &File, more: &Map) -> Fallible<()> {
        let hit = place::hit(&file.info, more)?;
        let mut hits = lock(&self.hits);
        if hits.len() >= HITS_MAX {
            return Err(format!("it finds more than {HITS_MAX} files").into());
        }
        hits.push(hit);
        Ok(())
    }
}

impl IntoIterator for FileList {
    type Item = File;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        Iter {
            call: self.call,
            next: 0,
        }
    }
}

impl Iterator for Iter {
    type Item = File;

    fn next(&mut self) -> Option<File> {
        let file = self.call.listed.get()?.get(self.next)?.clone();
        self.next += 1;
        Some(file)
    }
}

/// Registers the functions of scripts for files.
pub(crate) fn register(engine: &mut Engine, call: &Arc<Call>) {
    engine.register_type_with_name::<FileList>("Files");
    engine.register_iterator::<FileList>();
    register_file(engine, call);
    let listing = Arc::clone(call);
    engine.register_fn("files", move || listing.list());
    let finding = Arc::clone(call);
    engine.register_fn("hit", move |file: File| finding.hit(&file, &Map::new()));
    let finding = Arc::clone(call);
    engine.register_fn("hit", move |file: File, more: Map| {
        finding.hit(&file, &more)
    });
    let refusing = Arc::clone(call);
    engine.register_fn("refuse", move |why: &str| -> Fallible<()> {
        *lock(&refusing.refused) = Some(why.to_owned());
        Err("the query was refused".into())
    });
}

fn register_file(engine: &mut Engine, call: &Arc<Call>) {
    engine.register_type_with_name::<File>("File");
    engine.register_get("name", |file: &mut File| file.info.name.clone());
    engine.register_get("size", |file: &mut File| {
        i64::try_from(file.info.size).unwrap_or(i64::MAX)
    });
    engine.register_get("extension", |file: &mut File| extension(&file.info.name));
    engine.register_get("modified", |file: &mut File| modified(&file.info));
    let reading = Arc::clone(call);
    engine.register_fn("text", move |file: &mut File| text(&reading, file, 0));
    let reading = Arc::clone(call);
    engine.register_fn("text", move |file: &mut File, from: i64| {
        text(&reading, file, from)
    });
    let reading = Arc::clone(call);
    engine.register_fn("bytes", move |file: &mut File, from: i64, most: i64| {
        let most = usize::try_from(most).unwrap_or(0).min(ARRAY_MAX);
        reading.read(file, from, most)
    });
}

/// Returns the part of a file from the byte `from` on that fits a string. Bytes that are not
/// UTF-8 becomes U+FFFD.
fn text(call: &Call, file: &File, from: i64) -> Fallible<String> {
    // U+FFFD is three bytes long.
    let bytes = call.read(file, from, STRING_MAX)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    let mut length = text.len().min(STRING_MAX);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    text.truncate(length);
    Ok(text)
}

/// Returns the last part of the name behind its last point, in lower case.
fn extension(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.rsplit_once('.')
        .map_or(String::new(), |(_, extension)| extension.to_lowercase())
}

/// Seconds since 1970, or nothing.
fn modified(info: &FileInfo) -> Dynamic {
    let since = info
        .modified
        .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    since.map_or(Dynamic::UNIT, |since| {
        Dynamic::from_int(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    })
}
