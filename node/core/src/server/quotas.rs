//! How much of this node's work others may cause.
//!
//! Each call takes tokens from the bucket of who makes it: of its id, if it has
//! shown one, of its address as a stranger otherwise. It takes as many from the
//! bucket of all that comes from that address, because ids cost nothing. Content
//! is not counted here: it has its slots and its rate, and files are what peers
//! come for.
//!
//! # Invariants
//! - Nobody uses up what others may cause, unless they share an address; and what
//!   those share is enough for several.
//! - However many ids somebody has, an address has one bucket.
//! - A call that is refused takes nothing.
//! - However many ask, what this node asks others for them is bounded.
//! - Who is on this machine has no quota; the front bounds what it can do.
//! - The tables are bounded.

use std::{
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::{
    Nonce,
    budget::Budget,
    node_id::{NodeId, TOKEN_HEADER},
    scope::Scope,
};

use super::{Context, front::Remote};
use crate::{
    bucket::{Bucket, Buckets, Quota, source_of},
    clock::now,
    sync::lock,
};

/// What a stranger may cause: tokens a second, and at once.
const STRANGER: Quota = Quota::per_second(100, 1_000);

/// What a node may cause that has shown who it is.
const NODE: Quota = Quota::per_second(2_000, 20_000);

/// What all that comes from one address may cause: two nodes that have shown who
/// they are and ask as much as they may, or, behind a router, many that do not.
const ADDRESS: Quota = Quota::per_second(4_000, 40_000);

/// Calls to other nodes that all others together may cause: what is forwarded costs more
/// nodes than the one that is asked, and many askers are within their quotas.
const FORWARDED: Quota = Quota::per_second(1_000, 16_384);

/// Most addresses, and most ids, that are told apart.
const TABLE_MAX: usize = 4_096;

/// What something costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// Any call.
    Call,
    /// A look at what this node has.
    Search,
    /// A signature, or a secret to compare.
    Proof,
    /// Asking other nodes, up to as many times as a query has calls.
    Walk,
}

/// Who causes work.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// Its address.
    pub address: IpAddr,
    /// Who it has shown to be.
    pub id: Option<NodeId>,
}

/// What each may still cause.
#[derive(Debug)]
pub struct Quotas(Mutex<Tables>);

/// The buckets of all.
#[derive(Debug)]
struct Tables {
    strangers: Buckets<IpAddr>,
    ids: Buckets<NodeId>,
    addresses: Buckets<IpAddr>,
    forwarded: Bucket,
}

impl Cost {
    fn tokens(self) -> u32 {
        match self {
            Cost::Call => 1,
            Cost::Search => 4,
            Cost::Proof => 5,
            Cost::Walk => 50,
        }
    }
}

impl Cause {
    /// Who sent a request: its token says so, if it has one that is good.
    pub(super) fn of(context: &Context, remote: Remote, headers: &HeaderMap) -> Cause {
        let token = headers.get(TOKEN_HEADER).and_then(|token| {
            let token: Nonce = token.to_str().ok()?.parse().ok()?;
            context.overlay.who(&token)
        });
        Cause {
            address: remote.0.ip(),
            id: token,
        }
    }
}

impl Quotas {
    /// Takes what something costs.
    ///
    /// # Errors
    /// When there is too little left: how long until there is enough.
    pub(super) fn take(&self, cause: Cause, cost: Cost) -> Result<(), Duration> {
        self.take_at(cause, cost, now())
    }

    /// The same, `now`.
    ///
    /// # Errors
    /// When there is too little left: how long until there is enough.
    pub fn take_at(&self, cause: Cause, cost: Cost, now: Instant) -> Result<(), Duration> {
        if Scope::of_address(cause.address) == Scope::Machine {
            return Ok(());
        }
        let (source, tokens) = (source_of(cause.address), cost.tokens());
        let mut tables = lock(&self.0);
        tables.addresses.has(&source, ADDRESS, tokens, now)?;
        match cause.id {
            Some(id) => tables.ids.take(id, NODE, tokens, now)?,
            None => tables.strangers.take(source, STRANGER, tokens, now)?,
        }
        tables.addresses.take(source, ADDRESS, tokens, now)
    }

    /// Takes calls to other nodes that a query may cause.
    ///
    /// # Errors
    /// When too many are caused by all others: how long until there are enough.
    pub(super) fn forward(&self, cause: Cause, calls: Budget) -> Result<(), Duration> {
        self.forward_at(cause, calls, now())
    }

    /// The same, `now`.
    ///
    /// # Errors
    /// When too many are caused by all others: how long until there are enough.
    pub fn forward_at(&self, cause: Cause, calls: Budget, now: Instant) -> Result<(), Duration> {
        if Scope::of_address(cause.address) == Scope::Machine {
            return Ok(());
        }
        let calls = u32::try_from(calls.calls()).unwrap_or(u32::MAX);
        lock(&self.0).forwarded.take(FORWARDED, calls, now)
    }
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas(Mutex::new(Tables {
            strangers: Buckets::new(TABLE_MAX),
            ids: Buckets::new(TABLE_MAX),
            addresses: Buckets::new(TABLE_MAX),
            forwarded: Bucket::default(),
        }))
    }
}

/// The answer to who asks too much: not now, but after `wait`.
pub(super) fn refusal(context: &Context, wait: Duration) -> Response {
    context.counters.requests_over_quota.one();
    let seconds = wait.as_secs() + 1;
    let text = format!("too many requests; try again in {seconds} s\n");
    let mut response = (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests;
