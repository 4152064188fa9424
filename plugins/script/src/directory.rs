//! The directory of an owner's scripts, as it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plugin_api::Handler;

use crate::{
    ScriptError,
    handler::{Places, ScriptHandler},
    policy::POLICY_FILE,
    source::{self, Seen},
};

/// Most scripts of a directory.
pub const SCRIPTS_MAX: usize = 64;

/// How the names of scripts end.
const EXTENSION: &str = "rhai";

/// The scripts of a directory.
#[derive(Debug)]
pub struct Scripts {
    directory: PathBuf,
    /// Prefixes that no script may have.
    reserved: Vec<String>,
    places: Arc<Places>,
    files: Mutex<BTreeMap<String, Loaded>>,
}

/// A script and what is wrong with it.
#[derive(Clone, Debug)]
pub struct ScriptState {
    /// Name of the file.
    pub file: String,
    /// What answers, if anything does: the last version that was right.
    pub handler: Option<Arc<ScriptHandler>>,
    /// Why the file as it is now is not used.
    pub problem: Option<String>,
}

#[derive(Debug)]
struct Loaded {
    seen: Seen,
    handler: Option<Arc<ScriptHandler>>,
    problem: Option<String>,
}

impl Scripts {
    /// Follows `directory`. Nothing is loaded before [`Scripts::refresh`].
    #[must_use]
    pub fn new(directory: PathBuf, reserved: Vec<String>) -> Scripts {
        Scripts {
            directory,
            reserved,
            places: Arc::default(),
            files: Mutex::default(),
        }
    }

    /// Looks at the directory and loads what changed. Gives what to tell the
    /// owner: file and what happened to it. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be read; what was loaded stays.
    pub fn refresh(&self) -> Result<Vec<(String, String)>, ScriptError> {
        source::check_directory(&self.directory)?;
        let there = self.list()?;
        let mut files = lock(&self.files);
        let mut news = Vec::new();
        files.retain(|file, _| {
            let stays = there.contains_key(file);
            if !stays {
                news.push((file.clone(), "removed".to_owned()));
            }
            stays
        });
        for (file, seen) in there {
            if files.get(&file).is_some_and(|loaded| loaded.seen == seen) {
                continue;
            }
            let taken = self.taken(&files, &file);
            let before = files.remove(&file).and_then(|loaded| loaded.handler);
            let loaded = match self.load(&file, &taken) {
                Ok(handler) => {
                    let version = handler.version();
                    let said = format!("version {version} answers `{}:`", handler.name());
                    news.push((file.clone(), said));
                    Loaded {
                        seen,
                        handler: Some(Arc::new(handler)),
                        problem: None,
                    }
                }
                Err(error) => {
                    let problem = error.to_string();
                    news.push((file.clone(), format!("not used: {problem}")));
                    Loaded {
                        seen,
                        handler: before,
                        problem: Some(problem),
                    }
                }
            };
            files.insert(file, loaded);
        }
        Ok(news)
    }

    /// What is loaded, by the names of the files.
    #[must_use]
    pub fn list_loaded(&self) -> Vec<ScriptState> {
        let files = lock(&self.files);
        let states = files.iter().map(|(file, loaded)| ScriptState {
            file: file.clone(),
            handler: loaded.handler.clone(),
            problem: loaded.problem.clone(),
        });
        states.collect()
    }

    /// The handlers, by the names of their files.
    #[must_use]
    pub fn handlers(&self) -> Vec<Arc<ScriptHandler>> {
        let files = lock(&self.files);
        files
            .values()
            .filter_map(|loaded| loaded.handler.clone())
            .collect()
    }

    fn list(&self) -> Result<BTreeMap<String, Seen>, ScriptError> {
        let mut there = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Some(file) = path.file_name().and_then(|file| file.to_str()) else {
                continue;
            };
            if path
                .extension()
                .is_none_or(|extension| extension != EXTENSION)
                || file.starts_with('.')
                || file == POLICY_FILE
            {
                continue;
            }
            // A file may vanish while it is looked at.
            if let Ok(metadata) = fs::symlink_metadata(&path)
                && metadata.is_file()
            {
                there.insert(file.to_owned(), Seen::of(&metadata));
            }
            if there.len() > SCRIPTS_MAX {
                return Err(ScriptError::TooMany);
            }
        }
        Ok(there)
    }

    fn load(&self, file: &str, taken: &BTreeSet<String>) -> Result<ScriptHandler, ScriptError> {
        let source = source::read(&self.directory.join(file))?;
        let handler = ScriptHandler::compile_for(&source, &self.places)?;
        if taken.contains(handler.name()) {
            return Err(ScriptError::Taken(handler.name().to_owned()));
        }
        Ok(handler)
    }

    /// The prefixes that `file` may not have.
    fn taken(&self, files: &BTreeMap<String, Loaded>, file: &str) -> BTreeSet<String> {
        let others = files
            .iter()
            .filter(|(other, _)| *other != file)
            .filter_map(|(_, loaded)| Some(loaded.handler.as_ref()?.name().to_owned()));
        self.reserved.iter().cloned().chain(others).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
