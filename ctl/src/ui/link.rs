//! The way to the node, which may go away and come back under another address.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::{
    connection::{Connection, Login},
    error::CtlError,
};

/// Finds the node by its login whenever that is needed.
#[derive(Debug)]
pub(super) struct NodeLink {
    login: Login,
    current: Mutex<Option<Connection>>,
}

impl NodeLink {
    pub(super) fn new(login: Login) -> NodeLink {
        NodeLink {
            login,
            current: Mutex::default(),
        }
    }

    /// Returns the node as it was found last, or finds it again.
    pub(super) fn connection(&self) -> Result<Connection, CtlError> {
        let mut current = self.current();
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let found = Connection::find(&self.login)?;
        *current = Some(found.clone());
        Ok(found)
    }

    /// Forgets the node, so that it is looked for again.
    pub(super) fn forget(&self) {
        *self.current() = None;
    }

    /// Calls a method. A node that is not where it was is looked for once more.
    pub(super) async fn call(
        &self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Value, CtlError> {
        let answer = self.connection()?.call(method, params).await;
        let moved = matches!(
            answer,
            Err(CtlError::NoNode { .. } | CtlError::NotAuthorised { .. })
        );
        if !moved {
            return answer;
        }
        self.forget();
        self.connection()?.call(method, params).await
    }

    fn current(&self) -> MutexGuard<'_, Option<Connection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
