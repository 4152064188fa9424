//! The extensions of a node, chosen by the program that composes it.

use std::{fmt, io, sync::Arc};

use plugin_api::{Files, Handler, Index, IndexStatus, PluginDirectory, PolicySource};

/// Is called when an index has all files.
pub type CaughtUp = Box<dyn Fn(&IndexStatus) + Send + Sync>;

/// Opens an index of these files.
pub type OpenIndex = Box<dyn FnOnce(Arc<dyn Files>, CaughtUp) -> io::Result<Arc<dyn Index>> + Send>;

/// The handlers of a node, and the policy of its owner. By default, none.
#[derive(Default)]
pub struct Extensions {
    /// Handlers that keep nothing about files.
    pub handlers: Vec<Arc<dyn Handler>>,
    /// Opens the handlers that answer from an index, once the share is open.
    pub index: Option<OpenIndex>,
    /// Directories of handlers; earlier ones go before later ones.
    pub directories: Vec<Arc<dyn PluginDirectory>>,
    /// The source of the owner's policy.
    pub policy: Option<Arc<dyn PolicySource>>,
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers = self.handlers.iter().map(|handler| handler.name());
        f.debug_struct("Extensions")
            .field("handlers", &handlers.collect::<Vec<_>>())
            .field("has_index", &self.index.is_some())
            .field("directories", &self.directories.len())
            .field("has_policy", &self.policy.is_some())
            .finish()
    }
}
