//! A temporary world for one node: its share, its state, and a secret place beside them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory with `share/`, `state/` and `outside.txt`, removed at drop.
#[derive(Debug)]
pub struct Home {
    root: TempDir,
}

impl Default for Home {
    fn default() -> Self {
        Home::new()
    }
}

impl Home {
    /// The content of `outside.txt`; nothing may ever send it.
    pub const OUTSIDE: &'static str = "this lies outside the share";

    /// Creates an empty home.
    ///
    /// # Panics
    /// When the temporary directory cannot be made.
    pub fn new() -> Home {
        let home = Home {
            root: TempDir::with_prefix("sixhop-e2e-").expect("a temporary directory can be made"),
        };
        std::fs::create_dir(home.share()).expect("the home is new");
        std::fs::write(home.root().join("outside.txt"), Home::OUTSIDE).expect("the home is new");
        home
    }

    /// Returns the directory that holds all of it.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Returns the directory to share.
    pub fn share(&self) -> PathBuf {
        self.root().join("share")
    }

    /// Returns the directory for the state; the node makes it.
    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// Puts a file into the share, with its directories.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.share().join(name);
        let dir = path
            .parent()
            .expect("a file of the share lies in a directory");
        std::fs::create_dir_all(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        std::fs::write(&path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Returns the bytes of a file of the share, if it is there.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.share().join(name)).ok()
    }

    /// Returns names of everything at the top of the share, temporaries too, sorted.
    ///
    /// # Panics
    /// When the share cannot be listed.
    pub fn entries(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.share())
            .expect("the share is readable")
            .map(|e| e.expect("the share is readable").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Returns the secret of the node, once it has started.
    ///
    /// # Panics
    /// Panics if there is none.
    pub fn secret(&self) -> String {
        let path = self.state().join("secret");
        std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            .trim()
            .to_owned()
    }
}
