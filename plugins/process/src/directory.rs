//! The directory of an owner's programs, as it changes.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plugin_api::{Handler, PluginDirectory, PluginFile};

use crate::{
    ProgramError,
    process::Stop,
    program::{Program, stop_all},
    rights::{Seen, check_rights, is_to_run},
};

/// Most programs of a directory.
pub const PROGRAMS_MAX: usize = 16;

/// The programs of a directory.
#[derive(Debug)]
pub struct Programs {
    directory: PathBuf,
    stop: Stop,
    files: Mutex<BTreeMap<String, Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    seen: Seen,
    handler: Option<Arc<Program>>,
    problem: Option<String>,
    /// Whether a handler that came later and goes first has its prefix.
    is_hidden: bool,
}

impl Programs {
    /// Follows `directory`. Nothing is started before
    /// [`refresh`](PluginDirectory::refresh).
    #[must_use]
    pub fn new(directory: PathBuf) -> Programs {
        Programs {
            directory,
            stop: Stop::default(),
            files: Mutex::default(),
        }
    }

    /// Returns the programs that answer, by the names of their files.
    #[must_use]
    pub fn loaded(&self) -> Vec<Arc<Program>> {
        let files = lock(&self.files);
        let shown = files.values().filter(|loaded| !loaded.is_hidden);
        shown.filter_map(|loaded| loaded.handler.clone()).collect()
    }

    /// Starts the programs that changed, and looks after those that run. Blocks, at most as
    /// long as an introduction may take.
    fn start_changed(&self, taken: &[String]) -> Result<Vec<(String, String)>, ProgramError> {
        let there = self.look()?;
        let mut news = self.remove_others(&there);
        let changed = self.changed(there);
        for (file, seen, started) in self.start(changed) {
            let said = self.put(&file, seen, started, taken);
            news.extend(said.map(|said| (file, said)));
        }
        self.look_after(taken);
        Ok(news)
    }

