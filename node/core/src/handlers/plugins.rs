//! The handlers of the owner's directories, from [`PluginDirectory`].
//!
//! # Invariants
//! - A prefix belongs to one handler: the built-in ones go before the first
//!   directory, and each directory before the next one.

use std::sync::Arc;

use plugin_api::{Handler, PluginDirectory, PluginFile};

/// The owner's directories.
pub struct Plugins {
    /// Prefixes of the built-in handlers.
    reserved: Vec<String>,
    directories: Vec<Arc<dyn PluginDirectory>>,
}

/// Lines for the owner: a file, and its outcome.
pub(super) type Lines = Vec<(String, String)>;

impl Plugins {
    pub(super) fn new(
        directories: Vec<Arc<dyn PluginDirectory>>,
        reserved: Vec<String>,
    ) -> Plugins {
        Plugins {
            reserved,
            directories,
        }
    }

    /// Returns the files, directory by directory.
    #[must_use]
    pub fn list(&self) -> Vec<PluginFile> {
        let directories = self.directories.iter();
        directories.flat_map(|directory| directory.list()).collect()
    }

    /// Returns the handlers, directory by directory.
    pub(super) fn handlers(&self) -> impl Iterator<Item = Arc<dyn Handler>> {
        let directories = self.directories.iter();
        directories.flat_map(|directory| directory.handlers())
    }

    /// Returns how many directories there are.
    pub(super) fn count(&self) -> usize {
        self.directories.len()
    }

    /// Loads the files of one directory that changed. Blocks, for as long as a handler may
    /// take to start.
    pub(super) fn refresh(&self, directory: usize) -> Result<Lines, String> {
        let Some(refreshed) = self.directories.get(directory) else {
            return Ok(Lines::new());
        };
        let before = self.directories[..directory].iter();
        let before = before.flat_map(|directory| directory.handlers());
        let before = before.map(|handler| handler.name().to_owned());
        let taken: Vec<_> = self.reserved.iter().cloned().chain(before).collect();
        refreshed.refresh(&taken)
    }

    /// Ends the tasks of the handlers. Blocks.
    pub(super) fn stop(&self) {
        for directory in &self.directories {
            directory.stop();
        }
    }
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.handlers().map(|handler| handler.name().to_owned());
        f.debug_list().entries(names).finish()
    }
}
