//! The directory of an owner's scripts, as it changes.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::Arc,
};

use plugin_api::{Handler, PluginDirectory, PluginFile};
use plugin_host::{Answers, Directory, DirectoryError, Kind, Lines};

use crate::{ScriptError, handler::ScriptHandler, policy::POLICY_FILE, source};

/// Most scripts of a directory.
pub const SCRIPTS_MAX: usize = 64;

/// The extension of the names of scripts.
const EXTENSION: &str = "rhai";

const SCRIPTS: Kind = Kind {
    name: "scripts",
    files_max: SCRIPTS_MAX,
    check: source::check_rights,
    is_plugin: is_script,
};

/// The scripts of a directory.
#[derive(Debug)]
pub struct Scripts {
    directory: Directory<ScriptHandler>,
    answers: Answers,
}

impl Scripts {
    /// Follows `directory`. Nothing is loaded before
    /// [`refresh`](PluginDirectory::refresh).
    #[must_use]
    pub fn new(directory: PathBuf) -> Scripts {
        Scripts {
            directory: Directory::new(directory, SCRIPTS),
            answers: Answers::default(),
        }
    }

    /// Has the scripts share their permits with others.
    #[must_use]
    pub fn with_answers(self, answers: Answers) -> Scripts {
        Scripts { answers, ..self }
    }

    /// Returns the scripts that answer, by the names of their files.
    #[must_use]
    pub fn loaded(&self) -> Vec<Arc<ScriptHandler>> {
        self.directory.plugins()
    }

    fn load_changed(&self, taken: &[String]) -> Result<Lines, DirectoryError> {
        let there = self.directory.look()?;
        let (mut lines, _gone) = self.directory.remove_others(&there);
        for (file, seen) in self.directory.changed(there) {
            let loaded = self.load(&file).map_err(|error| error.to_string());
            let put = self.directory.put(&file, seen, loaded, taken);
            lines.extend(put.map(|put| (file, put.said)));
        }
        Ok(lines)
    }

    fn load(&self, file: &str) -> Result<ScriptHandler, ScriptError> {
        let source = source::read(&self.directory.path().join(file))?;
        ScriptHandler::compile_for(&source, &self.answers)
    }
}

impl PluginDirectory for Scripts {
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        self.directory.handlers()
    }

    fn list(&self) -> Vec<PluginFile> {
        self.directory.list()
    }

    fn refresh(&self, taken: &[String]) -> Result<Lines, String> {
        self.load_changed(taken).map_err(|error| error.to_string())
    }

    /// Does nothing: no script runs between two answers.
    fn stop(&self) {}
}

fn is_script(file: &str, metadata: &Metadata) -> bool {
    let extension = Path::new(file).extension();
    metadata.is_file()
        && extension.is_some_and(|extension| extension == EXTENSION)
        && file != POLICY_FILE
}
