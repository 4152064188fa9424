//! One run of a script: the nodes that it talks to and the reason why it must stop.
//!
//! # Invariants
//! - The owner's node is looked for at the first call that needs it, and once.
//! - What a script waits for ends with patience.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use node_api::error::ErrorCode;
use rhai::{Dynamic, EvalAltResult, Map, Position};
use tokio::runtime::Handle;

use super::hooks::Hooks;
#[cfg(feature = "embedded")]
use crate::embedded::EmbeddedNode;
use crate::{commands::Context, connection::Connection, error::CtlError};

/// One run of a script.
pub(super) struct Session {
    context: Context,
    runtime: Handle,
    owner: OnceLock<Connection>,
    stop: Mutex<Option<CtlError>>,
    output_closed: OnceLock<()>,
    hooks: Hooks,
    #[cfg(feature = "embedded")]
    nodes: Mutex<Vec<Option<EmbeddedNode>>>,
}

impl Session {
    pub(super) fn new(context: Context, runtime: Handle) -> Session {
        Session {
            context,
            runtime,
            owner: OnceLock::new(),
            stop: Mutex::new(None),
            output_closed: OnceLock::new(),
            hooks: Hooks::new(),
            #[cfg(feature = "embedded")]
            nodes: Mutex::new(Vec::new()),
        }
    }

    /// Returns the context that the script runs in.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the listeners and timers.
    pub(super) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Returns the runtime, which works while the script does.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Connects to the owner's node.
    pub(super) fn owner(&self) -> Result<Connection, CtlError> {
        if let Some(connection) = self.owner.get() {
            return Ok(connection.clone());
        }
        let connection = self.context.connect()?;
        Ok(self.owner.get_or_init(|| connection).clone())
    }

    /// Waits for work of the runtime, but no longer than patience lasts.
    pub(super) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, CtlError>>,
    ) -> Result<T, CtlError> {
        self.runtime.block_on(self.context.patience.bound(work))
    }

    /// Waits for work of the runtime that looks after patience itself.
    pub(super) fn wait_patiently<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Prints escaped text. When nobody reads it any more, the script stops soon.
    pub(super) fn print(&self, text: &str) {
        if self.context.output.lines(text).is_err() {
            self.output_closed.get_or_init(|| ());
        }
    }

    /// Errors with the reason why the script must stop, if it must.
    pub(super) fn check(&self) -> Result<(), CtlError> {
        if self.output_closed.get().is_some() {
            return Err(CtlError::OutputClosed);
        }
        self.context.patience.check()
    }

    /// Keeps the reason of a stop while rhai unwinds.
    pub(super) fn remember_stop(&self, stop: CtlError) {
        self.stop().get_or_insert(stop);
    }

    /// Returns the reason of the stop, if there was one.
    pub(super) fn take_stop(&self) -> Option<CtlError> {
        self.stop().take()
    }

    fn stop(&self) -> MutexGuard<'_, Option<CtlError>> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an error as a script sees it: an object map with `code`, `exit` and `message`. A reason to stop cannot be
    /// caught.
    pub(super) fn raise(&self, error: CtlError) -> Box<EvalAltResult> {
        if error.is_stop() {
            self.remember_stop(error);
            return EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into();
        }
        let value = error_map(error.code(), &error.to_string());
        EvalAltResult::ErrorRuntime(value.into(), Position::NONE).into()
    }

    /// Keeps a node until the end of the run, and gives it a number.
    #[cfg(feature = "embedded")]
    pub(super) fn keep(&self, node: EmbeddedNode) -> usize {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.push(Some(node));
        nodes.len() - 1
    }

    /// Gives back a node that was kept, once.
    #[cfg(feature = "embedded")]
    pub(super) fn release(&self, number: usize) -> Option<EmbeddedNode> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get_mut(number)?.take()
    }

    /// Ends the nodes that the script started.
    pub(super) fn end(&self) {
        self.runtime.block_on(self.hooks.end());
        #[cfg(feature = "embedded")]
        {
            let nodes =
                std::mem::take(&mut *self.nodes.lock().unwrap_or_else(PoisonError::into_inner));
            for node in nodes.into_iter().flatten() {
                self.runtime.block_on(node.stop());
            }
        }
    }
}

fn error_map(code: ErrorCode, message: &str) -> Map {
    let mut map = Map::new();
    map.insert("code".into(), code.name().into());
    map.insert("exit".into(), i64::from(code.exit_code()).into());
    map.insert("message".into(), message.into());
    map
}
