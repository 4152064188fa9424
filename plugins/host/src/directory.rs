//! The files of a directory that are plugins, as they appear, change and go.
//!
//! [`Directory`] does no more than the bookkeeping: its owner looks, loads what [`Directory::changed`] names, and puts it
//! in with [`Directory::put`]. No lock is held meanwhile, so queries go on while a script compiles or a program starts.

#![expect(
    clippy::disallowed_methods,
    reason = "the directory of plugins is named by the person at the machine"
)]

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use plugin_api::{Handler, PluginFile};

use crate::{
    header::Header,
    lock,
    rights::{RightsError, Seen},
    strikes::Strikes,
};

/// Lines for the owner: a file, and its outcome.
pub type Lines = Vec<(String, String)>;

/// A handler that is a file of a directory.
pub trait Plugin: Handler + 'static {
    /// Returns the header of the plugin.
    fn header(&self) -> &Header;

    /// Returns its failures.
    fn strikes(&self) -> &Strikes;
}

/// The kind of plugins in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name of such plugins, in the plural.
    pub name: &'static str,
    /// Most of them in a directory.
    pub files_max: usize,
    /// Checks whether the directory can be trusted.
    pub check: fn(&'static str, &Metadata) -> Result<(), RightsError>,
    /// Returns whether a file of this name is one.
    pub is_plugin: fn(&str, &Metadata) -> bool,
}

/// The error of a directory that cannot be used, or of a file in it.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be read.
    #[error("the directory cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Others could have put something into it.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// There are too many files.
    #[error("there are more than {} {}", .0.files_max, .0.name)]
    TooMany(Kind),
    /// Another handler has this prefix.
    #[error("the prefix `{0}:` is taken")]
    Taken(String),
}

/// The plugins of a directory.
#[derive(Debug)]
pub struct Directory<P> {
    path: PathBuf,
    kind: Kind,
    state: Mutex<State<P>>,
}

#[derive(Debug)]
struct State<P> {
    files: BTreeMap<String, Loaded<P>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Loaded<P> {
    seen: Seen,
    plugin: Option<Arc<P>>,
    problem: Option<String>,
    /// True if a handler that came later and goes first has its prefix.
    is_hidden: bool,
}

/// The result of putting a file into a [`Directory`].
#[derive(Debug)]
pub struct Put<P> {
    /// A line for the owner.
    pub said: String,
    /// The version that it replaces.
    pub replaced: Option<Arc<P>>,
}

impl<P: Plugin> Directory<P> {
    /// Creates an empty table for the plugins in `path`.
    #[must_use]
    pub fn new(path: PathBuf, kind: Kind) -> Directory<P> {
        let state = State {
            files: BTreeMap::new(),
            is_closed: false,
        };
        Directory {
            path,
            kind,
            state: Mutex::new(state),
        }
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the plugins that answer, by the names of their files.
    #[must_use]
    pub fn plugins(&self) -> Vec<Arc<P>> {
        let state = lock(&self.state);
        let shown = state.files.values().filter(|loaded| !loaded.is_hidden);
        shown.filter_map(|loaded| loaded.plugin.clone()).collect()
    }

    /// Returns the same as handlers.
    #[must_use]
    pub fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let plugins = self.plugins().into_iter();
        plugins.map(|plugin| plugin as Arc<dyn Handler>).collect()
    }

    /// Returns the state of each file, by their names.
    #[must_use]
    pub fn list(&self) -> Vec<PluginFile> {
        let state = lock(&self.state);
        let files = state.files.iter();
        files.map(|(file, loaded)| loaded.described(file)).collect()
    }

    /// Reads the directory. Blocks.
    ///
    /// # Errors
    /// [`DirectoryError`] if it cannot be used.
    pub fn look(&self) -> Result<BTreeMap<String, Seen>, DirectoryError> {
        (self.kind.check)("the directory", &fs::metadata(&self.path)?)?;
        let mut there = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let Some(file) = path.file_name().and_then(|file| file.to_str()) else {
                continue;
            };
            // A file may vanish while it is looked at.
            if !file.starts_with('.')
                && let Ok(metadata) = fs::symlink_metadata(&path)
                && (self.kind.is_plugin)(file, &metadata)
            {
                there.insert(file.to_owned(), Seen::of(&metadata));
            }
            if there.len() > self.kind.files_max {
                return Err(DirectoryError::TooMany(self.kind));
            }
        }
        Ok(there)
    }