    fn look(&self) -> Result<BTreeMap<String, Seen>, ProgramError> {
        check_rights("the directory", &fs::metadata(&self.directory)?)?;
        let mut there = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Some(file) = path.file_name().and_then(|file| file.to_str()) else {
                continue;
            };
            if file.starts_with('.') {
                continue;
            }
            // A file may vanish while it is looked at.
            if let Ok(metadata) = fs::symlink_metadata(&path)
                && is_to_run(file, &metadata)
            {
                there.insert(file.to_owned(), Seen::of(&metadata));
            }
            if there.len() > PROGRAMS_MAX {
                return Err(ProgramError::TooMany);
            }
        }
        Ok(there)
    }

    /// Ends what is not there any more.
    fn remove_others(&self, there: &BTreeMap<String, Seen>) -> Vec<(String, String)> {
        let mut files = lock(&self.files);
        let (stay, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut *files)
            .into_iter()
            .partition(|(file, _)| there.contains_key(file));
        *files = stay;
        drop(files);
        for loaded in gone.values() {
            loaded
                .handler
                .as_deref()
                .inspect(|program| program.retire());
        }
        gone.into_keys()
            .map(|file| (file, "removed".to_owned()))
            .collect()
    }

    fn changed(&self, there: BTreeMap<String, Seen>) -> Vec<(String, Seen)> {
        let files = lock(&self.files);
        let is_new = |(file, seen): &(String, Seen)| {
            files.get(file).is_none_or(|loaded| loaded.seen != *seen)
        };
        there.into_iter().filter(is_new).collect()
    }

    /// Starts all at once, so that one that hangs holds up nobody.
    fn start(
        &self,
        changed: Vec<(String, Seen)>,
    ) -> Vec<(String, Seen, Result<Program, ProgramError>)> {
        let start = |file: &str| Program::start_for(&self.directory.join(file), &self.stop);
        let start = &start;
        std::thread::scope(|scope| {
            let starting: Vec<_> = changed
                .into_iter()
                .map(|(file, seen)| {
                    let name = file.clone();
                    (file, seen, scope.spawn(move || start(&name)))
                })
                .collect();
            let joined = starting.into_iter().map(|(file, seen, thread)| {
                let broke = |_| Err(ProgramError::Handshake("the start broke".to_owned()));
                (file, seen, thread.join().unwrap_or_else(broke))
            });
            joined.collect()
        })
    }

    /// Takes in a new version, if it is right. Says what became of it, unless all
    /// are being stopped.
    fn put(
        &self,
        file: &str,
        seen: Seen,
        started: Result<Program, ProgramError>,
        taken: &[String],
    ) -> Option<String> {
        let mut files = lock(&self.files);
        // Looked at with the lock: whoever stops all takes what is in there.
        if self.stop.is_set() {
            return None;
        }
        let is_taken = |prefix: &str| {
            let of_others = files.iter().filter(|(other, _)| *other != file);
            let mut others = of_others.filter_map(|(_, loaded)| loaded.handler.as_deref());
            taken.iter().any(|other| other == prefix) || others.any(|other| other.name() == prefix)
        };
        let started = started.and_then(|program| {
            if is_taken(program.name()) {
                return Err(ProgramError::Taken(program.name().to_owned()));
            }
            Ok(program)
        });
        let before = files.remove(file).and_then(|loaded| loaded.handler);
        let (handler, problem, said, retired) = match started {
            Ok(program) => {
                let said = format!(
                    "version {} answers `{}:`",
                    program.version(),
                    program.name()
                );
                (Some(Arc::new(program)), None, said, before)
            }
            Err(error) => {
                let problem = error.to_string();
                let said = format!("not used: {problem}");
                (before, Some(problem), said, None)
            }
        };
        let loaded = Loaded {
            seen,
            handler,
            problem,
            is_hidden: false,
        };
        files.insert(file.to_owned(), loaded);
        drop(files);
        retired.as_deref().inspect(|program| program.retire());
        Some(said)
    }

    fn look_after(&self, taken: &[String]) {
        let mut files = lock(&self.files);
        for loaded in files.values_mut() {
            let prefix = loaded.handler.as_ref().map(|handler| handler.name());
            loaded.is_hidden = prefix.is_some_and(|prefix| taken.iter().any(|t| t == prefix));
        }
        let programs: Vec<_> = files.values().filter_map(|l| l.handler.clone()).collect();
        drop(files);
        for program in programs {
            program.look_after();
        }
    }
}

impl PluginDirectory for Programs {
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let programs = self.loaded().into_iter();
        programs
            .map(|program| program as Arc<dyn Handler>)
            .collect()
    }

    fn list(&self) -> Vec<PluginFile> {
        let files = lock(&self.files);
        files
            .iter()
            .map(|(file, loaded)| loaded.described(file))
            .collect()
    }

    fn refresh(&self, taken: &[String]) -> Result<Vec<(String, String)>, String> {
        self.start_changed(taken).map_err(|error| error.to_string())
    }

    /// Ends all programs; none is started any more.
    fn stop(&self) {
        self.stop.set();
        let files = std::mem::take(&mut *lock(&self.files));
        let programs: Vec<_> = files
            .values()
            .filter_map(|loaded| loaded.handler.as_deref())
            .collect();
        stop_all(&programs);
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Loaded {
    fn described(&self, file: &str) -> PluginFile {
        let handler = self.handler.as_ref();
        let failure = handler.and_then(|handler| handler.last_failure());
        PluginFile {
            file: file.to_owned(),
            id: handler.map(|handler| handler.id().to_owned()),
            version: handler.map(|handler| handler.version()),
            is_disabled: handler.is_some_and(|handler| handler.is_disabled()),
            problem: self.problem().or(failure),
            handler: handler.map(|handler| Arc::clone(handler) as Arc<dyn Handler>),
        }
    }

    fn problem(&self) -> Option<String> {
        let hidden = || {
            let name = self.handler.as_ref().filter(|_| self.is_hidden)?.name();
            Some(ProgramError::Taken(name.to_owned()).to_string())
        };
        self.problem.clone().or_else(hidden)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
