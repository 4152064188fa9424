//! The changes to the share since the last report to a program.

use plugin_api::Changes;

/// Most names of changed files that are kept for a program.
const CHANGES_MAX: usize = 1_000;

/// Most bytes of these names.
const NAMES_MAX: usize = 256 * 1024;

/// The changes since the last report to the program.
#[derive(Debug, Default)]
pub(crate) enum Changed {
    #[default]
    Nothing,
    Names(Vec<String>),
    Anything,
}

impl Changed {
    /// Notes more changes.
    pub(crate) fn add(&mut self, changes: Changes<'_>) {
        let (mut names, new) = match (std::mem::take(self), changes) {
            (Changed::Nothing, Changes::Names(new)) => (Vec::new(), new),
            (Changed::Names(names), Changes::Names(new)) => (names, new),
            _ => {
                *self = Changed::Anything;
                return;
            }
        };
        let bytes: usize = names.iter().chain(new).map(String::len).sum();
        *self = if names.len() + new.len() > CHANGES_MAX || bytes > NAMES_MAX {
            Changed::Anything
        } else {
            names.extend_from_slice(new);
            Changed::Names(names)
        };
    }
}