    /// Forgets the files that are not there any more. Returns lines for the owner, and their plugins.
    pub fn remove_others(&self, there: &BTreeMap<String, Seen>) -> (Lines, Vec<Arc<P>>) {
        let mut state = lock(&self.state);
        let (stay, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut state.files)
            .into_iter()
            .partition(|(file, _)| there.contains_key(file));
        state.files = stay;
        drop(state);
        let lines = gone.keys().map(|file| (file.clone(), "removed".to_owned()));
        let lines = lines.collect();
        let plugins = gone.into_values().filter_map(|loaded| loaded.plugin);
        (lines, plugins.collect())
    }

    /// Returns the files that are new or changed.
    #[must_use]
    pub fn changed(&self, there: BTreeMap<String, Seen>) -> Vec<(String, Seen)> {
        let state = lock(&self.state);
        let is_new = |(file, seen): &(String, Seen)| {
            let known = state.files.get(file);
            known.is_none_or(|loaded| loaded.seen != *seen)
        };
        there.into_iter().filter(is_new).collect()
    }

    /// Takes in a new version, if it is valid and its prefix is free; `taken` are the prefixes of handlers that go
    /// first. Returns the outcome, or `None` if the directory is closed.
    pub fn put(
        &self,
        file: &str,
        seen: Seen,
        loaded: Result<P, String>,
        taken: &[String],
    ) -> Option<Put<P>> {
        let mut state = lock(&self.state);
        // Checked under the lock: the thread that closes takes what is in there.
        if state.is_closed {
            return None;
        }
        let loaded = loaded.and_then(|plugin| {
            if state.is_taken(plugin.name(), file, taken) {
                return Err(DirectoryError::Taken(plugin.name().to_owned()).to_string());
            }
            Ok(plugin)
        });
        let previous = state.files.remove(file).and_then(|loaded| loaded.plugin);
        let (said, plugin, problem, replaced) = match loaded {
            Ok(plugin) => {
                let (version, name) = (plugin.header().version, plugin.name());
                let said = format!("version {version} answers `{name}:`");
                (said, Some(Arc::new(plugin)), None, previous)
            }
            Err(problem) => (
                format!("not used: {problem}"),
                previous,
                Some(problem),
                None,
            ),
        };
        let loaded = Loaded {
            seen,
            plugin,
            problem,
            is_hidden: false,
        };
        state.files.insert(file.to_owned(), loaded);
        Some(Put { said, replaced })
    }

    /// Hides the plugins whose prefix is among `taken`, and shows the others.
    pub fn hide(&self, taken: &[String]) {
        for loaded in lock(&self.state).files.values_mut() {
            let prefix = loaded.plugin.as_ref().map(|plugin| plugin.name());
            loaded.is_hidden = prefix.is_some_and(|prefix| taken.iter().any(|t| t == prefix));
        }
    }

    /// Returns all plugins, hidden ones too.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<P>> {
        let state = lock(&self.state);
        let files = state.files.values();
        files.filter_map(|loaded| loaded.plugin.clone()).collect()
    }

    /// Forgets all files for good. Returns their plugins.
    pub fn close(&self) -> Vec<Arc<P>> {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let files = std::mem::take(&mut state.files);
        drop(state);
        let files = files.into_values();
        files.filter_map(|loaded| loaded.plugin).collect()
    }
}

impl<P: Plugin> State<P> {
    /// Returns whether `file` may not have this prefix.
    fn is_taken(&self, prefix: &str, file: &str, taken: &[String]) -> bool {
        let others = self.files.iter().filter(|(other, _)| *other != file);
        let mut others = others.filter_map(|(_, loaded)| loaded.plugin.as_deref());
        taken.iter().any(|other| other == prefix) || others.any(|other| other.name() == prefix)
    }
}

impl<P: Plugin> Loaded<P> {
    fn described(&self, file: &str) -> PluginFile {
        let plugin = self.plugin.as_ref();
        let failure = plugin.and_then(|plugin| plugin.strikes().last());
        PluginFile {
            file: file.to_owned(),
            id: plugin.map(|plugin| plugin.header().id.clone()),
            version: plugin.map(|plugin| plugin.header().version),
            is_disabled: plugin.is_some_and(|plugin| plugin.strikes().is_disabled()),
            problem: self.problem().or(failure),
            handler: plugin.map(|plugin| Arc::clone(plugin) as Arc<dyn Handler>),
        }
    }

    fn problem(&self) -> Option<String> {
        let hidden = || {
            let plugin = self.plugin.as_ref().filter(|_| self.is_hidden)?;
            Some(DirectoryError::Taken(plugin.name().to_owned()).to_string())
        };
        self.problem.clone().or_else(hidden)
    }
}
