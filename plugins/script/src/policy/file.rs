//! The file of the policy, as it changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use plugin_api::{PolicySource, PolicyState, Rules};
use plugin_host::Seen;

use super::ScriptPolicy;
use crate::{ScriptError, source};

/// Name of the file in the plugin directory. No handler can have it.
pub const POLICY_FILE: &str = "policy.rhai";

/// Looks in a row that miss the file before there is no policy any more. Some
/// editors take a file away for a moment when they save it.
const MISSED_MAX: u32 = 2;

/// The file of the policy.
#[derive(Debug)]
pub struct PolicyFile {
    directory: PathBuf,
    now: RwLock<Now>,
}

/// The last known state of the file.
#[derive(Debug, Default)]
struct Now {
    seen: Option<Seen>,
    missed: u32,
    policy: Option<Arc<ScriptPolicy>>,
    problem: Option<String>,
}

/// The result of a look.
enum Look {
    Absent,
    Same,
    /// The file as it is now; nothing if it could not be looked at.
    Changed(Option<Seen>, Result<ScriptPolicy, ScriptError>),
}

impl PolicyFile {
    /// Follows [`POLICY_FILE`] in `directory`. Nothing is loaded before
    /// [`PolicyFile::refresh`].
    #[must_use]
    pub fn new(directory: PathBuf) -> PolicyFile {
        PolicyFile {
            directory,
            now: RwLock::default(),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Now) -> T) -> T {
        read(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PolicySource for PolicyFile {
    fn file(&self) -> &'static str {
        POLICY_FILE
    }

    fn refresh(&self) -> Option<String> {
        let seen = self.read(|now| now.seen);
        let look = look(&self.directory, seen);
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        match look {
            Look::Same => {
                now.missed = 0;
                None
            }
            Look::Absent => now.miss(),
            Look::Changed(seen, loaded) => now.load(seen, loaded),
        }
    }

    fn rules(&self) -> Rules {
        self.read(|now| match (&now.policy, &now.problem) {
            (Some(policy), _) => Rules::Policy(Arc::<ScriptPolicy>::clone(policy)),
            (None, Some(_)) => Rules::Closed,
            (None, None) => Rules::None,
        })
    }

    fn state(&self) -> Option<PolicyState> {
        self.read(|now| {
            let state = PolicyState {
                rules: now.policy.as_ref().map(|policy| policy.rules().to_vec()),
                problem: now.problem.clone(),
                failure: now.policy.as_ref().and_then(|policy| policy.last_failure()),
            };
            (state.rules.is_some() || state.problem.is_some()).then_some(state)
        })
    }
}

impl Now {
    fn miss(&mut self) -> Option<String> {
        if self.policy.is_none() && self.problem.is_none() {
            return None;
        }
        self.missed += 1;
        if self.missed < MISSED_MAX {
            return None;
        }
        *self = Now::default();
        Some("removed: everything is allowed".to_owned())
    }

    fn load(
        &mut self,
        seen: Option<Seen>,
        loaded: Result<ScriptPolicy, ScriptError>,
    ) -> Option<String> {
        self.missed = 0;
        self.seen = seen;
        match loaded {
            Ok(policy) => {
                let names: Vec<_> = policy.rules().iter().map(|rule| rule.name()).collect();
                *self = Now {
                    policy: Some(Arc::new(policy)),
                    problem: None,
                    ..*self
                };
                Some(format!("holds, with {}", names.join(", ")))
            }
            Err(error) => {
                let instead = if self.policy.is_some() {
                    "the version before it holds"
                } else {
                    "everything is refused until it is right"
                };
                let problem = format!("not used, {instead}: {error}");
                let is_new = self.problem.as_ref() != Some(&problem);
                self.problem = Some(problem.clone());
                is_new.then_some(problem)
            }
        }
    }
}

fn look(directory: &Path, seen: Option<Seen>) -> Look {
    let path = directory.join(POLICY_FILE);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::Absent,
        Err(error) => return Look::Changed(None, Err(error.into())),
    };
    if let Err(error) = source::check_directory(directory) {
        return Look::Changed(None, Err(error));
    }
    if !metadata.is_file() {
        return Look::Changed(None, Err(ScriptError::NoFile));
    }
    let now = Seen::of(&metadata);
    if seen == Some(now) {
        return Look::Same;
    }
    let loaded = source::read(&path).and_then(|source| ScriptPolicy::compile(&source));
    Look::Changed(Some(now), loaded)
}
