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
use serde_json::{Value, value::RawValue};
use tracing::Instrument;

use super::rights::{Caller, Holder};

/// Methods that replace files if their parameter `replace`, the second one, says so.
const REPLACING: [&str; 2] = ["fetch.start", "fetch.start_matching"];

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

    /// Returns what a call needs. A method that is not known needs everything, and so does one that replaces files of the
    /// owner: who may bring files into the share may not take any away by that.
    fn of(&self, method: &str, params: Option<&RawValue>) -> Level {
        let replaces = REPLACING.contains(&method) && params.is_some_and(replaces);
        let needed = self.0.get(method).copied();
        needed.filter(|_| !replaces).unwrap_or(Level::Admin)
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
    fn allow(&self, method: &str, params: Option<&RawValue>) -> Result<(), ErrorObjectOwned> {
        let Caller::Token(holder) = &self.caller else {
            return Ok(());
        };
        if holder.is_ended() {
            return Err(ended(holder));
        }
        let needed = self.levels.of(method, params);
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

/// Returns whether parameters say that files are replaced.
fn replaces(params: &RawValue) -> bool {
    let params: Option<Value> = serde_json::from_str(params.get()).ok();
    let said = params.as_ref().and_then(|params| match params {
        Value::Array(values) => values.get(1),
        params => params.get("replace"),
    });
    said.is_some_and(|said| *said != Value::Bool(false) && !said.is_null())
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
            let made = match check.allow(request.method_name(), request.params.as_deref()) {
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
                    let allowed = check.allow(call.method_name(), call.params.as_deref());
                    let id = call.id.clone();
                    Some(match allowed {
                        Ok(()) => Ok(BatchEntry::Call(call)),
                        Err(error) => Err(BatchEntryErr::new(id, error)),
                    })
                }
                Ok(BatchEntry::Notification(said)) => {
                    let allowed = check.allow(said.method_name(), said.params.as_deref());
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
            if check
                .allow(notification.method_name(), notification.params.as_deref())
                .is_err()
            {
                return MethodResponse::notification();
            }
            let said = check.run(inner.notification(notification)).await;
            said.unwrap_or_else(|_| MethodResponse::notification())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_replaces_files_needs_everything() {
        let levels = Levels::of_contract();
        let needed = |method: &str, params: &str| {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            levels.of(method, Some(&params))
        };
        for method in REPLACING {
            assert_eq!(levels.of(method, None), Level::Fetch);
            for params in [
                "{}",
                r#"{"name":"a"}"#,
                r#"{"replace":false}"#,
                r#"{"replace":null}"#,
                r#"["a"]"#,
                r#"["a",false]"#,
            ] {
                assert_eq!(needed(method, params), Level::Fetch, "{params}");
            }
            for params in [
                r#"{"name":"a","replace":true}"#,
                r#"["a",true,null]"#,
                r#"{"replace":1}"#,
            ] {
                assert_eq!(needed(method, params), Level::Admin, "{params}");
            }
        }
        assert_eq!(needed("search.query", r#"{"replace":true}"#), Level::Read);
        assert_eq!(needed("no.such", "{}"), Level::Admin);
    }
}
