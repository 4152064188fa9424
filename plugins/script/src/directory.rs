//! The directory of an owner's scripts, as it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plugin_api::{Handler, PluginDirectory, PluginFile};

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
    places: Arc<Places>,
    files: Mutex<BTreeMap<String, Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    seen: Seen,
    handler: Option<Arc<ScriptHandler>>,
    problem: Option<String>,
}

impl Scripts {
    /// Follows `directory`. Nothing is loaded before
    /// [`refresh`](PluginDirectory::refresh).
    #[must_use]
    pub fn new(directory: PathBuf) -> Scripts {
        Scripts {
            directory,
            places: Arc::default(),
            files: Mutex::default(),
        }
    }

    /// Returns the scripts that answer, by the names of their files.
    #[must_use]
    pub fn loaded(&self) -> Vec<Arc<ScriptHandler>> {
        let files = lock(&self.files);
        files
            .values()
            .filter_map(|loaded| loaded.handler.clone())
            .collect()
    }

    /// Loads the scripts that changed.
    fn load_changed(&self, taken: &[String]) -> Result<Vec<(String, String)>, ScriptError> {
        source::check_directory(&self.directory)?;
        let there = self.look()?;
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
            let taken = taken_by_others(&files, &file, taken);
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

    fn look(&self) -> Result<BTreeMap<String, Seen>, ScriptError> {
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
}

impl PluginDirectory for Scripts {
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let scripts = self.loaded().into_iter();
        scripts.map(|script| script as Arc<dyn Handler>).collect()
    }

    fn list(&self) -> Vec<PluginFile> {
        let files = lock(&self.files);
        files
            .iter()
            .map(|(file, loaded)| loaded.described(file))
            .collect()
    }

    fn refresh(&self, taken: &[String]) -> Result<Vec<(String, String)>, String> {
        self.load_changed(taken).map_err(|error| error.to_string())
    }

    /// Does nothing: no script runs between two answers.
    fn stop(&self) {}
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
            problem: self.problem.clone().or(failure),
            handler: handler.map(|handler| Arc::clone(handler) as Arc<dyn Handler>),
        }
    }
}

/// Returns the prefixes that `file` may not have.
fn taken_by_others(
    files: &BTreeMap<String, Loaded>,
    file: &str,
    taken: &[String],
) -> BTreeSet<String> {
    let others = files
        .iter()
        .filter(|(other, _)| *other != file)
        .filter_map(|(_, loaded)| Some(loaded.handler.as_ref()?.name().to_owned()));
    taken.iter().cloned().chain(others).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
