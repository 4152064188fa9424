//! The check of each call: whether its caller may make it.
//!
//! It stands before jsonrpsee for single calls, subscriptions, parts of a batch and notifications. A method whose level is
//! not known needs the secret, so that nothing is reachable by omission.

use std::{collections::BTreeMap, sync::Arc};

use jsonrpsee::{
    server::{
        MethodResponse,
        middleware::rpc::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    },
    types::{ErrorObjectOwned, Id, Request},
};
use node_api::{
    error::{ApiError, ErrorCode},
    level::Level,
    openrpc,
};
use node_base::events::Event;
use node_core::node::Node;
use tracing::Instrument;

use super::rights::{Caller, Holder};

/// The level that each method needs.
#[derive(Clone, Debug)]
pub(super) struct Levels(Arc<BTreeMap<String, Level>>);

/// The check of the calls of one caller.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) caller: Caller,
    pub(super) levels: Levels,
    pub(super) node: Arc<Node>,
}

/// A service that only makes calls that the caller may make.
#[derive(Clone, Debug)]
pub(super) struct Allowed<S> {
    inner: S,
    check: Check,
}

impl Levels {
    /// Reads them off the contract.
    pub(super) fn of_contract() -> Levels {
        Levels(Arc::new(openrpc::levels()))
    }

    fn of(&self, method: &str) -> Option<Level> {
        self.0.get(method).copied()
    }
}

impl Check {
    /// Puts the check before a service.
    pub(super) fn before<S>(&self, inner: S) -> Allowed<S> {
        Allowed {
            inner,
            check: self.clone(),
        }
    }

    /// Errors if the caller may not call the method.
    fn allow(&self, method: &str) -> Result<(), ErrorObjectOwned> {
        let Caller::Token(holder) = &self.caller else {
            return Ok(());
        };
        if holder.is_ended() {
            return Err(ended(holder));
        }
        let needed = self.levels.of(method).unwrap_or(Level::Admin);
        if !self.caller.may().allows(needed) {
            tracing::warn!(token = holder.name(), method, "a call is not allowed");
            return Err(denied(holder, method, needed));
        }
        if needed > Level::Read {
            tracing::info!(
                token = holder.name(),
                method,
                "a token is used for a change"
            );
            self.node.events().emit(&Event::TokenCalled {
                name: holder.name().to_owned(),
                method: method.to_owned(),
            });
        }
        Ok(())
    }

    /// Makes an allowed call. Errors if the token of the caller ends before the call does.
    async fn run<T>(&self, call: impl Future<Output = T>) -> Result<T, ErrorObjectOwned> {
        match &self.caller {
            Caller::Owner => Ok(call.await),
            Caller::Token(holder) => {
                let span = tracing::info_span!("call", token = holder.name());
                let done = holder.run(call.instrument(span)).await;
                done.ok_or_else(|| ended(holder))
            }
        }
    }
}

fn denied(holder: &Holder, method: &str, needed: Level) -> ErrorObjectOwned {
    let text = format!(
        "the token `{}` may {}, and {method} needs {}",
        holder.name(),
        holder.may().name(),
        needed.name()
    );
    ApiError::new(ErrorCode::Denied, text).into()
}

fn ended(holder: &Holder) -> ErrorObjectOwned {
    let text = format!("the token `{}` was removed or has expired", holder.name());
    ApiError::new(ErrorCode::Denied, text).into()
}

impl<S> RpcServiceT for Allowed<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Allowed { inner, check } = self.clone();
        async move {
            let id = request.id.clone().into_owned();
            let made = match check.allow(request.method_name()) {
                Ok(()) => check.run(inner.call(request)).await,
                Err(refused) => Err(refused),
            };
            made.unwrap_or_else(|error| MethodResponse::error(id, error))
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Allowed { inner, check } = self.clone();
        async move {
            let is_empty = batch.is_empty();
            let parts = batch.into_iter().filter_map(|part| match part {
                Ok(BatchEntry::Call(call)) => {
                    let allowed = check.allow(call.method_name());
                    let id = call.id.clone();
                    Some(match allowed {
                        Ok(()) => Ok(BatchEntry::Call(call)),
                        Err(error) => Err(BatchEntryErr::new(id, error)),
                    })
                }
                Ok(BatchEntry::Notification(said)) => {
                    let allowed = check.allow(said.method_name());
                    allowed.ok().map(|()| Ok(BatchEntry::Notification(said)))
                }
                Err(error) => Some(Err(error)),
            });
            let parts: Vec<_> = parts.collect();
            if parts.is_empty() && !is_empty {
                // Notifications that are not allowed are not answered either.
                return MethodResponse::notification();
            }
            let made = check.run(inner.batch(Batch::from(parts))).await;
            made.unwrap_or_else(|error| MethodResponse::error(Id::Null, error))
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Allowed { inner, check } = self.clone();
        async move {
            if check.allow(notification.method_name()).is_err() {
                return MethodResponse::notification();
            }
            let said = check.run(inner.notification(notification)).await;
            said.unwrap_or_else(|_| MethodResponse::notification())
        }
    }
}
