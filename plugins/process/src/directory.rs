//! The directory of an owner's programs, as it changes.

use std::{path::PathBuf, sync::Arc};

use plugin_api::{Handler, PluginDirectory, PluginFile};
use plugin_host::{Answers, Directory, DirectoryError, Kind, Lines, Seen};

use crate::{
    ProgramError,
    process::Stop,
    program::{Program, stop_all},
    rights::{check_rights, is_to_run},
};

/// Most programs of a directory.
pub const PROGRAMS_MAX: usize = 16;

const PROGRAMS: Kind = Kind {
    name: "programs",
    files_max: PROGRAMS_MAX,
    check: check_rights,
    is_plugin: is_to_run,
};

/// The programs of a directory.
#[derive(Debug)]
pub struct Programs {
    directory: Directory<Program>,
    answers: Answers,
    stop: Stop,
}

impl Programs {
    /// Follows `directory`. Nothing is started before
    /// [`refresh`](PluginDirectory::refresh).
    #[must_use]
    pub fn new(directory: PathBuf) -> Programs {
        Programs {
            directory: Directory::new(directory, PROGRAMS),
            answers: Answers::default(),
            stop: Stop::default(),
        }
    }

    /// Has the programs share their permits with others.
    #[must_use]
    pub fn with_answers(mut self, answers: Answers) -> Programs {
        self.answers = answers;
        self
    }

    /// Returns the programs that answer, by the names of their files.
    #[must_use]
    pub fn loaded(&self) -> Vec<Arc<Program>> {
        self.directory.plugins()
    }

    /// Starts the programs that changed, and looks after those that run. Blocks, at most as
    /// long as an introduction may take.
    fn start_changed(&self, taken: &[String]) -> Result<Lines, DirectoryError> {
        let there = self.directory.look()?;
        let (mut lines, gone) = self.directory.remove_others(&there);
        gone.iter().for_each(|program| program.retire());
        for (file, seen, started) in self.start(self.directory.changed(there)) {
            let started = started.map_err(|error| error.to_string());
            let Some(put) = self.directory.put(&file, seen, started, taken) else {
                continue;
            };
            put.replaced.inspect(|program| program.retire());
            lines.push((file, put.said));
        }
        self.directory.hide(taken);
        for program in self.directory.all() {
            program.look_after();
        }
        Ok(lines)
    }

    /// Starts all at once, so that one that hangs holds up nobody.
    fn start(
        &self,
        changed: Vec<(String, Seen)>,
    ) -> Vec<(String, Seen, Result<Program, ProgramError>)> {
        let start = |file: &str| {
            let path = self.directory.path().join(file);
            Program::start_for(&path, &self.answers, &self.stop)
        };
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
}

impl PluginDirectory for Programs {
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        self.directory.handlers()
    }

    fn list(&self) -> Vec<PluginFile> {
        self.directory.list()
    }

    fn refresh(&self, taken: &[String]) -> Result<Lines, String> {
        self.start_changed(taken).map_err(|error| error.to_string())
    }

    /// Ends all programs; none is started any more.
    fn stop(&self) {
        self.stop.set();
        stop_all(&self.directory.close());
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop();
    }
}
