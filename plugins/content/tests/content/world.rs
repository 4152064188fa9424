//! A share in memory that changes, and the hits in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::{
    Changes, Excerpt, FileInfo, Files, Flow, Gap, Handler, HandlerError, Hit, Index, Sink,
    check_examples,
};
use plugin_content::ContentIndex;

/// Longest wait for the index.
const PATIENCE: Duration = Duration::from_secs(30);

/// A share in memory.
#[derive(Default)]
pub(crate) struct World {
    files: Mutex<BTreeMap<String, Entry>>,
    versions: AtomicU64,
    /// Number of reads of files.
    pub(crate) reads: AtomicU64,
    bytes_read: AtomicU64,
    /// A file that grows at each read, and its growth.
    growing: Mutex<Option<(String, Vec<u8>)>>,
    /// Files that cannot be read.
    locked: Mutex<BTreeSet<String>>,
}

#[derive(Clone)]
struct Entry {
    bytes: Arc<Vec<u8>>,
    version: u64,
}

impl World {
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Arc<World> {
        let world = Arc::new(World::default());
        for (name, bytes) in files {
            world.put(name, bytes);
        }
        world
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        self.put_as(name, bytes, version);
    }

    /// Puts a file with a version of the test's choice.
    pub(crate) fn put_as(&self, name: &str, bytes: &[u8], version: u64) {
        let bytes = Arc::new(bytes.to_vec());
        self.entries()
            .insert(name.to_owned(), Entry { bytes, version });
    }

    /// Lets a file grow whenever one is read.
    pub(crate) fn grow_at_each_read(&self, name: &str, by: &[u8]) {
        *self.growing.lock().unwrap() = Some((name.to_owned(), by.to_vec()));
    }

    /// Returns the number of bytes that were read of all files.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Lets nobody read a file, or everybody again.
    pub(crate) fn lock(&self, name: &str, is_locked: bool) {
        let mut locked = self.locked.lock().unwrap();
        if is_locked {
            locked.insert(name.to_owned());
        } else {
            locked.remove(name);
        }
    }

    fn grow(&self) {
        let Some((name, by)) = self.growing.lock().unwrap().clone() else {
            return;
        };
        let entry = self.entries().get(&name).cloned();
        if let Some(entry) = entry {
            self.put(&name, &[entry.bytes.as_slice(), &by].concat());
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        self.entries().remove(name);
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.files.lock().unwrap()
    }
}

fn info(name: &str, entry: &Entry) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        size: entry.bytes.len() as u64,
        modified: None,
        version: entry.version,
    }
}

impl Files for World {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        let all = self.entries().clone();
        for (name, entry) in &all {
            if visit(&info(name, entry)) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        Ok(self.entries().get(name).map(|entry| info(name, entry)))
    }

    fn identity(&self) -> Option<u64> {
        Some(1)
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.locked.lock().unwrap().contains(name) {
            return Err(HandlerError::Files(format!("{name}: input/output error")));
        }
        let entry = self.entries().get(name).cloned();
        self.grow();
        Ok(entry.map(|entry| {
            let from = usize::try_from(from).unwrap();
            let rest = entry.bytes.get(from..).unwrap_or_default();
            let part = rest[..rest.len().min(most)].to_vec();
            self.bytes_read
                .fetch_add(part.len() as u64, Ordering::Relaxed);
            part
        }))
    }
}

/// Takes hits, up to a number.
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    pub(crate) partial: bool,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) limit: usize,
    /// Hits that have to come with an excerpt.
    pub(crate) excerpts: usize,
    pub(crate) context: usize,
    pub(crate) until: Instant,
}

impl Default for Found {
    fn default() -> Found {
        Found {
            hits: Vec::new(),
            partial: false,
            gaps: Vec::new(),
            limit: usize::MAX,
            excerpts: usize::MAX,
            context: 0,
            until: Instant::now() + PATIENCE,
        }
    }
}

impl Sink for Found {
    fn hit(&mut self, hit: Hit) -> Flow {
        if self.hits.len() == self.limit {
            return Flow::Stop;
        }
        self.hits.push(hit);
        self.flow()
    }

    fn flow(&self) -> Flow {
        if Instant::now() < self.until {
            Flow::Continue
        } else {
            Flow::Stop
        }
    }

    fn partial(&mut self, gap: Gap) {
        self.gaps.push(gap);
        self.partial = true;
    }

    fn room(&self) -> usize {
        self.limit - self.hits.len()
    }

    fn excerpts(&self) -> usize {
        self.excerpts.saturating_sub(self.hits.len())
    }

    fn context_lines(&self) -> usize {
        self.context
    }
}

/// An index over a world.
pub(crate) struct Indexed {
    pub(crate) world: Arc<World>,
    pub(crate) content: ContentIndex,
}

impl Indexed {
    pub(crate) fn open(directory: &Path, world: &Arc<World>) -> Indexed {
        let files = Arc::clone(world) as Arc<dyn Files>;
        let content = ContentIndex::open(directory.join("index"), files, |_| {}).unwrap();
        Indexed {
            world: Arc::clone(world),
            content,
        }
    }

    /// Waits until all files are in the index as they are.
    pub(crate) fn caught_up(self) -> Indexed {
        let until = Instant::now() + PATIENCE;
        while !self.content.status().is_complete {
            assert!(Instant::now() < until, "{:?}", self.content.status());
            std::thread::sleep(Duration::from_millis(2));
        }
        self
    }

    fn handler(&self, name: &str) -> Arc<dyn Handler> {
        let mut handlers = self.content.handlers().into_iter();
        handlers.find(|handler| handler.name() == name).unwrap()
    }

    pub(crate) fn ask(
        &self,
        handler: &str,
        text: &str,
        mut found: Found,
    ) -> Result<Found, HandlerError> {
        let files = Arc::clone(&self.world) as Arc<dyn Files>;
        self.handler(handler).answer(text, &files, &mut found)?;
        Ok(found)
    }

    pub(crate) fn tell(&self, changes: Changes<'_>) {
        // One of them is enough: they share the index.
        self.handler("grep").changed(changes);
    }

    /// Returns files and lines that match.
    pub(crate) fn grep(&self, pattern: &str) -> Vec<(String, u64)> {
        let found = self.ask("grep", pattern, Found::default()).unwrap();
        assert!(!found.partial, "{pattern}");
        let places = found
            .hits
            .iter()
            .map(|hit| (hit.file.name.clone(), line(hit)));
        places.collect()
    }

    /// Returns files and best lines.
    pub(crate) fn words(&self, query: &str) -> Vec<(String, u64)> {
        let found = self.ask("text", query, Found::default()).unwrap();
        let places = found
            .hits
            .iter()
            .map(|hit| (hit.file.name.clone(), line(hit)));
        places.collect()
    }
}

pub(crate) fn line(hit: &Hit) -> u64 {
    excerpt(hit).line.unwrap()
}

pub(crate) fn excerpt(hit: &Hit) -> &Excerpt {
    hit.excerpt.as_ref().unwrap()
}

/// Places as tests write them.
pub(crate) fn at(places: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = places
        .iter()
        .map(|(name, line)| ((*name).to_owned(), *line));
    owned.collect()
}

#[test]
fn the_examples_hold() {
    let home = tempfile::tempdir().unwrap();
    let indexed = Indexed::open(home.path(), &World::of(&[]));
    for handler in indexed.content.handlers() {
        check_examples(handler.as_ref()).unwrap();
    }
}
